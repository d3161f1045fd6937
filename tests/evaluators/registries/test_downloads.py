from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evaluators.errors import EvaluationError
from evaluators.registries import downloads
from evaluators.registries.archives import Archive
from evaluators.registries.cache import CACHE_VARIABLE, find_cache
from evaluators.registries.downloads import archive_path, fetch_archive, is_fetched
from packager.errors import PackagingError
from packager.storage import digest_bytes
from tests.evaluators.datasets.builtin.fake_archives import registry_that_runs, use_registry
from tests.specimens import ROOT

DATA = b"what is meant" * 1000
ARCHIVE = Archive(
    registry="debian", package="p", version="1", file="p_1.deb", sha256=digest_bytes(DATA), size_bytes=len(DATA)
)
WRITE = "open('p_1_as_sent.deb', 'wb').write(b'what is meant' * 1000)"


def fetch(cache: Path) -> Path:
    return fetch_archive(ARCHIVE, cache, lambda _: None)


def left(cache: Path) -> list[str]:
    """What lies in the cache but for locks, which hold nothing."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


def test_an_archive_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_registry(monkeypatch, registry_that_runs(WRITE))
    assert not is_fetched(ARCHIVE, tmp_path)
    path = fetch(tmp_path)
    assert (path, path.read_bytes()) == (archive_path(ARCHIVE, tmp_path), DATA)
    assert left(tmp_path) == ["p_1.deb"]
    use_registry(monkeypatch, registry_that_runs("raise SystemExit(9)"))
    assert fetch(tmp_path) == path


def test_what_was_placed_by_hand_is_used_where_it_is_the_right_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_registry(monkeypatch, registry_that_runs("", obstacle="there is no network"))
    path = archive_path(ARCHIVE, tmp_path)
    path.parent.mkdir()
    path.write_bytes(DATA + b"!")
    with pytest.raises(EvaluationError, match="cannot be fetched: there is no network"):
        fetch(tmp_path)
    path.write_bytes(DATA)
    assert fetch(tmp_path) == path


def test_a_failure_says_what_from_where_and_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_registry(monkeypatch, registry_that_runs("import sys; print('first'); sys.exit('E: no \\x1b[31mroute')"))
    with pytest.raises(EvaluationError) as caught:
        fetch(tmp_path)
    first, second = str(caught.value).split("\n")
    assert first.startswith("p_1.deb cannot be fetched: E: no ")
    assert "\x1b" not in first
    assert f"the test package p 1 (0.0 MB, SHA-256 {ARCHIVE.sha256})" in second
    assert second.endswith(f"(`get it`) and put it at {archive_path(ARCHIVE, tmp_path)}")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("open('p_1.deb', 'wb').write(b'what is meant')", "what arrived is another file, of 13 bytes with the SHA-256"),
        ("open('p_1.deb', 'wb').write(b'What is meant' * 1000)", "what arrived is another file, of 13000 bytes"),
        ("", r"0 files of the kind \.deb arrived"),
        ("open('p_1.whl', 'wb').write(b'what is meant' * 1000)", r"0 files of the kind \.deb arrived"),
        (WRITE + "; open('q.deb', 'wb')", r"2 files of the kind \.deb arrived"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
    ids=["truncated", "altered", "nothing", "another kind", "two", "failed"],
)
def test_what_is_not_the_file_that_is_meant_is_not_kept(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_registry(monkeypatch, registry_that_runs(code))
    with pytest.raises(EvaluationError, match=message):
        fetch(tmp_path)
    assert left(tmp_path) == []


def test_a_file_that_was_damaged_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_registry(monkeypatch, registry_that_runs(WRITE))
    path = fetch(tmp_path)
    path.write_bytes(b"rotten")
    assert fetch(tmp_path).read_bytes() == DATA


def test_what_a_killed_download_left_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_registry(monkeypatch, registry_that_runs(WRITE))
    half = tmp_path / "archives" / ".p_1.deb.download" / "files"
    half.mkdir(parents=True)
    (half / "p_1.deb").write_bytes(DATA[:100])
    assert fetch(tmp_path).read_bytes() == DATA
    assert left(tmp_path) == ["p_1.deb"]


def test_a_tool_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_registry(monkeypatch, registry_that_runs("import time; time.sleep(60)"))
    monkeypatch.setattr(downloads, "MOST_SECONDS", 0.3)
    begun = time.monotonic()
    with pytest.raises(EvaluationError, match="it took more than 0 s and was broken off"):
        fetch(tmp_path)
    assert time.monotonic() - begun < 30


def test_a_registry_that_sends_without_end_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "import time\nf = open('p.deb', 'wb', 0)\nwhile True: f.write(bytes(50000)); time.sleep(0.01)"
    use_registry(monkeypatch, registry_that_runs(endless))
    monkeypatch.setattr(downloads, "_MOST_EXTRA_BYTES", 1000)
    with pytest.raises(EvaluationError, match="more arrived than the file has"):
        fetch(tmp_path)
    assert left(tmp_path) == []


@pytest.mark.slow
def test_bytes_are_told_as_they_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = "f = open('p_1.deb', 'wb', 0); f.write(b'what is meant' * 500); import time; time.sleep(0.5); "
    use_registry(monkeypatch, registry_that_runs(half + "f.write(b'what is meant' * 500)"))
    told: list[int] = []
    fetch_archive(ARCHIVE, tmp_path, told.append)
    assert 6500 in told
    assert max(told) <= len(DATA)


@pytest.mark.slow
def test_a_second_process_waits_and_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = f"import time; time.sleep(0.5); open({str(tmp_path / 'count')!r}, 'a').write('x'); {WRITE}"
    use_registry(monkeypatch, registry_that_runs(slow))
    threads = [threading.Thread(target=fetch, args=(tmp_path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (tmp_path / "count").read_text() == "x"
    assert is_fetched(ARCHIVE, tmp_path)


INTERRUPTED = """
from pathlib import Path
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
from tests.evaluators.registries import test_downloads as t
from tests.evaluators.datasets.builtin.fake_archives import registry_that_runs
code = "import os, time; print(os.getpid()); open('p_1.deb', 'wb').write(b'half'); "
code += "open(os.environ['MARK'], 'w').write(str(os.getpid())); time.sleep(60)"
t.downloads.REGISTRIES = {"debian": registry_that_runs(code)}
t.fetch(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_an_interrupt_ends_the_tool_and_leaves_nothing(tmp_path: Path) -> None:
    mark, cache = tmp_path / "mark", tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(cache)],
        cwd=ROOT,
        env={**os.environ, "MARK": str(mark)},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not (mark.is_file() and mark.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    tool = Path(f"/proc/{mark.read_text()}")
    assert not tool.exists()
    assert left(cache) == []


def test_a_cache_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "archives").write_text("a file")
    with pytest.raises(PackagingError, match="cannot be written"):
        fetch(tmp_path)


def test_the_cache_is_the_users_unless_they_say_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    assert find_cache() == tmp_path / "own"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert find_cache() == tmp_path / "xdg" / "testpress"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_cache() == tmp_path / ".cache" / "testpress"

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import packager
from packager import storage
from packager.bundle import FileDigest
from packager.errors import PackagingError
from packager.storage import (
    digest_bytes,
    digest_facts,
    digest_files,
    digest_tree,
    lock_folder,
    stage_folder,
    write_bytes_atomically,
    write_text_atomically,
)

ROOT = Path(packager.__file__).parent.parent


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_write_makes_the_folders_above(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.bin"
    write_bytes_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert _names(path.parent) == ["c.bin"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "t", "é\nこ\n")
    assert (tmp_path / "t").read_bytes() == "é\nこ\n".encode()


def test_a_reader_sees_the_old_or_the_new_text_and_nothing_else(tmp_path: Path) -> None:
    path, texts = tmp_path / "t", [character * 300_000 for character in "ab"]
    write_text_atomically(path, texts[0])
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(40):
        write_text_atomically(path, texts[index % 2])
    stop.set()
    reader.join()
    assert seen
    assert seen <= set(texts)


_WRITER = """
import os, signal, sys
from pathlib import Path
from packager import storage

storage._sync = None
os.fsync = lambda _: (print("ready", flush=True), signal.pause())
storage.write_bytes_atomically(Path(sys.argv[1]), b"half")
"""


def test_what_a_killed_writer_left_is_removed_by_the_next_one_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    """Also where no run holds the folder: `testpress report -o`, `testpress play --save`."""
    path = tmp_path / "re[port].html"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _WRITER, str(path)]
    writers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        (tmp_path / ".other.html.abcd1234.partial").touch()
        assert len(_names(tmp_path)) == 3
        writers[0].kill()
        writers[0].wait()
        write_bytes_atomically(path, b"whole")
        assert path.read_bytes() == b"whole"
        assert len(_names(tmp_path)) == 3  # the living one's, the whole one, and another file's
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    write_bytes_atomically(path, b"again")
    assert _names(tmp_path) == [".other.html.abcd1234.partial", "re[port].html"]


# The tests may run as root, whom no permission stops: below a regular file nobody can write.
@pytest.mark.parametrize("below", ["file/x.json", "file/deeper/x.json"])
def test_what_cannot_be_written_says_where_and_what_to_do(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PackagingError) as caught:
        write_text_atomically(tmp_path / below, "text")
    assert str(caught.value) in {
        f"{tmp_path / below}: cannot be written: {reason}; choose another folder with -o"
        for reason in ("Not a directory", "File exists")
    }


def test_a_folder_in_the_files_place_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(PackagingError, match=r"x\.json: cannot be written: Is a directory"):
        write_text_atomically(tmp_path / "x.json", "text")
    assert _names(tmp_path) == ["x.json"]


def test_a_stage_appears_whole_under_its_final_name(tmp_path: Path) -> None:
    final = tmp_path / "bundles" / "one"
    with stage_folder(final) as stage:
        (stage / "deep").mkdir()
        (stage / "deep" / "file").write_text("text")
        assert not final.exists()
        assert stage.parent == final.parent
        assert stage.name.startswith(".one.")
        assert stage.name.endswith(".partial")
    assert _snapshot(tmp_path) == {"bundles/one/deep/file": b"text"}
    assert final.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt()])
def test_a_stage_that_fails_vanishes(fault: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(fault)), stage_folder(tmp_path / "one") as stage:
        (stage / "file").write_text("half")
        raise fault
    assert _names(tmp_path) == []


def test_a_stage_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "one"
    final.mkdir()
    (final / "stale").write_text("stale")
    with stage_folder(final) as stage:
        (stage / "fresh").write_text("fresh")
    assert _snapshot(tmp_path) == {"one/fresh": b"fresh"}


def test_a_file_in_the_stages_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("in the way")
    with pytest.raises(PackagingError, match=r"one: cannot be written: "), stage_folder(tmp_path / "one"):
        pass
    assert _snapshot(tmp_path) == {"one": b"in the way"}


def test_a_stage_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(PackagingError, match="x: cannot be written: File exists; "),
        stage_folder(tmp_path / "file" / "x"),
    ):
        pass


def _hold(folder: str, ready: Any, release: Any) -> None:
    with lock_folder(Path(folder)):
        ready.set()
        release.wait(30)


@pytest.mark.slow
def test_a_second_process_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), ready, release))
    holder.start()
    try:
        assert ready.wait(30)
        expected = f"{tmp_path}: another testpress run is writing here; wait for it or choose -o"
        with pytest.raises(PackagingError) as caught, lock_folder(tmp_path):
            pytest.fail("both hold the folder")
        assert str(caught.value) == expected
    finally:
        release.set()
        holder.join(30)
    with lock_folder(tmp_path):
        pass


@pytest.mark.slow
def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), ready, release))
    holder.start()
    assert ready.wait(30)
    holder.kill()
    holder.join(30)
    with lock_folder(tmp_path):
        pass


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = {"bundles/one/file", "cache/play/a.json", "notes.partial", ".hidden", ".film.mkv.partial", ".x.AB.partial"}
    left = {
        "bundles/.one.ab12_x9z.partial/deep/file",
        "cache/play/.a.json.cd34cd34.partial",
        ".evaluation.json.________.partial",
        "previews/deep/.x.flac.00000000.partial",
    }
    for name in kept | left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    with lock_folder(tmp_path):
        assert set(_snapshot(tmp_path)) == kept | {".lock"}
        assert _names(tmp_path / "bundles") == ["one"]


def test_a_lock_below_a_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PackagingError) as caught, lock_folder(tmp_path / "file" / "out"):
        pass
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'out'}: cannot be written: Not a directory; choose another folder with -o"
    )


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root on Linux can mount a read-only folder")
def test_a_read_only_file_system_says_where_and_what_to_do(tmp_path: Path) -> None:
    """Permissions do not stop root; a read-only mount does, in a mount namespace of its own."""
    script = (
        "import sys; from pathlib import Path; from packager.storage import lock_folder\n"
        "from packager.errors import PackagingError\n"
        "try:\n    lock_folder(Path(sys.argv[1]) / 'out').__enter__()\n"
        "except PackagingError as fault:\n    print(fault)\n"
    )
    mount = 'mount -t tmpfs -o ro none "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "--mount", "sh", "-c", mount, str(tmp_path), sys.executable, script]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if "Operation not permitted" in run.stderr or "permission denied" in run.stderr.lower():
        pytest.skip("this machine lets not even root mount")
    assert run.stdout.strip() == (
        f"{tmp_path / 'out'}: cannot be written: Read-only file system; choose another folder with -o"
    ), run.stderr


def test_digests_name_every_file_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b/2", "a", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    digests = digest_files(tmp_path)
    assert list(digests) == ["a", "b/1", "b/2"]
    assert digests["b/1"] == FileDigest(sha256=digest_bytes(b"b/1"), size_bytes=3)
    assert digest_files(tmp_path / "a") == {"a": digests["a"]}


def test_known_digests(tmp_path: Path) -> None:
    """Closed form: SHA-256 of "abc" is FIPS 180-2's first example."""
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_bytes(b"abc") == abc
    (tmp_path / "x").write_bytes(b"abc")
    assert digest_tree(tmp_path) == digest_bytes(f"x {abc}\n".encode())


def test_digest_of_a_tree_follows_names_and_contents(tmp_path: Path) -> None:
    trees = [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "1", "c": "2"}, {"a": "1"}, {"d/a": "1", "b": "2"}]
    found = []
    for index, tree in enumerate([*trees, trees[0]]):
        for name, text in tree.items():
            path = tmp_path / str(index) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found.append(digest_tree(tmp_path / str(index)))
    assert len(set(found)) == len(trees)
    assert found[-1] == found[0]


@pytest.mark.parametrize("target", ["inside", "outside", "folder", "nowhere"])
def test_symbolic_links_are_refused(target: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "inside").write_text("text")
    (tmp_path / "outside").write_text("secret")
    link = root / "link"
    link.symlink_to({"outside": tmp_path / "outside", "nowhere": tmp_path / "x"}.get(target, root / target))
    for digest in (digest_files, digest_tree):
        with pytest.raises(PackagingError) as caught:
            digest(root)
        assert str(caught.value) == f"{link}: is a symbolic link; only regular files can be packaged"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: [(root / str(index)).touch() for index in range(31)], "{root}: holds more than 30 files; "),
        (lambda root: [(root / str(index)).mkdir() for index in range(31)], "{root}: holds more than 30 files; "),
        (lambda root: (root / "/".join("d" * 31)).mkdir(parents=True), "{root}: holds more than 30 files; "),
        (lambda root: _extend(root / "x", (2 << 30) + 1), "{root}: holds more than 2 GiB; name the model's own file"),
        (lambda root: os.mkfifo(root / "x"), "{root}/x: is a pipe; only regular files are read"),
        (lambda root: _bind(root / "x"), "{root}/x: is a socket; only regular files are read"),
    ],
)
def test_what_is_too_much_or_no_file_is_refused_before_it_is_read(
    make: Callable[[Path], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_ENTRIES", 30)
    monkeypatch.setattr(storage, "MAX_BYTES", 2 << 30)
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    began = time.process_time()
    with pytest.raises(PackagingError) as caught:
        digest_files(tmp_path)
    assert time.process_time() - began < 1
    assert str(caught.value).startswith(message.format(root=tmp_path))


def _extend(path: Path, size_bytes: int) -> None:
    path.touch()
    os.truncate(path, size_bytes)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # a socket's whole path may not be long


def test_what_is_stored_here_may_be_more_than_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_ENTRIES", 30)
    for index in range(31):
        (tmp_path / str(index)).touch()
    assert len(digest_files(tmp_path, bounded=False)) == 31


def test_a_folder_deeper_than_pythons_stack_is_walked(tmp_path: Path) -> None:
    depth = len(inspect.stack()) + 150
    place = tmp_path / "root"
    for _ in range(depth):
        place.mkdir()
        place = place / "d"
    place.touch()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth)  # Libraries raise it, and a path of 4,096 characters holds only so many folders.
    try:
        found = list(digest_files(tmp_path / "root"))
    finally:
        sys.setrecursionlimit(before)
        subprocess.run(["rm", "-r", str(tmp_path / "root")], check=True)  # pytest's own way is recursive
    assert found == ["d/" * (depth - 1) + "d"]


def test_a_path_longer_than_the_system_takes_is_one_sentence(tmp_path: Path) -> None:
    inside = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(20):  # by handles: no path reaches this deep
            os.mkdir("d" * 250, dir_fd=inside)
            outside, inside = inside, os.open("d" * 250, os.O_RDONLY, dir_fd=inside)
            os.close(outside)
        with pytest.raises(PackagingError, match=r"cannot be read: File name too long$"):
            digest_files(tmp_path)
    finally:
        os.close(inside)
        subprocess.run(["rm", "-r", str(tmp_path / ("d" * 250))], check=True)


def test_a_folder_may_be_named_by_a_link_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    (tmp_path / "link").symlink_to("folder")
    assert list(digest_files(tmp_path / "link")) == ["x"]
    (tmp_path / "file").symlink_to("folder/x")
    with pytest.raises(PackagingError, match="file: is a symbolic link"):
        digest_files(tmp_path / "file")


def test_nothing_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="nothing: cannot be read: No such file or directory"):
        digest_tree(tmp_path / "nothing")


def test_an_older_folder_goes_at_a_stroke(tmp_path: Path) -> None:
    """Nobody sees half of it under its name, not even for a moment."""
    final = tmp_path / "one"
    with stage_folder(final) as stage:
        for index in range(300):
            (stage / str(index)).touch()
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with contextlib.suppress(FileNotFoundError):
                opened = os.open(final, os.O_RDONLY)
                try:
                    with os.scandir(opened) as entries:
                        count = sum(1 for _ in entries)
                    # What was opened may have lost its name since: then nobody finds this count under it.
                    if os.path.samestat(os.fstat(opened), final.stat()):
                        seen.add(count)
                finally:
                    os.close(opened)

    reader = threading.Thread(target=look)
    reader.start()
    with stage_folder(final) as stage:
        (stage / "new").touch()
    stop.set()
    reader.join()
    assert seen <= {1, 300}


_facts = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers()), max_size=5)


@settings(deadline=None)
@given(_facts, _facts)
def test_facts_have_the_same_digest_exactly_when_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest_facts(one) == digest_facts(dict(reversed(one.items())))
    assert (digest_facts(one) == digest_facts(other)) == (one == other)

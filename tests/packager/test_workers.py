from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import packager
from packager.errors import PackagingError
from packager.workers import Ended, Job, Limits, run_job, run_jobs

ROOT = Path(packager.__file__).parent.parent
PLENTY = Limits(time_s=60)
Event = tuple[int, dict[str, Any]]

FAILED = r'ValueError: first line (at jobs.py:30 in fail: raise ValueError("first line\nsecond line"))'
"""the reason of a job that raises: the message's first line, and where the job's own code stood"""


@pytest.fixture(autouse=True)
def _jobs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def _job(name: str, folder: Path, *, limits: Limits = PLENTY, **request: Any) -> Job:
    return Job(f"jobs:{name}", request, folder / "logs" / f"{name}.log", limits)


def _run(jobs: list[Job], *, parallel: int = 2) -> tuple[list[Ended], list[Event]]:
    seen: list[Event] = []
    return run_jobs(jobs, lambda index, event: seen.append((index, event)), parallel=parallel), seen


def test_events_arrive_in_order(tmp_path: Path) -> None:
    ended, seen = _run([_job("count", tmp_path, to=200), _job("count", tmp_path, to=50)])
    assert [end.reason for end in ended] == [None, None]
    for index, length in ((0, 200), (1, 50)):
        assert [event["number"] for job, event in seen if job == index] == list(range(length))


def test_an_event_larger_than_any_buffer_arrives_whole(tmp_path: Path) -> None:
    assert run_job(_job("say_much", tmp_path, characters=3_000_000)) == [{"text": "é" * 3_000_000}]


@pytest.mark.parametrize(
    ("name", "request_", "limits", "reason"),
    [
        ("refuse", {}, Limits(), "the model has two heads; one is expected\nsecond line, kept"),
        ("fail", {}, Limits(), FAILED),
        ("fail_silently", {}, Limits(), "KeyError: no message (at jobs.py:35 in fail_silently: raise KeyError)"),
        ("crash", {}, Limits(), "the worker was ended by SIGSEGV"),
        ("leave", {"code": 7}, Limits(), "the worker ended with exit code 7"),
        ("hoard", {"bytes": 400 * 2**20}, Limits(memory_bytes=256 * 2**20), "needed more than 0.25 GiB of memory"),
        ("hang", {}, Limits(time_s=1.5), "took longer than 1.5 s"),
    ],
)
def test_one_failure_is_one_reason_and_the_others_go_on(
    name: str, request_: dict[str, Any], limits: Limits, reason: str, tmp_path: Path
) -> None:
    ended, seen = _run([_job(name, tmp_path, limits=limits, **request_), _job("count", tmp_path, to=3)])
    assert [end.reason for end in ended] == [reason, None]
    assert len([event for job, event in seen if job == 0]) == 1  # what it said before it failed is not lost
    assert [event["number"] for job, event in seen if job == 1] == [0, 1, 2]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("jobs:nothing", "AttributeError: module 'jobs' has no attribute 'nothing'"),
        ("no_such_module:run", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_target_that_is_not_there(target: str, reason: str, tmp_path: Path) -> None:
    ended, _ = _run([Job(target, {}, tmp_path / "x.log")])
    assert ended == [Ended(reason)]


def test_a_number_that_json_cannot_hold_is_a_fault(tmp_path: Path) -> None:
    ended, seen = _run([_job("say_nan", tmp_path)])
    assert ended[0].reason is not None
    assert ended[0].reason.startswith("ValueError: Out of range float values are not JSON compliant")
    assert seen == []


def test_noise_goes_to_the_log_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job = _job("be_noisy", tmp_path)
    assert run_job(job) == [{"heard": True}]
    log = job.log.read_text()
    for text in ("noise on standard output", "noise on standard error", "noise from below Python"):
        assert text in log
    assert capfd.readouterr() == ("", "")


def test_the_log_holds_the_traceback_that_the_reason_leaves_out(tmp_path: Path) -> None:
    job = _job("fail", tmp_path)
    with pytest.raises(PackagingError) as caught:
        run_job(job)
    assert str(caught.value) == f"{FAILED}\n(log: {job.log})"
    assert "Traceback" in job.log.read_text()
    assert "second line" in job.log.read_text()


def test_a_log_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(PackagingError) as caught:
        _run([_job("count", tmp_path, to=1)])
    log = tmp_path / "logs" / "count.log"
    assert str(caught.value) == f"{log}: cannot be written: File exists; choose another folder with -o"


def test_no_more_than_asked_run_at_once(tmp_path: Path) -> None:
    """Two that hang for their whole second, one at a time: the second is started only when the first is ended."""
    starts: dict[int, float] = {}
    jobs = [_job("hang", tmp_path, limits=Limits(time_s=1)) for _ in range(2)]
    ended = run_jobs(jobs, lambda index, _: starts.setdefault(index, time.monotonic()), parallel=1)
    assert [end.reason for end in ended] == ["took longer than 1 s"] * 2
    assert starts[1] - starts[0] > 0.5


def test_a_callback_that_raises_ends_the_workers(tmp_path: Path) -> None:
    pids: list[int] = []

    def on_event(_: int, event: dict[str, Any]) -> None:
        pids.append(event["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([_job("hang", tmp_path)], on_event)
    assert not psutil.pid_exists(pids[0])


def test_workers_leave_nothing_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    _run([_job("count", tmp_path, to=2), _job("crash", tmp_path)])
    assert list(scratch.iterdir()) == []


def test_the_folder_one_stands_in_shadows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own `packager.py` or `json.py` must not be taken for ours."""
    for name in ("packager", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    assert run_job(_job("where_from", tmp_path)) == [{"packager": packager.__file__, "folder": str(tmp_path)}]


_PARENT = """
import sys
from pathlib import Path
from packager.workers import Job, run_jobs

run_jobs([Job("jobs:hang", {"pid_file": sys.argv[1]}, Path(sys.argv[2]))], lambda *_: None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told to its children on Linux alone")
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, pid_file, tmp_path / "log"], env=environment)
    try:
        _wait(lambda: pid_file.is_file() and pid_file.read_text() != "")
        worker = psutil.Process(int(pid_file.read_text()))
        assert worker.is_running()
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    _wait(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def _wait(condition: Any, *, timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

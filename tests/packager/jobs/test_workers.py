from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import packager
from device_profiles.record import Record
from packager.errors import PackagingError
from packager.jobs.scratch import Scratch, sweep
from packager.jobs.workers import Ended, Job, Limits, LyingEventError, run_job, run_jobs
from tests.specimens import place_of

ROOT = Path(packager.__file__).parent.parent
PLENTY = Limits(time_s=60)
TARGETS = "tests.packager.jobs.job_targets"
Event = tuple[int, dict[str, Any]]

_CODE = Path(__file__).with_name("job_targets.py")
_SILENT, _RAISE = place_of(_CODE, "raise KeyError"), r'raise ValueError("first line\nsecond line")'
FAILED = f"ValueError: first line (at {place_of(_CODE, _RAISE)} in fail: {_RAISE})"
"""the reason of a job that raises: the message's first line, and where the job's own code stood"""


def _job(name: str, folder: Path, *, limits: Limits = PLENTY, **request: Any) -> Job:
    return Job(f"{TARGETS}:{name}", request, folder / "logs" / f"{name}.log", limits)


def _run(jobs: list[Job], *, parallel: int = 2) -> tuple[list[Ended], list[Event]]:
    seen: list[Event] = []
    return run_jobs(jobs, lambda index, event: seen.append((index, event)), parallel=parallel), seen


def test_events_arrive_in_order(tmp_path: Path) -> None:
    ended, seen = _run([_job("count", tmp_path, to=200), _job("count", tmp_path, to=50)])
    assert [end.reason for end in ended] == [None, None]
    for index, length in ((0, 200), (1, 50)):
        assert [event["number"] for job, event in seen if job == index] == list(range(length))


@pytest.mark.slow
def test_an_event_larger_than_any_buffer_arrives_whole(tmp_path: Path) -> None:
    assert run_job(_job("say_much", tmp_path, characters=3_000_000)) == [{"text": "é" * 3_000_000}]


@pytest.mark.parametrize(("threads", "expected"), [(None, "7"), (1, "1"), (3, "3")])
def test_a_job_says_how_many_threads_its_libraries_take(
    threads: int | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    job = replace(_job("read_variable", tmp_path, variable="OPENBLAS_NUM_THREADS"), threads=threads)
    assert run_job(job) == [{"value": expected}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "request_", "limits", "reason"),
    [
        ("refuse", {}, Limits(), "the model has two heads; one is expected\nsecond line, kept"),
        ("fail", {}, Limits(), FAILED),
        ("fail_silently", {}, Limits(), f"KeyError: no message (at {_SILENT} in fail_silently: raise KeyError)"),
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
        (f"{TARGETS}:nothing", f"AttributeError: module '{TARGETS}' has no attribute 'nothing'"),
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


@pytest.mark.slow
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
    """A user's own `packager.py` or `json.py` must not be taken for ours, nor our rooms for a user's `storage`."""
    for name in ("packager", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    (found,) = run_job(_job("where_from", tmp_path))
    assert found == {"packager": packager.__file__, "folder": str(tmp_path), "bare": []}


class Counted(Record):
    number: int


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"event {\n", "the worker said what it may not: not valid JSON"),
        (b"event []\n", "an event that is no object"),
        (b'event {"number": "1"}\n', "number: Input should be a valid integer"),
        (b'event {"number": 1, "number": 2}\n', 'the key "number" is there twice'),
        (b'event {"number": 1e400}\n', "number: Input should be"),
        (b'event {"number": ' + b"9" * 5000 + b"}\n", "not valid JSON"),
        (b"event " + b"[" * 100_000 + b"\n", "nested too deeply"),
        (b"event \xff\n", "'utf-8' codec can't decode"),
        (b"fault {}\n", "a fault that is no text"),
        (b"\x00\x01\n", r"b'\x00\x01'"),
        (b"done now\n", "b'done now'"),
        (b"\n", "b''"),
    ],
)
def test_what_is_no_event_is_the_workers_fault(data: bytes, reason: str, tmp_path: Path) -> None:
    data = b'event {"number": 5}\n' + data
    bad = replace(_job("say_raw", tmp_path, bytes=data.hex(), quiet=True), event=Counted)
    seen: list[tuple[int, Counted]] = []
    good = replace(_job("count", tmp_path, to=3), event=Counted)
    ended = run_jobs([bad, good], lambda index, event: seen.append((index, event)), parallel=2)
    assert reason in str(ended[0].reason)
    assert ended[1].reason is None
    assert [event.number for index, event in seen if index == 0] == [5]
    assert [event.number for index, event in seen if index == 1] == [0, 1, 2]


def test_a_line_that_is_not_ended_is_no_event(tmp_path: Path) -> None:
    ended, seen = _run([_job("say_raw", tmp_path, bytes=b'event {"half": '.hex())])
    assert ended[0].reason is not None
    assert [event for _, event in seen] == [{"before": True}]


def test_more_events_than_may_be_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packager.jobs.worker_process.MOST_EVENT_BYTES", 2**20)
    ended, _ = _run([_job("say_raw", tmp_path, bytes=(b"x" * 2**16).hex(), times=64)])
    assert ended[0].reason == f"the worker said more than {2**20} bytes"


def test_a_lie_is_the_workers_fault(tmp_path: Path) -> None:
    def on_event(index: int, event: dict[str, Any]) -> None:
        if index == 0 and event["number"] == 1:
            raise LyingEventError("1 was never asked for")

    ended = run_jobs([_job("count", tmp_path, to=3), _job("count", tmp_path, to=3)], on_event, parallel=2)
    assert [end.reason for end in ended] == ["1 was never asked for", None]


@pytest.mark.parametrize(
    ("name", "request_", "reason"),
    [
        ("leave", {"code": 0}, "the worker ended with exit code 0 before its work was done"),
        ("close_output", {}, None),
        ("fail_without_output", {}, "ValueError: told all the same (at job_targets.py:"),
        ("leave_by_exception", {"by": "exit"}, "SystemExit: enough (at job_targets.py:"),
        ("leave_by_exception", {"by": "interrupt"}, "KeyboardInterrupt: no message (at job_targets.py:"),
        ("leave_by_exception", {"by": "bare"}, "BaseException: x (at job_targets.py:"),
        ("fail_unprintably", {}, "Unprintable: its message cannot be printed (at job_targets.py:"),
        ("fail_oddly", {}, "\ufffd[31mred\ufffd\ufffdxxx"),
    ],
)
def test_every_way_to_end_has_its_reason(
    name: str, request_: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    ended, seen = _run([_job(name, tmp_path, **request_)])
    found = ended[0].reason
    assert found is None if reason is None else str(found).startswith(reason)
    assert len(found or "") <= 10_000
    assert [event for _, event in seen] == [{"before": True}]


def _are_gone(pids: Path) -> bool:
    return not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split())


@pytest.mark.slow
@pytest.mark.parametrize("stay_s", [0, 60])
def test_children_that_stay_are_ended(stay_s: int, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    limits = Limits(time_s=20 if stay_s == 0 else 3)
    _run([_job("leave_children", tmp_path, limits=limits, pids=str(pids), count=3 if stay_s else 2, stay_s=stay_s)])
    _wait(lambda: _are_gone(pids))


@pytest.mark.slow
def test_memory_of_children_counts(tmp_path: Path) -> None:
    limits = Limits(time_s=60, memory_bytes=300 * 2**20)
    job = _job(
        "leave_children", tmp_path, limits=limits, pids=str(tmp_path / "p"), count=2, bytes=200 * 2**20, stay_s=60
    )
    ended, _ = _run([job])
    assert ended[0].reason == "needed more than 0.293 GiB of memory"


@pytest.mark.slow
def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packager.jobs.worker_process.MOST_LOG_BYTES", 2**22)
    monkeypatch.setattr("packager.jobs.worker_process._KEPT_LOG_BYTES", 2**16)
    job = _job("flood", tmp_path, bytes=2**25)
    ended, _ = _run([job])
    assert ended[0].reason is None
    assert job.log is not None
    text = job.log.read_text()
    assert len(text) < 3 * 2**22
    assert text.startswith("the beginning\n")
    assert "some are left out here" in text
    assert text.endswith("the end\n")


@pytest.mark.slow
def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch, pids = tmp_path / "scratch", tmp_path / "pids"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    script = _PARENT.replace("hang", "leave_children").replace(
        '{"pid_file": sys.argv[1]}', '{"pids": sys.argv[1], "count": 2, "stay_s": 60}'
    )
    parent = subprocess.Popen([sys.executable, "-c", script, pids, tmp_path / "log"], env=environment)
    _wait(lambda: pids.is_file() and len(pids.read_text().split()) == 2)
    parent.kill()
    parent.wait()
    assert len(list(scratch.iterdir())) == 1
    (scratch / "testpress-not-ours").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with contextlib.ExitStack() as stack:
        owned = Scratch()
        stack.callback(owned.remove)
        sweep()
        assert {path.name for path in scratch.iterdir()} == {owned.path.name, "testpress-not-ours"}
    _wait(lambda: _are_gone(pids))


_PARENT = """
import sys
from pathlib import Path
from packager.jobs.workers import Job, run_jobs

run_jobs([Job("tests.packager.jobs.job_targets:hang", {"pid_file": sys.argv[1]}, Path(sys.argv[2]))], lambda *_: None)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told to its children on Linux alone")
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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

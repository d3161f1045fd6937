"""Work that may crash, hang or be noisy runs in a process of its own.

Frameworks print, warn, exhaust memory and sometimes end the process. A worker's output goes to a log file; it reports
by JSON lines in a file, each complete before the next begins, so that what it finished before it died is not lost.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from packager.errors import PackagingError

POLL_S = 0.05


@dataclass(frozen=True)
class Limits:
    """What a worker may use before it is ended."""

    time_s: float = 900.0
    memory_bytes: int = 12 * 2**30


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Job:
    """One call to be made in a worker.

    Attributes:
        target: `module:function`; the function takes the request and yields dictionaries that JSON can hold.
        request: The function's argument, as JSON can hold it.
        log: Where the worker's output goes.
        limits: Time and memory.
    """

    target: str
    request: dict[str, Any]
    log: Path
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Ended:
    """How a worker ended: `reason` is None when all went well, else one sentence."""

    reason: str | None


def run_jobs(jobs: list[Job], on_event: Callable[[int, dict[str, Any]], None], *, parallel: int = 1) -> list[Ended]:
    """Run jobs in worker processes, at most `parallel` at a time.

    Args:
        jobs: What to run; their order is the order of starting.
        on_event: Called in this process with a job's index and each dictionary that it yields, as soon as it is there.
        parallel: How many workers at once.

    Returns:
        How each job ended, in the order of `jobs`. A failing job never raises.
    """
    ended: list[Ended] = [Ended("was not started")] * len(jobs)
    waiting = list(enumerate(jobs))
    running: dict[int, _Worker] = {}
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                index, job = waiting.pop(0)
                running[index] = _Worker(job)
            for index, worker in list(running.items()):
                over = worker.is_over()  # asked first: what it wrote before it ended is then all there to read
                for event in worker.events():
                    on_event(index, event)
                if over:
                    ended[index] = running.pop(index).close()
            if running:
                time.sleep(POLL_S)
    finally:
        for worker in running.values():
            worker.close()
    return ended


class _Worker:
    def __init__(self, job: Job) -> None:
        self._job = job
        log = _open_log(job.log)
        self._folder = tempfile.TemporaryDirectory(prefix="testpress-")
        folder = Path(self._folder.name)
        (folder / "request.json").write_text(json.dumps(job.request))
        (folder / "events.jsonl").touch()
        self._events: BinaryIO = (folder / "events.jsonl").open("rb")
        self._buffer = b""
        self._reason: str | None = None
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "packager.worker", job.target, str(folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,  # an interrupt from the terminal is this process's to handle
            )
        self._deadline = time.monotonic() + job.limits.time_s

    def is_over(self) -> bool:
        if self._process.poll() is None:
            self._enforce_limits()
        return self._process.poll() is not None

    def events(self) -> Iterator[dict[str, Any]]:
        self._buffer += self._events.read()
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            event = json.loads(line)
            if "worker_fault" in event:
                self._reason = event["worker_fault"]
            else:
                yield event

    def close(self) -> Ended:
        """End it if it still runs, remove its folder, and say how it ended."""
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        self._events.close()
        self._folder.cleanup()
        if code < 0 and self._reason is None:
            self._reason = f"the worker was ended by {signal.Signals(-code).name}"
        elif code > 0 and self._reason is None:
            self._reason = f"the worker ended with exit code {code}"
        return Ended(self._reason)

    def _enforce_limits(self) -> None:
        if time.monotonic() > self._deadline:
            self._reason = f"took longer than {self._job.limits.time_s:g} s"
            self._process.kill()
            return
        try:
            memory = psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:  # it ended between two looks
            return
        if memory > self._job.limits.memory_bytes:
            self._reason = f"needed more than {self._job.limits.memory_bytes / 2**30:g} GiB of memory"
            self._process.kill()


def _open_log(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError as fault:
        raise PackagingError(f"{path}: cannot be written: {fault.strerror}; choose another folder with -o") from None


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}


def run_job(job: Job) -> list[dict[str, Any]]:
    """Run one job and return what it yielded.

    Raises:
        PackagingError: It failed; the message holds the reason and the log's path.
    """
    events: list[dict[str, Any]] = []
    (ended,) = run_jobs([job], lambda _, event: events.append(event))
    if ended.reason is not None:
        raise PackagingError(f"{ended.reason}\n(log: {job.log})")
    return events

"""Work that may crash, hang or be noisy runs in a process of its own.

Frameworks print, warn, exhaust memory and sometimes end the process. A worker's output goes to a log file; it reports
line by line in a file, each complete before the next begins, so that what it finished before it died is not lost.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from packager.disk import refuse_full_disk
from packager.errors import PackagingError
from packager.jobs.scratch import sweep
from packager.jobs.worker_process import Ended, Job, Limits, WorkerProcess

__all__ = ["DEFAULT_LIMITS", "Ended", "Job", "Limits", "LyingEventError", "run_job", "run_jobs"]

POLL_S = 0.05
_FIRST_POLL_S = 0.004
"""short work is seen to end as soon as it does"""

DEFAULT_LIMITS = Limits()

_sweep_once = functools.cache(sweep)


class LyingEventError(PackagingError):
    """An event says what cannot be, for example that a thing was made that nobody asked for."""


def run_jobs(jobs: list[Job], on_event: Callable[[int, Any], None], *, parallel: int = 1) -> list[Ended]:
    """Run jobs in worker processes, at most `parallel` at a time.

    Args:
        jobs: What to run; their order is the order of starting.
        on_event: Called in this process with a job's index and each event, as soon as it is there: a record of the
            job's `event`, else a dictionary. It may raise `LyingEventError`, which is that worker's fault.
        parallel: How many workers at once.

    Returns:
        How each job ended, in the order of `jobs`. A failing job never raises.

    Raises:
        PackagingError: A log or the system's temporary folder cannot be written, or a disk is full.
    """
    _sweep_once()
    ended: list[Ended] = [Ended("was not started")] * len(jobs)
    waiting = list(enumerate(jobs))
    running: dict[int, WorkerProcess] = {}
    poll_s = _FIRST_POLL_S
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                index, job = waiting.pop(0)
                with _without_interrupts():  # one between start and note would leave a worker that nobody ends
                    running[index] = WorkerProcess(job)
                poll_s = _FIRST_POLL_S
            for index, worker in list(running.items()):
                over = worker.is_over()  # asked first: what it wrote before it ended is then all there to read
                _hear(index, worker, on_event)
                if over:
                    ended[index] = running.pop(index).close()
                    refuse_full_disk(ended[index].reason, jobs[index].log)
            if running:
                time.sleep(poll_s)
                poll_s = min(POLL_S, poll_s * 1.05)
    finally:
        for worker in running.values():
            worker.close()
    return ended


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the block is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hear(index: int, worker: WorkerProcess, on_event: Callable[[int, Any], None]) -> None:
    for event in worker.events():
        try:
            on_event(index, event)
        except LyingEventError as fault:
            worker.distrust(str(fault))
            return


def run_job(job: Job) -> list[Any]:
    """Run one job and return what it yielded.

    Raises:
        PackagingError: It failed; the message holds the reason and, where there is one, the log's path.
    """
    events: list[Any] = []
    (ended,) = run_jobs([job], lambda _, event: events.append(event))
    if ended.reason is not None:
        raise PackagingError(ended.reason if job.log is None else f"{ended.reason}\n(log: {job.log})")
    return events

"""Jobs in worker processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from packager.errors import PackagingError
from packager.jobs.executors import OnEvent
from packager.jobs.worker_process import Ended, Job
from packager.jobs.workers import run_jobs


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs here.

    Attributes:
        jobs: How many at once; None takes as many as this process may use cores.
    """

    jobs: int | None = None
    spreads: ClassVar[bool] = False

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> list[Ended]:
        """As `Executor.run`."""
        alone = any(job.is_alone for job in jobs)
        return run_jobs(list(jobs), on_event, parallel=1 if alone else self.jobs or count_cores())

    def close(self) -> None:
        """Nothing is held between two runs."""


def open_executor(address: str, jobs: int | None) -> LocalExecutor:
    """The local executor.

    Raises:
        PackagingError: The address is more than `local`.
    """
    if address != "local":
        raise PackagingError(f"the executor {address!r}: local takes no address")
    return LocalExecutor(jobs)


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

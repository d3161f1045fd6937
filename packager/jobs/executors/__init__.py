"""Who runs jobs: one file an executor, and what other packages offer as entry points of `testpress.executors`.

Each file holds `open_executor(address, jobs)`. An address is the executor's name, or begins with it: `ray://host:port`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from device_profiles.plugins import list_plugins
from device_profiles.record import suggest
from packager.errors import PackagingError
from packager.jobs.worker_process import Ended, Job

OnEvent = Callable[[int, Any], None]
"""a job's index and what its worker said; it may raise `LyingEventError`, which is that worker's fault"""


class Executor(Protocol):
    """Runs jobs, each in a worker process with limits, wherever that is."""

    spreads: ClassVar[bool]
    """whether several runs at once end sooner than one after the other: the executor has more than this machine"""

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> list[Ended]:
        """Run jobs, as many at once as the executor has room for; one with `is_alone` has nothing else beside it.

        Args:
            jobs: What to run; their order is the order of starting.
            on_event: Called in the calling thread with a job's index and each event of its worker.

        Returns:
            How each job ended, in the order of `jobs`. A failing job never raises.

        Raises:
            PackagingError: A log or temporary folder cannot be written, a disk is full, or there is nobody to run jobs.
        """

    def close(self) -> None:
        """Give back what it holds."""


def list_executors() -> tuple[str, ...]:
    """The names there are; none of them is imported."""
    return tuple(list_plugins("executors", Path(__file__).parent, "open_executor"))


@contextmanager
def open_executor(address: str = "local", jobs: int | None = None) -> Iterator[Executor]:
    """An executor, for as long as the block runs.

    Args:
        address: Its name, for example `local`, or an address that begins with it: `ray://host:port`.
        jobs: How many jobs at once; None leaves it to the executor: the local one takes as many as there are cores.

    Raises:
        PackagingError: There is no such executor, or it cannot be reached.
    """
    known = list_plugins("executors", Path(__file__).parent, "open_executor")
    name = address.partition("://")[0]
    if name not in known:
        hint = suggest(name, tuple(known)) or f"; known: {', '.join(known)}"
        raise PackagingError(f"no executor {name!r}{hint}")
    executor: Executor = known[name].load()(address, jobs)
    try:
        yield executor
    finally:
        executor.close()

"""Jobs on a Ray cluster: inputs travel by content through its object store, and no disk is shared.

Each job runs in a worker process with the same limits as here. What a node was doing when it was lost is done again by
another one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from device_profiles.record import parse_record
from packager.disk import refuse_full_disk, refuse_write
from packager.errors import PackagingError
from packager.jobs.code import digest_job_code
from packager.jobs.executors import OnEvent
from packager.jobs.node import COMPUTING, Returned, Sent, library_versions, run_on_node
from packager.jobs.results import ResultsFolder
from packager.jobs.worker_process import Ended, Job
from packager.jobs.workers import LyingEventError
from packager.storage import write_bytes_atomically

_RETRIES = 3
"""of a job whose node was lost"""
_LOOK_S = 0.5


class RayExecutor:
    """Runs jobs on a cluster."""

    spreads: ClassVar[bool] = True

    def __init__(self, address: str, jobs: int | None) -> None:
        """Connect to a cluster; where none is named and none runs, one is started on this machine.

        Raises:
            PackagingError: Ray is not installed, or the cluster cannot be reached.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody
        os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # a busy machine takes longer than the usual 30
        try:
            import ray
        except ImportError:
            raise PackagingError('the executor ray needs Ray: pip install "testpress[ray]"') from None
        self._ray: Any = ray
        self._is_closed = False
        self._limit = jobs
        self._is_ours = not ray.is_initialized()
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        try:
            if not self._is_ours:
                return
            if address.startswith("ray://"):
                ray.init(address=address, **options)
            else:
                ray.init(include_dashboard=False, **options)
        except Exception as fault:  # noqa: BLE001  Ray raises no narrower one where a node does not start
            raise PackagingError(f"the executor {address!r} cannot be reached: {fault}") from None
        finally:
            self._blobs: dict[str, Any] = {}
            self._function = ray.remote(max_retries=_RETRIES)(_run_sent)

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> list[Ended]:
        """As `Executor.run`; what a worker says is heard when it has ended."""
        ended = [Ended("was not started")] * len(jobs)
        waiting, running = list(enumerate(jobs)), dict[Any, int]()
        try:
            while waiting or running:
                if self._is_closed:
                    raise PackagingError("the run was interrupted; start it again, and what is finished stays")
                while waiting and (self._limit is None or len(running) < self._limit):
                    index, job = waiting.pop(0)
                    running[self._submit(job)] = index
                done, _ = self._ray.wait(list(running), num_returns=1, timeout=_LOOK_S)
                for reference in done:
                    index = running.pop(reference)
                    ended[index] = self._finish(reference, jobs[index], index, on_event)
                    refuse_full_disk(ended[index].reason, jobs[index].log)
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)
        return ended

    def _submit(self, job: Job) -> Any:
        inputs, blobs = dict[str, dict[str, str]](), {}
        for each in job.inputs:
            files = each.digest()
            is_file = each.path.is_file()
            known = inputs.setdefault(str(each.path), {})  # two modules of one folder are two inputs
            known |= {"" if is_file else name: digest.sha256 for name, digest in files.items()}
            for name, digest in files.items():
                blobs[digest.sha256] = self._put(digest.sha256, each.locate(name))
        sent = Sent(
            target=job.target,
            request=job.request,
            limits=job.limits,
            code=job.code,
            code_sha256=digest_job_code(*job.code),
            versions=library_versions(),
            environment={name: os.environ[name] for name in COMPUTING if name in os.environ},
            inputs=inputs,
            results=tuple(job.results),
            threads=job.threads,
        )
        cores = self._count_cores() if job.is_alone else 1
        return self._function.options(num_cpus=cores).remote(sent, blobs)

    def _put(self, sha256: str, path: Path) -> Any:
        if sha256 not in self._blobs:
            self._blobs[sha256] = self._ray.put(path.read_bytes())
        return self._blobs[sha256]

    def _count_cores(self) -> float:
        """All of the largest node, so that nothing else runs beside."""
        return max((node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]), default=1)

    def _finish(self, reference: Any, job: Job, index: int, on_event: OnEvent) -> Ended:
        try:
            found: Returned = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as fault:
            return Ended(str(fault.cause), is_refusal=isinstance(fault.cause, PackagingError))
        except self._ray.exceptions.RayError as fault:
            return Ended(f"the cluster did not finish it: {str(fault).strip().splitlines()[0]}")
        if job.log is not None:
            write_bytes_atomically(job.log, found.log)
        try:
            _put_results(found, job)
            for event in found.events:
                on_event(index, event if job.event is None else _parse(event, job))
        except LyingEventError as fault:
            return Ended(str(fault))
        return found.ended

    def close(self) -> None:
        """Leave the cluster; what still runs in other threads ends."""
        self._is_closed = True
        if self._is_ours:
            self._ray.shutdown()


def _parse(event: dict[str, Any], job: Job) -> Any:
    assert job.event is not None
    return parse_record(event, job.event, where="the worker said what it may not", error=LyingEventError)


def _put_results(found: Returned, job: Job) -> None:
    """Write what a worker made, and put it into place."""
    if not job.results:
        return
    folder = ResultsFolder(job.results)
    try:
        for name, files in found.files.items():
            is_added = f"{name}/" in job.results
            for inner, data in files.items():
                path = folder.path / name / inner if inner else folder.path / name
                if not path.resolve().is_relative_to(folder.path.resolve()):
                    raise LyingEventError(f"the worker made {inner!r}, which lies outside of its folder")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                if is_added:
                    folder.take(f"{name}/{inner}")
            if not is_added:
                folder.take(name)
    except OSError as fault:
        raise refuse_write(folder.path, fault) from None
    finally:
        folder.remove()


def _run_sent(sent: Sent, blobs: dict[str, Any]) -> Returned:
    """On the node."""
    import ray

    def fetch(sha256: str) -> bytes:
        data: bytes = ray.get(blobs[sha256])
        return data

    return run_on_node(sent, fetch)


def open_executor(address: str, jobs: int | None) -> RayExecutor:
    """The executor of a cluster: `ray`, or `ray://host:port`; errors as `RayExecutor`'s."""
    return RayExecutor(address, jobs)

"""What a task declares: of a recipe's own, as a worker finds it, since its code runs in no other process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_profiles.record import Record
from evaluators.errors import EvaluationError
from evaluators.task_loading import TaskInfo, TaskReference, check_declared, describe, open_task
from packager.factories import digest_factory, factory_input
from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import DEFAULT_LIMITS, Job, Limits, LyingEventError

_TARGET = "evaluators.task_asking:describe_task"
_CODE = ("packager.jobs.worker", "evaluators.task_asking")


class DescriptionRequest(Record):
    """Which task to describe."""

    reference: TaskReference


class DescriptionEvent(Record):
    """What a worker says, once."""

    info: TaskInfo


@dataclass(frozen=True)
class Asked:
    """Who is asked what a recipe's own task declares.

    Attributes:
        log: Where the worker's output goes.
        limits: What the worker may use.
        executor: Who runs the worker.
    """

    log: Path | None = None
    limits: Limits = DEFAULT_LIMITS
    executor: Executor = field(default_factory=LocalExecutor)


_told: dict[tuple[str, str], TaskInfo] = {}
"""what workers said, by the reference and the digest of the code: each is asked once"""


def ask_task(reference: TaskReference, asked: Asked | None = None) -> TaskInfo:
    """What a task declares; of a recipe's own, as a worker finds it.

    Raises:
        EvaluationError: It cannot be imported, is no task, or an option is not one that it takes.
    """
    if reference.path is None:
        return describe(open_task(reference), reference)
    key = reference.model_dump_json(), digest_factory(Path(reference.path))
    if key not in _told:
        _told[key] = _ask_worker(reference, key[1], asked or Asked())
    return _told[key]


def _ask_worker(reference: TaskReference, digest: str, asked: Asked) -> TaskInfo:
    found: list[TaskInfo] = []

    def on_event(_: int, event: DescriptionEvent) -> None:
        if event.info.kind != reference.kind or event.info.digest != digest:
            raise LyingEventError("the worker's result: it describes another task, or the task's code has changed")
        found.append(event.info.model_copy(update={"reference": reference}))  # its worker may have it elsewhere

    request = DescriptionRequest(reference=reference).model_dump(mode="json")
    inputs = () if reference.path is None else (factory_input(Path(reference.path)),)
    job = Job(_TARGET, request, asked.log, asked.limits, DescriptionEvent, code=_CODE, inputs=inputs)
    (ended,) = asked.executor.run([job], on_event)
    if ended.is_refusal:
        raise EvaluationError(ended.reason)
    if ended.reason is not None or not found:
        place = "" if asked.log is None else f"\n(log: {asked.log})"
        raise EvaluationError(f"task.kind: {reference.kind!r} cannot be used: {ended.reason}{place}")
    check_declared(found[-1])
    return found[-1]


def describe_task(request: dict[str, Any]) -> Iterator[DescriptionEvent]:
    """Inside the worker: import the task and say what it declares."""
    parsed = DescriptionRequest.model_validate(request, strict=False)
    yield DescriptionEvent(info=describe(open_task(parsed.reference), parsed.reference))

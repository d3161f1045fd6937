"""A worker that looks at a dataset: run once, heard once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.record import Record, parse_record
from evaluators.datasets.place import Place
from evaluators.errors import EvaluationError
from packager.jobs.inputs import Input
from packager.jobs.workers import Job, LyingEventError

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class DatasetJob:
    """What a worker does with a dataset.

    Attributes:
        target: `module:function`; it yields one `Result`.
        code: See `Job.code`.
        inputs: See `Job.inputs`.
        results: Where what it makes belongs, see `Job.results`.
        fault: What a worker that ends early could not do, in words.
    """

    target: str
    code: tuple[str, ...]
    inputs: tuple[Input, ...]
    results: Mapping[str, Path]
    fault: str = "the dataset cannot be read"


class Result(Record):
    """What a worker says, once."""

    result: dict[str, Any]


def run_dataset_job(task: DatasetJob, request: Record, type_: type[R], place: Place) -> R:
    """What a worker finds of a dataset.

    Args:
        task: What is to be done.
        request: What it is asked.
        type_: What the result must be.
        place: Where, and by whom; the log is named by the function.

    Raises:
        EvaluationError: The worker refuses or fails.
    """
    found: list[R] = []

    def on_event(_: int, event: Result) -> None:
        found.append(parse_record(event.result, type_, where="the worker's result", error=LyingEventError))

    log = place.out / "logs" / f"dataset-{task.target.partition(':')[2]}.log"
    job = Job(
        task.target,
        request.model_dump(mode="json"),
        log,
        place.limits,
        Result,
        results=task.results,
        code=task.code,
        inputs=task.inputs,
    )
    (ended,) = place.executor.run([job], on_event)
    if ended.is_refusal:
        raise EvaluationError(ended.reason)
    if ended.reason is not None or not found:
        raise EvaluationError(f"{task.fault}: {ended.reason}\n(log: {log})")
    return found[-1]

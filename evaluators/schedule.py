"""What must be run for an evaluation, and what is stored already: each trial is a worker's job with a result file.

A result's name is the content address of all that decides it: the model file, the dataset, the reference, the runtimes'
versions and the code. A killed run therefore resumes where it was, and a finished trial is never run twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import evaluators
import packager
from device_profiles.naming import file_stem
from device_profiles.profile import DeviceProfile
from device_profiles.record import Record, parse_record
from evaluators.environment import describe_environment
from evaluators.evaluation import Drift
from evaluators.inputs import LONG, Windows
from evaluators.predictions import Prediction, PredictionRequest
from evaluators.task import load_task
from evaluators.trial import DriftRequest, TimingResult, TrialEvent, TrialRequest, TrialResult
from packager.bundle import AudioContract
from packager.model import OutputSpec
from packager.seals import read_sealed_record, write_sealed_record
from packager.storage import digest_code, digest_facts, digest_tree
from packager.workers import Job, Limits, LyingEventError, run_jobs

R = TypeVar("R", bound=Record)
DRIFT_REFERENCE = "coreml-float32"
"""the variant that drift is located against"""
_PREDICT = "predict"
"""the verb whose work is shorter than a worker's start"""
OnEvent = Callable[[str, TrialEvent | None], None]
"""a row's name and what its worker said; None where its result was stored"""


@dataclass(frozen=True)
class Bench:
    """Everything that the trials of one evaluation share.

    Attributes:
        dataset: The manifest's path.
        dataset_sha256: Its digest, audio included.
        clips: Its clips' identifiers, in order.
        task: The task's kind.
        audio: The contract.
        outputs: The recipe's outputs.
        state: The recipe's states.
        windows: The dataset, cut.
        reference: The folder of the source's outputs.
        out: The output folder.
        limits: What one trial may use.
    """

    dataset: Path
    dataset_sha256: str
    clips: tuple[str, ...]
    task: str
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str]
    windows: Windows
    reference: Path
    out: Path
    limits: Limits = LONG


@dataclass(frozen=True)
class Outcome:
    """A trial's result, or the reason why it has none and where its log is."""

    result: Any
    reason: str | None = None
    log: Path | None = None


def play_all(subjects: dict[str, Path | None], bench: Bench, on_event: OnEvent, *, parallel: int) -> dict[str, Outcome]:
    """Play models over the dataset, several at once.

    Args:
        subjects: Row name → model file; None plays the stored reference.
        bench: What they share.
        on_event: Called with a row's name and the worker's event; None where the result is stored already.
        parallel: How many at once.

    Returns:
        `TrialResult` outcomes by row name.
    """
    jobs = {name: _trial_request(model, bench) for name, model in subjects.items()}
    return _run("play", jobs, TrialResult, bench, on_event, parallel)


def time_all(subjects: dict[str, Path], bench: Bench, on_event: OnEvent) -> dict[str, Outcome]:
    """Time models' calls, one model at a time so that none disturbs another; `TimingResult` outcomes."""
    jobs = {name: _trial_request(model, bench) for name, model in subjects.items()}
    return _run("time_calls", jobs, TimingResult, bench, on_event, 1)


def drift_all(
    pairs: dict[str, tuple[Path, Path, int]], bench: Bench, on_event: OnEvent, *, parallel: int
) -> dict[str, Outcome]:
    """Locate drift; row name → (reference model, candidate model, window to compare); `Drift` outcomes."""
    jobs: dict[str, Record] = {
        name: DriftRequest(
            reference=str(reference.resolve()),
            reference_name=DRIFT_REFERENCE,
            candidate=str(candidate.resolve()),
            audio=bench.audio,
            state=bench.state,
            windows=str(bench.windows.path.resolve()),
            window=window,
        )
        for name, (reference, candidate, window) in pairs.items()
    }
    return _run("find_drift", jobs, Drift, bench, on_event, parallel)


def predict_all(
    subjects: Mapping[str, tuple[Path, str | None, Sequence[DeviceProfile]]], bench: Bench, on_event: OnEvent
) -> dict[str, Outcome]:
    """Predict models on phones: row name → (model file, precision if it is known, phones); `Prediction` outcomes.

    One worker predicts them all: a prediction takes less time than a worker's start.
    """
    requests: dict[str, Record] = {
        name: PredictionRequest(
            model=str(model.resolve()), precision=precision, audio=bench.audio, devices=tuple(devices)
        )
        for name, (model, precision, devices) in subjects.items()
    }
    return _run(_PREDICT, requests, Prediction, bench, on_event, 1)


def _trial_request(model: Path | None, bench: Bench) -> Record:
    return TrialRequest(
        model=None if model is None else str(model.resolve()),
        audio=bench.audio,
        outputs=bench.outputs,
        state=bench.state,
        dataset=str(bench.dataset.resolve()),
        task=bench.task,
        windows=str(bench.windows.path.resolve()),
        spans=bench.windows.spans,
        reference=str(bench.reference.resolve()),
    )


def _run(
    verb: str,
    requests: Mapping[str, Record],
    type_: type[R],
    bench: Bench,
    on_event: OnEvent,
    parallel: int,
) -> dict[str, Outcome]:
    """Take what is stored and run the rest, each in a worker; predictions in one for all, until a request ends it."""
    outcomes: dict[str, Outcome] = {}
    stored: dict[str, Path] = {}
    for name, request in requests.items():
        stored[name] = bench.out / "cache" / verb / f"{_key(verb, request, bench)}.json"
        result = read_sealed_record(stored[name], type_)
        if result is not None:
            outcomes[name] = Outcome(result)
            on_event(name, None)
    while waiting := [name for name in requests if name not in outcomes]:
        shares = [waiting] if verb == _PREDICT else [[name] for name in waiting]
        jobs = [_job(verb, [requests[name] for name in share], share[0], bench) for share in shares]

        def hear(index: int, event: TrialEvent, shares: list[list[str]] = shares) -> None:
            name = next((each for each in shares[index] if each not in outcomes), shares[index][-1])
            if event.result is not None:
                result = parse_record(event.result, type_, where="the worker's result", error=LyingEventError)
                if isinstance(result, TrialResult):
                    _check_result(result, bench)
                write_sealed_record(stored[name], result)
                outcomes[name] = Outcome(result)
            on_event(name, event)

        for share, job, ended in zip(shares, jobs, run_jobs(jobs, hear, parallel=parallel), strict=True):
            left = [name for name in share if name not in outcomes]
            if left:
                outcomes[left[0]] = Outcome(None, ended.reason or "the worker gave no result", job.log)
    return outcomes


def _job(verb: str, requests: Sequence[Record], name: str, bench: Bench) -> Job:
    module = "predictions" if verb == _PREDICT else "trial"
    sent = [request.model_dump(mode="json") for request in requests]
    return Job(
        f"evaluators.{module}:{verb}",
        {"requests": sent} if verb == _PREDICT else sent[0],
        bench.out / "logs" / f"{verb}-{file_stem(name)}.log",
        bench.limits,
        TrialEvent,
    )


def _check_result(result: TrialResult, bench: Bench) -> None:
    """See that a play is one of this dataset.

    Raises:
        LyingEventError: It scores other clips or metrics, or its worst window is none.
    """
    if tuple(clip.clip for clip in result.clips) != bench.clips:
        raise LyingEventError("the worker's result: its clips are not the dataset's")
    metrics = load_task(bench.task).metrics
    if any(metric not in clip.scores for clip in result.clips for metric in metrics):
        raise LyingEventError(f"the worker's result: a clip lacks one of {', '.join(metrics)}")
    if not 0 <= result.worst_window < bench.windows.count:
        raise LyingEventError("the worker's result: its worst window is not in the dataset")


def _key(verb: str, request: Record, bench: Bench) -> str:
    facts = request.model_dump(mode="json")
    for field in ("model", "reference", "candidate"):
        if facts.get(field):
            facts[field] = _address(Path(facts[field]), bench.out)
    facts |= {
        "verb": verb,
        "dataset": bench.dataset_sha256,
        "windows": bench.windows.path.parent.name,
        "packages": describe_environment().packages,
        "code": [digest_code(Path(package.__path__[0])) for package in (evaluators, packager)],
    }
    if verb == "time_calls":
        facts["processor"] = describe_environment().processor
    return digest_facts(facts)[:32]


def _address(path: Path, out: Path) -> str:
    """A content address: the name of what lies in the cache, the digest of everything else."""
    return path.name if path.is_relative_to((out / "cache").resolve()) else digest_tree(path)

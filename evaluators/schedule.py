"""What must be run for an evaluation, and what is stored already: each trial is a worker's job with a result file.

A result's name is the content address of all that decides it: the model file, the dataset, the reference, the runtimes'
versions and the code. A killed run therefore resumes where it was, and a finished trial is never run twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import evaluators
import packager
from device_profiles.record import Record, dump_json, validate_json
from evaluators.environment import describe_environment
from evaluators.errors import EvaluationError
from evaluators.evaluation import Drift
from evaluators.inputs import Windows
from evaluators.trial import DriftRequest, TimingResult, TrialRequest, TrialResult
from packager.bundle import AudioContract
from packager.model import OutputSpec
from packager.seals import read_sealed_text, write_sealed_text
from packager.storage import digest_code, digest_facts, digest_tree
from packager.workers import Job, Limits, run_jobs

R = TypeVar("R", bound=Record)
DRIFT_REFERENCE = "coreml-float32"
"""the variant that drift is located against"""
_LIMITS = Limits(time_s=6 * 3600)
OnEvent = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Bench:
    """Everything that the trials of one evaluation share.

    Attributes:
        dataset: The manifest's path.
        dataset_sha256: Its digest, audio included.
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
    task: str
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str]
    windows: Windows
    reference: Path
    out: Path
    limits: Limits = _LIMITS


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
        on_event: Called with a row's name and the worker's event.
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
    verb: str, requests: dict[str, Any], type_: type[R], bench: Bench, on_event: OnEvent, parallel: int
) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    jobs: dict[str, Job] = {}
    stored: dict[str, Path] = {}
    for name, request in requests.items():
        stored[name] = bench.out / "cache" / verb / f"{_key(verb, request, bench)}.json"
        result = _read_stored(stored[name], type_)
        if result is not None:
            outcomes[name] = Outcome(result)
            on_event(name, {"stored": True})
        else:
            log = bench.out / "logs" / f"{verb}-{name.replace('/', '_')}.log"
            jobs[name] = Job(f"evaluators.trial:{verb}", request.model_dump(mode="json"), log, bench.limits)
    names = list(jobs)

    def on_job_event(index: int, event: dict[str, Any]) -> None:
        name = names[index]
        if "result" in event:
            result = type_.model_validate(event["result"], strict=False)
            write_sealed_text(stored[name], dump_json(result))
            outcomes[name] = Outcome(result)
        on_event(name, event)

    for name, ended in zip(names, run_jobs(list(jobs.values()), on_job_event, parallel=parallel), strict=True):
        if name not in outcomes:
            outcomes[name] = Outcome(None, ended.reason or "the worker gave no result", jobs[name].log)
    return outcomes


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


def _read_stored(path: Path, type_: type[R]) -> R | None:
    text = read_sealed_text(path)
    try:
        return None if text is None else validate_json(text, type_, where=str(path), error=EvaluationError)
    except EvaluationError:  # written by other code: it is run again
        return None

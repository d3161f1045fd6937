"""What must be run for an evaluation, and what is stored already: each trial is a worker's job with a result file.

A result's name is the content address of all that decides it: the model file, the dataset, the reference, the runtimes'
versions and the code. A killed run therefore resumes where it was, and a finished trial is never run twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.naming import file_stem
from device_profiles.profile import DeviceProfile
from device_profiles.record import Record, parse_record
from evaluators.costs.own_measurements import PhoneCalibration
from evaluators.costs.placement import PlacementRequest
from evaluators.datasets.place import LONG
from evaluators.datasets.prepared import Windows
from evaluators.drift_records import Drift
from evaluators.environment import describe_environment
from evaluators.formats import format_of
from evaluators.long_run_records import LongRun
from evaluators.pictures.sounds import FOLDER
from evaluators.playing.core_store import FOLDER as CALLS
from evaluators.playing.listening import ListenRequest, ListenResult
from evaluators.playing.predictions import Prediction, PredictionRequest
from evaluators.playing.trial import DriftRequest, TimingResult, TrialEvent, TrialRequest, TrialResult
from evaluators.score import MetricInfo
from evaluators.target_records import Refusal, Target
from evaluators.targets import list_code
from evaluators.task_loading import TaskInfo
from packager.bundle import AudioContract
from packager.frontends.opening import FrontendSource
from packager.jobs.code import digest_job_code
from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.inputs import Input
from packager.jobs.workers import Job, Limits, LyingEventError
from packager.model import OutputSpec, frontend_inputs
from packager.seals import read_sealed_record, write_sealed_record
from packager.storage import digest_facts, digest_tree

R = TypeVar("R", bound=Record)
_PLAY = "play"
_TIME = "time_calls"
_LONG_RUN = "play_long"
_PREDICT = "predict"
"""the verb whose work is shorter than a worker's start"""
_LISTEN = "listen"
PLAY_ON_CORE = "play_on_core"
TRACE_ON_CORE = "trace_on_core"
COUNT_ON_CORE = "count_on_core"
_WITH_TASK = (_PLAY, _LISTEN, _LONG_RUN, PLAY_ON_CORE)
"""the verbs that decode"""
_MODULES = {
    _PREDICT: "predictions",
    _LISTEN: "listening",
    _LONG_RUN: "long_run",
    PLAY_ON_CORE: "core_trial",
    TRACE_ON_CORE: "core_trace",
    COUNT_ON_CORE: "core_trace",
}
"""the module of each verb that is not one of `trial`"""
OnEvent = Callable[[str, TrialEvent | None], None]
"""a row's name and what its worker said; None where its result was stored"""


@dataclass(frozen=True)
class TrialSetup:
    """Everything that the trials of one evaluation share.

    Attributes:
        dataset: The file that holds the prepared dataset.
        dataset_sha256: Its digest, audio included.
        clips: Its clips' identifiers, in order.
        task: What the task declares.
        folder: Where its label files lie.
        label_files: Their names in it.
        audio: The contract.
        outputs: The recipe's outputs.
        state: The recipe's states.
        windows: The dataset, cut.
        reference: The folder of the source's outputs.
        out: The output folder.
        limits: What one trial may use.
        executor: Who runs the trials.
        targets: Row name → where it is played; of a row that is left out, where bulk numbers are made.
        frontend: What computes features of the windows, for models that take them.
        draws: Whether trials make pictures: reports show those of the clips as they are, on a row's own target.
    """

    dataset: Path
    dataset_sha256: str
    clips: tuple[str, ...]
    task: TaskInfo
    folder: Path
    label_files: tuple[str, ...]
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str]
    windows: Windows
    reference: Path
    out: Path
    limits: Limits = LONG
    executor: Executor = field(default_factory=LocalExecutor)
    targets: Mapping[str, Target] = field(default_factory=dict)
    frontend: FrontendSource | None = None
    draws: bool = True


@dataclass(frozen=True)
class Outcome:
    """A trial's result, or the reason why it has none, where its log is, and what its target cannot do."""

    result: Any
    reason: str | None = None
    log: Path | None = None
    refusal: Refusal | None = None


def play_all(candidates: dict[str, Path | None], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Play models over the dataset, several at once.

    Args:
        candidates: Row name → model file; None plays the stored reference.
        setup: What they share.
        on_event: Called with a row's name and the worker's event; None where the result is stored already.

    Returns:
        `TrialResult` outcomes by row name.
    """
    jobs = {name: _trial_request(model, setup, setup.targets.get(name)) for name, model in candidates.items()}
    return run_trials(_PLAY, jobs, TrialResult, setup, on_event)


def time_all(candidates: dict[str, Path], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Time models' calls, one model at a time so that none disturbs another; `TimingResult` outcomes."""
    jobs = {name: _trial_request(model, setup, setup.targets.get(name)) for name, model in candidates.items()}
    return run_trials(_TIME, jobs, TimingResult, setup, on_event)


def listen_all(
    candidates: Mapping[str, Path | None], heard: Sequence[str], setup: TrialSetup, on_event: OnEvent
) -> dict[str, Outcome]:
    """Keep what a report lets one hear of a few clips; `ListenResult` outcomes.

    Args:
        candidates: As `play_all`'s.
        heard: Identifiers of the clips, in the dataset's order.
        setup: What they share; files go to the output folder's `previews`.
        on_event: As `play_all`'s.
    """
    requests: dict[str, Record] = {}
    for name, model in candidates.items():
        trial = _trial_request(model, setup, setup.targets.get(name))
        requests[name] = ListenRequest(**dict(trial), heard=tuple(heard))
    return run_trials(_LISTEN, requests, ListenResult, setup, on_event)


def run_long(requests: Mapping[str, Record], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Play long runs, several at once; `LongRun` outcomes.

    Args:
        requests: Row name → a `LongRunRequest`.
        setup: What they share.
        on_event: As `play_all`'s.
    """
    return run_trials(_LONG_RUN, requests, LongRun, setup, on_event)


def core_calls(out: Path) -> Path:
    """Where calls on cores are kept."""
    return out / "cache" / "core_calls"


@dataclass(frozen=True)
class DriftPair:
    """Two model files to be laid side by side, and the window on which they part most."""

    reference_name: str
    reference: Path
    candidate: Path
    window: int


def drift_all(pairs: Mapping[str, DriftPair], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Locate drift of each row's pair; `Drift` outcomes."""
    jobs: dict[str, Record] = {
        name: DriftRequest(
            reference=str(pair.reference.resolve()),
            reference_name=pair.reference_name,
            candidate=str(pair.candidate.resolve()),
            audio=setup.audio,
            state=setup.state,
            frontend=setup.frontend,
            windows=str(setup.windows.path.resolve()),
            window=pair.window,
        )
        for name, pair in pairs.items()
    }
    return run_trials("find_drift", jobs, Drift, setup, on_event)


def predict_all(
    candidates: Mapping[str, tuple[Path, str | None, Sequence[DeviceProfile]]],
    asked: PlacementRequest,
    setup: TrialSetup,
    on_event: OnEvent,
    calibrations: Sequence[PhoneCalibration] = (),
) -> dict[str, Outcome]:
    """Predict models on phones, in one worker: a prediction takes less time than a worker's start.

    Args:
        candidates: Row name → model file, its precision if it is known, and phones.
        asked: What apps ask of every phone's runtime.
        setup: What they share.
        on_event: As `play_all`'s.
        calibrations: Measured rows of phones, one calibration each at most.

    Returns:
        `Prediction` outcomes by row name.
    """
    requests: dict[str, Record] = {
        name: PredictionRequest(
            model=str(model.resolve()),
            precision=precision,
            audio=setup.audio,
            devices=tuple(devices),
            asked=asked,
            calibrations=tuple(calibrations),
        )
        for name, (model, precision, devices) in candidates.items()
    }
    return run_trials(_PREDICT, requests, Prediction, setup, on_event)


def _trial_request(model: Path | None, setup: TrialSetup, target: Target | None = None) -> Record:
    return TrialRequest(
        model=None if model is None else str(model.resolve()),
        audio=setup.audio,
        outputs=setup.outputs,
        state=setup.state,
        frontend=setup.frontend,
        dataset=str(setup.dataset.resolve()),
        task=setup.task.reference,
        folder=str(setup.folder.resolve()),
        windows=str(setup.windows.path.resolve()),
        reference=str(setup.reference.resolve()),
        target=target,
        draws=setup.draws,
    )


def run_trials(
    verb: str,
    requests: Mapping[str, Record],
    type_: type[R],
    setup: TrialSetup,
    on_event: OnEvent,
) -> dict[str, Outcome]:
    """Take what is stored and run the rest, each in a worker; predictions in one for all, until a request ends it."""
    outcomes: dict[str, Outcome] = {}
    stored: dict[str, Path] = {}
    refusals: dict[str, Refusal] = {}
    for name, request in requests.items():
        stored[name] = setup.out / "cache" / verb / f"{_key(verb, request, setup)}.json"
        result = read_sealed_record(stored[name], type_)
        if result is not None and (not isinstance(result, ListenResult) or result.is_whole(setup.out)):
            outcomes[name] = Outcome(result)
            on_event(name, None)
    while waiting := [name for name in requests if name not in outcomes]:
        shares = [waiting] if verb == _PREDICT else [[name] for name in waiting]
        jobs = [_job(verb, [requests[name] for name in share], share[0], setup) for share in shares]

        def on_worker_event(index: int, event: TrialEvent, shares: list[list[str]] = shares) -> None:
            name = next((each for each in shares[index] if each not in outcomes), shares[index][-1])
            if event.refusal is not None:
                refusals[name] = event.refusal
                return
            if event.result is not None:
                result = parse_record(event.result, type_, where="the worker's result", error=LyingEventError)
                if isinstance(result, TrialResult):
                    is_bundle = getattr(requests[name], "model", None) is not None
                    _check_result(result, setup, setup.task.agreements if is_bundle else {})
                request = requests[name]
                if isinstance(result, ListenResult) and isinstance(request, ListenRequest):
                    result.check(request.heard)
                write_sealed_record(stored[name], result)
                outcomes[name] = Outcome(result)
            on_event(name, event)

        for share, job, ended in zip(shares, jobs, setup.executor.run(jobs, on_worker_event), strict=True):
            left = [name for name in share if name not in outcomes]
            if left:
                reason = ended.reason or "the worker gave no result"
                outcomes[left[0]] = Outcome(None, reason, job.log, refusals.get(left[0]))
    return outcomes


def _job(verb: str, requests: Sequence[Record], name: str, setup: TrialSetup) -> Job:
    sent = [request.model_dump(mode="json") for request in requests]
    return Job(
        f"{_module(verb)}:{verb}",
        {"requests": sent} if verb == _PREDICT else sent[0],
        setup.out / "logs" / f"{verb}-{file_stem(name)}.log",
        setup.limits,
        TrialEvent,
        code=_code(verb, requests, setup),
        inputs=(
            *(Input(Path(path)) for path in _paths(requests)),
            *_label_inputs(verb, setup),
            *frontend_inputs(setup.frontend),
        ),
        is_alone=verb == _TIME,
        threads=None if verb == _TIME else 1,
        results=_results(verb, setup),
    )


def _results(verb: str, setup: TrialSetup) -> dict[str, Path]:
    """What a worker makes beside its words."""
    if verb == _LISTEN:
        return {f"{FOLDER}/": setup.out / FOLDER}
    return {f"{CALLS}/": core_calls(setup.out)} if verb == PLAY_ON_CORE else {}


def _check_result(result: TrialResult, setup: TrialSetup, agreements: Mapping[str, MetricInfo]) -> None:
    """See that a play is one of this dataset, and of a bundle one that was held against the source.

    Raises:
        LyingEventError: It scores other clips or metrics, or its worst window is none.
    """
    if tuple(clip.clip for clip in result.clips) != setup.clips:
        raise LyingEventError("the worker's result: its clips are not the dataset's")
    asked = {**setup.task.metrics, **agreements}
    metrics = [name for name, metric in asked.items() if metric.scope == "clip"]
    if any(metric not in clip.scores for clip in result.clips for metric in metrics):
        raise LyingEventError(f"the worker's result: a clip lacks one of {', '.join(metrics)}")
    if set(result.dataset_scores) != {name for name, metric in asked.items() if metric.scope == "dataset"}:
        raise LyingEventError("the worker's result: its scores of the dataset are not the task's")
    if not 0 <= result.worst_window < max(first + count for first, count, _ in setup.windows.spans):
        raise LyingEventError("the worker's result: its worst window is not in the dataset")


def _paths(requests: Sequence[Record]) -> list[str]:
    """The files and folders that requests name, each once."""
    names = ("model", "reference", "candidate", "dataset", "windows", "kept")
    found = (getattr(request, name, None) for request in requests for name in names)
    return list(dict.fromkeys(path for path in found if path is not None))


def _label_inputs(verb: str, setup: TrialSetup) -> tuple[Input, ...]:
    """What a play reads to score: label files, and the code of a recipe's own task."""
    if verb not in _WITH_TASK:
        return ()
    has_labels = verb != _LONG_RUN and setup.label_files
    files = (Input(setup.folder.resolve(), setup.label_files),) if has_labels else ()
    return (*files, *setup.task.inputs)


def _code(verb: str, requests: Sequence[Record], setup: TrialSetup) -> tuple[str, ...]:
    """The modules that a trial's worker begins with or loads by name, see `packager.jobs.code`."""
    paths = [getattr(request, name, None) for request in requests for name in ("model", "candidate")]
    formats = sorted({format_of(Path(path)) for path in paths if path is not None})
    entries = ("packager.jobs.worker", _module(verb), *list_code(*formats))
    return (*entries, *setup.task.code) if verb in _WITH_TASK else entries


def _module(verb: str) -> str:
    return f"evaluators.playing.{_MODULES.get(verb, 'trial')}"


def _key(verb: str, request: Record, setup: TrialSetup) -> str:
    facts = request.model_dump(mode="json")
    for name in ("model", "reference", "candidate"):
        if facts.get(name):
            facts[name] = _address(Path(facts[name]), setup.out)
    facts.pop("kept", None)  # what was played before decides nothing
    facts.pop("folder", None)  # the dataset's digest stands for the files in it
    if "task" in facts:
        facts["task"] = setup.task.facts if verb in _WITH_TASK else None
    if facts.pop("frontend", None) is not None and setup.frontend is not None:
        facts["frontend"] = setup.frontend.contract.model_dump(mode="json")
    facts |= {
        "verb": verb,
        "dataset": setup.dataset_sha256,
        "windows": setup.windows.path.parent.name,
        "packages": describe_environment().packages,
        "code": digest_job_code(*_code(verb, [request], setup)),
    }
    if verb == _TIME:
        facts["processor"] = describe_environment().processor
    return digest_facts(facts)[:32]


def _address(path: Path, out: Path) -> str:
    """A content address: the name of what lies in the cache, the digest of everything else."""
    return path.name if path.is_relative_to((out / "cache").resolve()) else digest_tree(path)

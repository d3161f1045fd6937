"""Evaluate bundles and model files against their source, on labelled audio, for named phones. Read this first.

    dataset ──cut──► windows ──source──► reference outputs
                        │                     │
                        ├──play each model────┴──► task scores, parity          (in workers, several at once)
                        ├──time each model──────► host latency, peak memory     (in workers, one at a time)
                        ├──locate drift─────────► where a float16 program departs
                        └──a few windows on each type of core ──► what an Arm phone computes, and its instructions
                        │
                  conditions ──► the same windows after noise, rooms, codecs, played and compared in the same way
                  long run ────► minutes of joined clips: error over time, silence, resets, decisions' delay
    model files ──costs──► predicted latency and memory, phone by phone

Every arrow's result is stored under its content address, so that an evaluation resumes and repeats in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from device_profiles.profile import DeviceProfile
from evaluators.condition_records import ConditionInfo
from evaluators.core_records import ArmSpec
from evaluators.costs.own_measurements import PhoneCalibration
from evaluators.costs.placement import NOTHING_ASKED, PlacementRequest
from evaluators.datasets.inputs import store_source_outputs
from evaluators.datasets.place import LONG, Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.datasets.prepared import PreparedDataset
from evaluators.datasets.recordings import FoundRecordings
from evaluators.emulators.shipped.environment import make_environment
from evaluators.emulators.shipped.versions import ShippedRuntime
from evaluators.errors import EvaluationError
from evaluators.evaluation import DatasetInfo, SourceResult, VariantResult
from evaluators.formats import exact_variant
from evaluators.long_run_records import LongRunSpec
from evaluators.on_cores import Asked, add_cores
from evaluators.over_long_runs import add_long_runs
from evaluators.pictures.curves import keep_curves
from evaluators.pictures.previewing import preview_clips
from evaluators.pictures.previews import choose_clips
from evaluators.playing.candidates import Candidate
from evaluators.playing.further_targets import Further, OnProgress, count_results, play_further
from evaluators.playing.heard_clips import Heard, add_sound
from evaluators.playing.schedule import (
    DriftPair,
    Outcome,
    TrialSetup,
    drift_all,
    play_all,
    predict_all,
    time_all,
)
from evaluators.playing.trial import TrialEvent
from evaluators.results import Context, Trials, screened_result, source_result, variant_result
from evaluators.target_records import Target
from evaluators.targets import choose_targets
from evaluators.task_loading import TaskInfo
from evaluators.under_conditions import add_conditions, play_conditions
from packager.bundle import AudioContract
from packager.formats.phones import plays
from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import Limits
from packager.model import ModelSource, ModelSpec

_SOURCE = "source"


@dataclass(frozen=True)
class EvaluationRequest:
    """All that is to be evaluated.

    Attributes:
        source: The model that bundles are compared with.
        audio: The contract.
        dataset: A manifest, a table or a folder of audio.
        task: What the task declares.
        candidates: Bundles and files.
        devices: The phones.
        out: The output folder: results are stored in its `cache`, logs in its `logs`.
        limits: What one worker may use.
        executor: Who runs the workers.
        prepared: The dataset, where it has been read already.
        calibrations: Measured rows of phones, one calibration each at most.
        asked: What apps ask of every phone's runtime, where predictions are not to follow its own rules.
        conditions: What else the clips are played under.
        long_run: Minutes of audio that every bundle is played on too.
        recordings: What the conditions play beside the clips.
        scores_alone: Whether to leave out what no budget on a score needs: drift, pictures, sounds and further targets.
        times: Whether calls are timed here.
        meant_elsewhere: Of each phone, the candidates that are made for other phones alone.
        audio_root: The folder that the dataset's files lie in; None: its own.
        arm: How bundles are played on emulated types of core; None plays none.
        runtimes: Versions of runtimes that bundles play on too.
    """

    source: ModelSource
    audio: AudioContract
    dataset: Path
    task: TaskInfo
    candidates: Sequence[Candidate]
    devices: Sequence[DeviceProfile]
    out: Path
    limits: Limits = LONG
    executor: Executor = field(default_factory=LocalExecutor)
    prepared: PreparedDataset | None = None
    calibrations: Sequence[PhoneCalibration] = ()
    asked: PlacementRequest = NOTHING_ASKED
    conditions: Sequence[ConditionInfo] = ()
    long_run: LongRunSpec | None = None
    recordings: Mapping[str, FoundRecordings] = field(default_factory=dict)
    scores_alone: bool = False
    times: bool = True
    meant_elsewhere: Mapping[str, Collection[str]] = field(default_factory=dict)
    audio_root: Path | None = None
    arm: ArmSpec | None = None
    runtimes: Sequence[ShippedRuntime] = ()


@dataclass(frozen=True)
class Findings:
    """What an evaluation found; the pipeline makes `evaluation.json` of it."""

    dataset: DatasetInfo
    source: SourceResult
    variants: tuple[VariantResult, ...]
    cores_reason: str = ""
    """why nothing was played on emulated cores though phones have some; empty where it was, or none was asked for"""


def evaluate(request: EvaluationRequest, on_progress: OnProgress = lambda *_: None) -> Findings:
    """Evaluate every candidate. One that fails is a row with its reason; the others go on.

    Raises:
        EvaluationError: The dataset cannot be used, the task needs outputs the recipe does not name, or the source
            model cannot be run.
    """
    check_outputs(request.task, request.source.spec)
    place = Place(request.out, request.limits, request.executor)
    dataset = request.prepared or prepare_dataset(
        request.dataset, task=request.task, audio=request.audio, place=place, audio_root=request.audio_root
    )
    models = {candidate.variant: candidate.model for candidate in request.candidates if candidate.model is not None}
    runtimes = () if request.scores_alone else _fetch_runtimes(request, on_progress)
    targets = {one.variant: _choose_targets(one, request.devices, runtimes) for one in request.candidates}
    setup = _prepare(request, dataset, on_progress)
    setup = replace(setup, targets={name: one for name, found in targets.items() for one in found[:1]})
    names = () if request.scores_alone else models
    more = [Further(name, models[name], target) for name in names for target in targets[name][1:]]

    played = _play(models, setup, on_progress)
    source = played.pop(_SOURCE)
    if source.result is None:
        raise EvaluationError(f"the source model's outputs cannot be scored: {source.reason}\n(log: {source.log})")
    good = {name: model for name, model in models.items() if played[name].result is not None}
    timing = good if request.times else {}
    timed = count_results("time the calls", len(timing), on_progress, lambda tick: time_all(timing, setup, tick))
    pairs = {} if request.scores_alone else _drift_pairs(request.candidates, good, played)
    drifts = count_results(
        "locate drift",
        len(pairs),
        on_progress,
        lambda tick: drift_all(pairs, setup, tick),
    )
    wanted = _phones_of(request, good)
    predicted = count_results(
        "predict the phones",
        len(wanted),
        on_progress,
        lambda tick: predict_all(wanted, request.asked, setup, tick, request.calibrations),
    )
    trials = Trials(played, timed, drifts, predicted, targets, play_further(more, setup, on_progress))
    groups = tuple(clip.group for clip in dataset.found.info.clips)
    reference = source_result(request.source, source.result, request.task, groups)
    devices = {profile.id: profile for profile in request.devices}
    context = Context(reference, source.result, request.task, groups, request.out, devices, request.meant_elsewhere)
    rows = tuple(variant_result(candidate, trials, context) for candidate in request.candidates)
    if request.conditions:
        under = play_conditions(request.conditions, good, request.source, setup, on_progress, request.recordings)
        clean = {name: played[name].result for name in good}
        reference, rows = add_conditions(reference, rows, clean, under, context)
    cores_reason = ""
    if request.arm is not None and not request.scores_alone:
        rows, cores_reason = add_cores(Asked(request.arm, request.devices), rows, good, played, setup, on_progress)
    if request.long_run is not None:
        rows = add_long_runs(request.long_run, rows, good, request.source, setup, on_progress)
    findings = Findings(dataset.found.info, reference, rows, cores_reason)
    if request.scores_alone:
        return findings

    def hear(found: Heard, worst: Sequence[str]) -> Heard:
        return add_sound(found, worst, good, setup, on_progress)

    return _show_worst(findings, request, dataset, hear)


def screen(request: EvaluationRequest, on_progress: OnProgress = lambda *_: None) -> tuple[VariantResult, ...]:
    """What can be told of every candidate before it plays: its sizes, and what each phone would make of it.

    Raises:
        EvaluationError: As `evaluate`'s.
    """
    check_outputs(request.task, request.source.spec)
    place = Place(request.out, request.limits, request.executor)
    dataset = request.prepared or prepare_dataset(request.dataset, task=request.task, audio=request.audio, place=place)
    models = {candidate.variant: candidate.model for candidate in request.candidates if candidate.model is not None}
    wanted, setup = _phones_of(request, models), _prepare(request, dataset, on_progress)
    predicted = count_results(
        "predict the phones",
        len(wanted),
        on_progress,
        lambda tick: predict_all(wanted, request.asked, setup, tick, request.calibrations),
    )
    return tuple(screened_result(candidate, predicted, request.out) for candidate in request.candidates)


def _fetch_runtimes(request: EvaluationRequest, on_progress: OnProgress) -> Sequence[ShippedRuntime]:
    """The runtimes that the recipe names, each there afterwards.

    Raises:
        EvaluationError: One cannot be fetched.
    """
    stage, total = "fetch runtimes", len(request.runtimes)
    for done, runtime in enumerate(request.runtimes):
        on_progress(stage, done, total)
        make_environment(runtime)
        on_progress(stage, done + 1, total)
    return request.runtimes


def _choose_targets(
    candidate: Candidate, devices: Sequence[DeviceProfile], runtimes: Sequence[ShippedRuntime]
) -> tuple[Target, ...]:
    """Where a candidate is played, bulk numbers first; nowhere, where that has a reason that its worker tells."""
    try:
        return choose_targets(candidate.format, devices, runtimes)
    except EvaluationError:
        return ()


def _phones_of(
    request: EvaluationRequest, models: Mapping[str, Path]
) -> dict[str, tuple[Path, str | None, list[DeviceProfile]]]:
    """Of each model that plays: its precision, where a manifest says it, and the phones that run its format."""
    return {
        candidate.variant: (
            models[candidate.variant],
            None if candidate.origin == "file" else candidate.precision,
            [profile for profile in request.devices if plays(profile, candidate.format)],
        )
        for candidate in request.candidates
        if candidate.variant in models
    }


def _show_worst(
    findings: Findings,
    request: EvaluationRequest,
    dataset: PreparedDataset,
    hear: Callable[[Heard, Sequence[str]], Heard],
) -> Findings:
    """The findings with what a report shows of the clips that lost most, and with no curve of the others."""
    source, metric = findings.source, request.task.leading_of_clips
    played = [row.clips for row in findings.variants if row.clips]
    worst = choose_clips(source.clips, played, metric)
    shown = frozenset(worst)
    info = preview_clips(
        dataset, sorted(shown), audio=request.audio, place=Place(request.out, request.limits, request.executor)
    )
    heard = hear(Heard(info, source, findings.variants), worst)
    return Findings(
        dataset=heard.dataset,
        source=heard.source.model_copy(update={"clips": keep_curves(heard.source.clips, shown)}),
        variants=tuple(row.model_copy(update={"clips": keep_curves(row.clips, shown)}) for row in heard.variants),
        cores_reason=findings.cores_reason,
    )


def check_outputs(task: TaskInfo, spec: ModelSpec) -> None:
    """See that the task can read what the model gives.

    Raises:
        EvaluationError: The task needs outputs the recipe does not name.
    """
    missing = [name for name in task.required_outputs if name not in spec.outputs]
    if missing:
        raise EvaluationError(
            f"task {task.kind} reads the outputs {', '.join(task.required_outputs)}; "
            f"model.outputs does not name {', '.join(missing)}"
        )


def _prepare(request: EvaluationRequest, dataset: PreparedDataset, on_progress: OnProgress) -> TrialSetup:
    windows, info = dataset.found.find_windows(request.out), dataset.found.info
    stage = "run the source model"
    on_progress(stage, 0, windows.count)
    reference = store_source_outputs(
        request.source,
        windows,
        audio=request.audio,
        place=Place(request.out, request.limits, request.executor),
        on_windows=lambda done: on_progress(stage, done, windows.count),
    )
    on_progress(stage, windows.count, windows.count)
    return TrialSetup(
        dataset=dataset.path,
        dataset_sha256=info.sha256,
        clips=tuple(clip.clip for clip in info.clips),
        task=request.task,
        folder=dataset.folder,
        label_files=dataset.found.list_label_files(request.task.label_files),
        audio=request.audio,
        outputs=dict(request.source.spec.outputs),
        state=dict(request.source.spec.state),
        windows=windows,
        reference=reference,
        out=request.out,
        limits=request.limits,
        frontend=request.source.frontend,
        executor=request.executor,
    )


def _play(models: dict[str, Path], setup: TrialSetup, on_progress: OnProgress) -> dict[str, Outcome]:
    n_clips = len(setup.clips)
    stage, total, done = "play the clips", (len(models) + 1) * n_clips, 0

    def on_event(_: str, event: TrialEvent | None) -> None:
        nonlocal done
        done += n_clips if event is None else event.clip is not None
        on_progress(stage, done, total)

    outcomes = play_all({_SOURCE: None, **models}, setup, on_event)
    on_progress(stage, total, total)
    return outcomes


def _drift_pairs(
    candidates: Sequence[Candidate], models: dict[str, Path], played: dict[str, Outcome]
) -> dict[str, DriftPair]:
    """Bundles of ours in less than float32, each beside its float32 sibling, of formats whose drift is located."""
    pairs = {}
    for candidate in candidates:
        exact = exact_variant(candidate.format)
        if candidate.origin == "bundle" and candidate.variant in models and exact in models:
            window = played[candidate.variant].result.worst_window
            pairs[candidate.variant] = DriftPair(exact, models[exact], models[candidate.variant], window)
    return {variant: pair for variant, pair in pairs.items() if variant != pair.reference_name}

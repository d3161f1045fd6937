"""Evaluate bundles and model files against their source, on labelled audio, for named phones. Read this first.

    dataset ──cut──► windows ──source──► reference outputs
                        │                     │
                        ├──play each model────┴──► task scores, parity          (in workers, several at once)
                        ├──time each model──────► host latency, peak memory     (in workers, one at a time)
                        └──locate drift─────────► where a float16 program departs
    model files ──costs──► predicted latency and memory, phone by phone

Every arrow's result is stored under its content address, so that an evaluation resumes and repeats in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.profile import DeviceProfile
from evaluators.curves import keep_curves
from evaluators.errors import EvaluationError
from evaluators.evaluation import DatasetInfo, SourceResult, VariantResult
from evaluators.inputs import LONG, store_source_outputs
from evaluators.preparation import Prepared, prepare_dataset, preview_clips
from evaluators.previews import choose_clips
from evaluators.results import Context, Trials, source_result, variant_result
from evaluators.schedule import DRIFT_REFERENCE, Bench, Outcome, drift_all, play_all, predict_all, time_all
from evaluators.subjects import Subject
from evaluators.task import Task, load_task
from evaluators.trial import TrialEvent
from packager.bundle import AudioContract
from packager.model import ModelSource, ModelSpec
from packager.workers import Limits

OnProgress = Callable[[str, int, int], None]
"""`on_progress(stage, done, total)`"""

_SOURCE = "source"


@dataclass(frozen=True)
class Assignment:
    """All that is to be evaluated.

    Attributes:
        source: The model that bundles are compared with.
        audio: The contract.
        dataset: A JSONL manifest.
        task: The task's kind.
        subjects: Bundles and files.
        devices: The phones.
        out: The output folder: results are stored in its `cache`, logs in its `logs`.
        parallel: How many workers at once.
        limits: What one worker may use.
        prepared: The dataset, where it has been read already.
    """

    source: ModelSource
    audio: AudioContract
    dataset: Path
    task: str
    subjects: Sequence[Subject]
    devices: Sequence[DeviceProfile]
    out: Path
    parallel: int = 2
    limits: Limits = LONG
    prepared: Prepared | None = None


@dataclass(frozen=True)
class Findings:
    """What an evaluation found; the pipeline makes `evaluation.json` of it."""

    dataset: DatasetInfo
    source: SourceResult
    variants: tuple[VariantResult, ...]


def evaluate(assignment: Assignment, on_progress: OnProgress = lambda *_: None) -> Findings:
    """Evaluate every subject. One that fails is a row with its reason; the others go on.

    Raises:
        EvaluationError: The dataset cannot be used, the task needs outputs the recipe does not name, or the source
            model cannot be run.
    """
    task = load_task(assignment.task)
    check_outputs(task, assignment.source.spec)
    dataset = assignment.prepared or prepare_dataset(
        assignment.dataset, task=task, audio=assignment.audio, out=assignment.out, limits=assignment.limits
    )
    bench = _prepare(assignment, dataset, on_progress)
    models = {subject.variant: subject.model for subject in assignment.subjects if subject.model is not None}

    played = _play(models, bench, assignment.parallel, on_progress)
    source = played.pop(_SOURCE)
    if source.result is None:
        raise EvaluationError(f"the source model's outputs cannot be scored: {source.reason}\n(log: {source.log})")
    good = {name: model for name, model in models.items() if played[name].result is not None}
    timed = _counted("time the calls", len(good), on_progress, lambda tick: time_all(good, bench, tick))
    pairs = _drift_pairs(assignment.subjects, good, played)
    drifts = _counted(
        "locate drift",
        len(pairs),
        on_progress,
        lambda tick: drift_all(pairs, bench, tick, parallel=assignment.parallel),
    )
    wanted = _phones_of(assignment, good)
    predicted = _counted(
        "predict the phones",
        len(wanted),
        on_progress,
        lambda tick: predict_all(wanted, bench, tick),
    )
    trials = Trials(played, timed, drifts, predicted)
    reference = source_result(assignment.source, source.result, task)
    context = Context(reference, task, assignment.out)
    rows = tuple(variant_result(subject, trials, context) for subject in assignment.subjects)
    findings = Findings(dataset=dataset.info, source=reference, variants=rows)
    return _show_worst(findings, assignment, dataset, task)


def _phones_of(
    assignment: Assignment, models: Mapping[str, Path]
) -> dict[str, tuple[Path, str | None, list[DeviceProfile]]]:
    """Of each model that plays: its precision, where a manifest says it, and the phones that run its format."""
    return {
        subject.variant: (
            models[subject.variant],
            None if subject.origin == "file" else subject.precision,
            [profile for profile in assignment.devices if profile.format == subject.format],
        )
        for subject in assignment.subjects
        if subject.variant in models
    }


def _show_worst(findings: Findings, assignment: Assignment, dataset: Prepared, task: Task) -> Findings:
    """The findings with what a report shows of the clips that lost most, and with no curve of the others."""
    source, metric = findings.source, next(iter(task.metrics), None)
    played = [row.clips for row in findings.variants if row.clips]
    shown = frozenset(choose_clips(source.clips, played, metric))
    return Findings(
        dataset=preview_clips(
            dataset, sorted(shown), audio=assignment.audio, out=assignment.out, limits=assignment.limits
        ),
        source=source.model_copy(update={"clips": keep_curves(source.clips, shown)}),
        variants=tuple(row.model_copy(update={"clips": keep_curves(row.clips, shown)}) for row in findings.variants),
    )


def check_outputs(task: Task, spec: ModelSpec) -> None:
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


def _prepare(assignment: Assignment, dataset: Prepared, on_progress: OnProgress) -> Bench:
    windows = dataset.find_windows(assignment.out)
    stage = "run the source model"
    on_progress(stage, 0, windows.count)
    reference = store_source_outputs(
        assignment.source,
        windows,
        audio=assignment.audio,
        out=assignment.out,
        on_windows=lambda done: on_progress(stage, done, windows.count),
        limits=assignment.limits,
    )
    on_progress(stage, windows.count, windows.count)
    return Bench(
        dataset=assignment.dataset,
        dataset_sha256=dataset.info.sha256,
        clips=tuple(clip.clip for clip in dataset.info.clips),
        task=assignment.task,
        audio=assignment.audio,
        outputs=dict(assignment.source.spec.outputs),
        state=dict(assignment.source.spec.state),
        windows=windows,
        reference=reference,
        out=assignment.out,
        limits=assignment.limits,
    )


def _play(models: dict[str, Path], bench: Bench, parallel: int, on_progress: OnProgress) -> dict[str, Outcome]:
    n_clips = len(bench.clips)
    stage, total, done = "play the clips", (len(models) + 1) * n_clips, 0

    def on_event(_: str, event: TrialEvent | None) -> None:
        nonlocal done
        done += n_clips if event is None else event.clip is not None
        on_progress(stage, done, total)

    outcomes = play_all({_SOURCE: None, **models}, bench, on_event, parallel=parallel)
    on_progress(stage, total, total)
    return outcomes


def _counted(
    stage: str, total: int, on_progress: OnProgress, run: Callable[[Callable[[str, Any], None]], dict[str, Outcome]]
) -> dict[str, Outcome]:
    done = 0

    def tick(_name: str, _event: Any) -> None:
        nonlocal done
        done += 1
        on_progress(stage, done, total)

    outcomes = run(tick)
    on_progress(stage, total, total)
    return outcomes


def _drift_pairs(
    subjects: Sequence[Subject], models: dict[str, Path], played: dict[str, Outcome]
) -> dict[str, tuple[Path, Path, int]]:
    """Core ML bundles of ours in less than float32, each beside its float32 sibling."""
    reference = models.get(DRIFT_REFERENCE)
    if reference is None:
        return {}
    return {
        subject.variant: (reference, models[subject.variant], played[subject.variant].result.worst_window)
        for subject in subjects
        if subject.variant in models and subject.format == "coreml" and subject.origin == "bundle"
        if subject.variant != DRIFT_REFERENCE
    }

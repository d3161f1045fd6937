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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.profile import DeviceProfile
from evaluators.curves import keep_curves
from evaluators.datasets import Dataset, load_dataset
from evaluators.errors import EvaluationError
from evaluators.evaluation import DatasetInfo, SourceResult, VariantResult
from evaluators.inputs import store_source_outputs, store_windows
from evaluators.previews import add_previews, choose_clips
from evaluators.results import Context, Trials, source_result, variant_result
from evaluators.schedule import DRIFT_REFERENCE, Bench, Outcome, drift_all, play_all, time_all
from evaluators.subjects import Subject
from evaluators.task import Task, load_task
from packager.bundle import AudioContract
from packager.model import ModelSource, ModelSpec

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
    """

    source: ModelSource
    audio: AudioContract
    dataset: Path
    task: str
    subjects: Sequence[Subject]
    devices: Sequence[DeviceProfile]
    out: Path
    parallel: int = 2


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
    dataset = check_inputs(task, assignment.source.spec, audio=assignment.audio, manifest=assignment.dataset)
    bench = _prepare(assignment, dataset, on_progress)
    models = {subject.variant: subject.model for subject in assignment.subjects if subject.model is not None}

    played = _play(models, bench, len(dataset.clips), assignment.parallel, on_progress)
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
    trials = Trials(played, timed, drifts)
    reference = source_result(assignment.source, source.result, task)
    context = Context(reference, task, assignment.audio, assignment.devices, assignment.out)
    rows = tuple(variant_result(subject, trials, context) for subject in assignment.subjects)
    findings = Findings(dataset=dataset.describe(task), source=reference, variants=rows)
    return _show_worst(findings, assignment, dataset, task)


def _show_worst(findings: Findings, assignment: Assignment, dataset: Dataset, task: Task) -> Findings:
    """The findings with what a report shows of the clips that lost most, and with no curve of the others."""
    source, metric = findings.source, next(iter(task.metrics), None)
    played = [row.clips for row in findings.variants if row.clips]
    shown = frozenset(choose_clips(source.clips, played, metric))
    return Findings(
        dataset=add_previews(findings.dataset, dataset, shown, audio=assignment.audio, out=assignment.out),
        source=source.model_copy(update={"clips": keep_curves(source.clips, shown)}),
        variants=tuple(row.model_copy(update={"clips": keep_curves(row.clips, shown)}) for row in findings.variants),
    )


def check_inputs(task: Task, spec: ModelSpec, *, audio: AudioContract, manifest: Path) -> Dataset:
    """Read the dataset, and see that the task can read what the model gives: what can be known before anything is run.

    Raises:
        EvaluationError: The dataset cannot be used, or the task needs outputs the recipe does not name.
    """
    missing = [name for name in task.required_outputs if name not in spec.outputs]
    if missing:
        raise EvaluationError(
            f"task {task.kind} reads the outputs {', '.join(task.required_outputs)}; "
            f"model.outputs does not name {', '.join(missing)}"
        )
    return load_dataset(manifest, audio=audio, task=task)


def _prepare(assignment: Assignment, dataset: Dataset, on_progress: OnProgress) -> Bench:
    windows = store_windows(dataset, assignment.audio, assignment.out / "cache")
    stage = "run the source model"
    on_progress(stage, 0, windows.count)
    reference = store_source_outputs(
        assignment.source,
        windows,
        audio=assignment.audio,
        out=assignment.out,
        on_windows=lambda done: on_progress(stage, done, windows.count),
    )
    on_progress(stage, windows.count, windows.count)
    return Bench(
        dataset=assignment.dataset,
        dataset_sha256=dataset.sha256,
        task=assignment.task,
        audio=assignment.audio,
        outputs=dict(assignment.source.spec.outputs),
        state=dict(assignment.source.spec.state),
        windows=windows,
        reference=reference,
        out=assignment.out,
    )


def _play(
    models: dict[str, Path], bench: Bench, n_clips: int, parallel: int, on_progress: OnProgress
) -> dict[str, Outcome]:
    stage, total, done = "play the clips", (len(models) + 1) * n_clips, 0

    def on_event(_: str, event: dict[str, Any]) -> None:
        nonlocal done
        done += n_clips if "stored" in event else 1 if "clip" in event else 0
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

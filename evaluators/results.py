"""From trials to rows: the scores, differences, sizes and predictions of one variant, as the evaluation holds them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from device_profiles.profile import DeviceProfile
from evaluators.comparing.agreement import count_not_worse
from evaluators.comparing.dataset_scores import subtract
from evaluators.comparing.statistics import Groups, aggregate, difference
from evaluators.evaluation import DeviceResult, SourceResult, TargetResult, Timing, VariantResult
from evaluators.formats import exact_variant
from evaluators.metrics import CLIPS_NOT_WORSE
from evaluators.playing.candidates import Candidate
from evaluators.playing.predictions import Prediction
from evaluators.playing.schedule import Outcome
from evaluators.playing.trial import WARMUP_CALLS, TimingResult, TrialResult
from evaluators.score import Direction, MetricInfo, Score
from evaluators.target_records import Failure, Target
from evaluators.targets import stand_in
from evaluators.task_loading import TaskInfo
from packager.model import ModelSource
from packager.storage import list_files

_CHUNK_BYTES = 1 << 20
_NOTHING = Outcome(None, "was not run")


@dataclass(frozen=True)
class Trials:
    """All outcomes of an evaluation, by row name."""

    played: Mapping[str, Outcome]
    timed: Mapping[str, Outcome]
    drifts: Mapping[str, Outcome]
    predicted: Mapping[str, Outcome]
    targets: Mapping[str, Sequence[Target]] = field(default_factory=dict)
    """where each row was played, bulk numbers first"""
    elsewhere: Mapping[str, Sequence[tuple[Target, Outcome, Outcome]]] = field(default_factory=dict)
    """further targets of a row: play and timing"""


@dataclass(frozen=True)
class Context:
    """What every row is held against."""

    source: SourceResult
    trial: TrialResult
    """the source model's"""
    task: TaskInfo
    groups: tuple[str | None, ...]
    """of each clip, what it is drawn together with"""
    out: Path
    devices: Mapping[str, DeviceProfile] = field(default_factory=dict)
    meant_elsewhere: Mapping[str, Collection[str]] = field(default_factory=dict)
    """of each phone, the recipe's bundles that are not meant for it"""


def source_result(source: ModelSource, trial: TrialResult, task: TaskInfo, groups: Groups) -> SourceResult:
    """The source model's own scores."""
    return SourceResult(
        framework=source.framework,
        sha256=source.sha256,
        scores=score_source(trial, task, groups),
        clips=trial.clips,
        charts=trial.charts,
    )


def score_source(trial: TrialResult, task: TaskInfo, groups: Groups) -> dict[str, Score]:
    """Every metric of the task over the dataset, in the task's order."""
    return _score_metrics(trial, task.metrics, groups)


def _score_metrics(trial: TrialResult, metrics: Mapping[str, MetricInfo], groups: Groups) -> dict[str, Score]:
    return {
        name: trial.dataset_scores[name].score
        if metric.scope == "dataset"
        else aggregate([clip.scores[name] for clip in trial.clips], groups=groups)
        for name, metric in metrics.items()
    }


def _task_differences(trial: TrialResult, context: Context) -> dict[str, Score]:
    """Every metric of the task minus the source model's."""
    return {
        name: subtract(context.trial.dataset_scores[name], trial.dataset_scores[name])
        if metric.scope == "dataset"
        else difference(
            [clip.scores[name] for clip in context.trial.clips],
            [clip.scores[name] for clip in trial.clips],
            groups=context.groups,
        )
        for name, metric in context.task.metrics.items()
    }


def variant_result(candidate: Candidate, trials: Trials, context: Context) -> VariantResult:
    """One row: what was found of a candidate, or why nothing was."""
    row = _begin_row(candidate, context.out)
    if candidate.model is None:
        return row
    played = trials.played[candidate.variant]
    if played.result is None:
        return row.model_copy(update={"failure": describe_failure(played, context.out)})
    complete = _complete(row, candidate.model, trials, context)
    return _name_targets(_predict(complete, trials.predicted.get(candidate.variant, _NOTHING)), trials, context)


def screened_result(candidate: Candidate, predicted: Mapping[str, Outcome], out: Path) -> VariantResult:
    """The row of a candidate that was not played: its sizes and predictions alone."""
    row = _begin_row(candidate, out)
    if candidate.model is None:
        return row
    sized = row.model_copy(update={"scores": _sizes(candidate.model)})
    return _predict(sized, predicted.get(candidate.variant, _NOTHING))


def _begin_row(candidate: Candidate, out: Path) -> VariantResult:
    return VariantResult(
        variant=candidate.variant,
        origin=candidate.origin,
        path=_display(candidate, out),
        format=candidate.format,
        precision=candidate.precision or "unknown",
        key=candidate.key,
        failure=candidate.failure,
        broken=candidate.broken,
    )


def _complete(row: VariantResult, model: Path, trials: Trials, context: Context) -> VariantResult:
    """The row with all that its trials found."""
    trial: TrialResult = trials.played[row.variant].result
    timed, drift = trials.timed.get(row.variant, _NOTHING), trials.drifts.get(row.variant, _NOTHING)
    scores, differences = score_task(trial, context)
    notices = [f"run by {trial.runtime}", *trial.notices]
    notices += [f"not timed: {timed.reason}"] if timed.result is None else []
    if row.variant in trials.drifts:
        notices += [f"drift not located: {drift.reason}"] if drift.reason else []
    elif row.origin == "bundle" and (exact := exact_variant(row.format)) not in ("", f"{row.format}-{row.precision}"):
        precision = exact.partition("-")[2]
        notices.append(f"drift not located: it is told beside {exact}; name {precision} in variants.{row.format}")
    return row.model_copy(
        update={
            "scores": {**scores, **_sizes(model), **_host_scores(timed.result)},
            "differences": differences,
            "parity": trial.parity,
            "timing": None if timed.result is None else _timing(timed.result),
            "drift": drift.result,
            "clips": trial.clips,
            "charts": trial.charts,
            "notices": tuple(notices),
        }
    )


def _name_targets(row: VariantResult, trials: Trials, context: Context) -> VariantResult:
    """The row with where it was played, what further targets gave, and whose results each phone's are."""
    targets = list(trials.targets.get(row.variant, ()))
    devices = tuple(_name_target(result, row, targets, context) for result in row.devices)
    return row.model_copy(
        update={
            "target": targets[0] if targets else None,
            "more_targets": tuple(
                _target_result(target, played, timed, context)
                for target, played, timed in trials.elsewhere.get(row.variant, ())
            ),
            "devices": devices,
        }
    )


def _name_target(result: DeviceResult, row: VariantResult, targets: Sequence[Target], context: Context) -> DeviceResult:
    profile = context.devices.get(result.device)
    if profile is None:
        return result
    target, stands_in = stand_in(profile, row.format, targets)
    meant = row.variant not in context.meant_elsewhere.get(result.device, ())
    return result.model_copy(update={"target": target and target.name, "stand_in": stands_in, "meant": meant})


def _target_result(target: Target, played: Outcome, timed: Outcome, context: Context) -> TargetResult:
    if played.result is None:
        return TargetResult(target=target, failure=describe_failure(played, context.out))
    trial: TrialResult = played.result
    scores, differences = score_task(trial, context)
    return TargetResult(
        target=target,
        scores={**scores, **_host_scores(timed.result)},
        differences=differences,
        parity=trial.parity,
        timing=None if timed.result is None else _timing(timed.result),
        notices=trial.notices if timed.result is not None else (*trial.notices, f"not timed: {timed.reason}"),
    )


def score_task(trial: TrialResult, context: Context) -> tuple[dict[str, Score], dict[str, Score]]:
    """The task's metrics and agreements over the dataset, and how the metrics differ from the source's."""
    task, groups = context.task, context.groups
    scores = _score_metrics(trial, {**task.metrics, **task.agreements}, groups)
    if scores:
        scores[CLIPS_NOT_WORSE] = count_not_worse(context.trial.clips, trial.clips, task, groups)
    return scores, _task_differences(trial, context)


def _predict(row: VariantResult, outcome: Outcome) -> VariantResult:
    """The row with its floor and what each phone would do; a notice instead where the file's graph cannot be read."""
    found: Prediction | None = outcome.result
    if found is None:
        return row.model_copy(update={"notices": (*row.notices, f"nothing predicted: {outcome.reason}")})
    notices = (*row.notices, *found.notices)
    return row.model_copy(
        update={"precision": found.precision, "floor": found.floor, "devices": found.devices, "notices": notices}
    )


def describe_failure(outcome: Outcome, out: Path) -> Failure:
    """Why a trial has no result, with its log as the evaluation names it."""
    log = outcome.log.relative_to(out).as_posix() if outcome.log else None
    reason = outcome.reason or "no reason was given"
    return Failure(stage="evaluate", reason=reason, log=log, refusal=outcome.refusal)


def _display(candidate: Candidate, out: Path) -> str:
    if candidate.model is None:
        return f"bundles/{candidate.variant}"
    path = candidate.model.resolve()
    return path.relative_to(out.resolve()).as_posix() if path.is_relative_to(out.resolve()) else path.name


def _sizes(model: Path) -> dict[str, Score]:
    paths = list_files(model)
    return {
        "size_bytes": _bytes_score(sum(path.stat().st_size for path in paths)),
        "compressed_bytes": _bytes_score(sum(_deflated_bytes(path) for path in paths)),
    }


def _deflated_bytes(path: Path) -> int:
    """Size after deflate at its strongest, the compression of store packages."""
    deflate, size = zlib.compressobj(9), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(deflate.compress(chunk))
    return size + len(deflate.flush())


def _bytes_score(value: int) -> Score:
    return Score(value=float(value), unit="bytes", direction="lower", basis="measured_host")


def _host_scores(timing: TimingResult | None) -> dict[str, Score]:
    return {} if timing is None else {"peak_memory_bytes": _bytes_score(timing.peak_memory_bytes)}


def _timing(timing: TimingResult) -> Timing:
    direction: Direction = "lower"

    def percentile(q: float) -> Score:
        value = float(np.percentile(timing.samples_ns, q)) / 1e6
        return Score(value=value, unit="ms", direction=direction, basis="measured_host")

    return Timing(
        threads=timing.threads,
        machine=timing.machine,
        warmup_calls=WARMUP_CALLS,
        samples_ns=timing.samples_ns,
        p50_ms=percentile(50),
        p90_ms=percentile(90),
    )

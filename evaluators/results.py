"""From trials to rows: the scores, differences, sizes and predictions of one variant, as the evaluation holds them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.evaluation import Direction, Failure, Score, SourceResult, Timing, VariantResult
from evaluators.predictions import Prediction
from evaluators.schedule import Outcome
from evaluators.statistics import aggregate, difference
from evaluators.subjects import Subject
from evaluators.task import Task
from evaluators.trial import WARMUP_CALLS, TimingResult, TrialResult
from packager.model import ModelSource
from packager.storage import digest_files

_CHUNK_BYTES = 1 << 20
_NOTHING = Outcome(None, "was not run")


@dataclass(frozen=True)
class Trials:
    """All outcomes of an evaluation, by row name."""

    played: Mapping[str, Outcome]
    timed: Mapping[str, Outcome]
    drifts: Mapping[str, Outcome]
    predicted: Mapping[str, Outcome]


@dataclass(frozen=True)
class Context:
    """What every row is held against."""

    source: SourceResult
    task: Task
    out: Path


def source_result(source: ModelSource, trial: TrialResult, task: Task) -> SourceResult:
    """The source model's own scores."""
    return SourceResult(
        framework=source.framework,
        sha256=source.sha256,
        scores={metric: aggregate([clip.scores[metric] for clip in trial.clips]) for metric in task.metrics},
        clips=trial.clips,
    )


def variant_result(subject: Subject, trials: Trials, context: Context) -> VariantResult:
    """One row: what was found of a subject, or why nothing was."""
    row = VariantResult(
        variant=subject.variant,
        origin=subject.origin,
        path=_display(subject, context.out),
        format=subject.format,
        precision=subject.precision or "unknown",
        key=subject.key,
        failure=subject.failure,
        broken=subject.broken,
    )
    if subject.model is None:
        return row
    played = trials.played[subject.variant]
    if played.result is None:
        return row.model_copy(update={"failure": _failure(played, context.out)})
    return _predict(_complete(row, subject.model, trials, context), trials.predicted.get(subject.variant, _NOTHING))


def _complete(row: VariantResult, model: Path, trials: Trials, context: Context) -> VariantResult:
    """The row with all that its trials found."""
    trial: TrialResult = trials.played[row.variant].result
    timed, drift = trials.timed.get(row.variant, _NOTHING), trials.drifts.get(row.variant, _NOTHING)
    metrics = context.task.metrics
    by_metric = {metric: [clip.scores[metric] for clip in trial.clips] for metric in metrics}
    of_source = {metric: [clip.scores[metric] for clip in context.source.clips] for metric in metrics}
    notices = [f"run by {trial.runtime}", *trial.notices]
    notices += [f"not timed: {timed.reason}"] if timed.result is None else []
    if row.variant in trials.drifts:
        notices += [f"drift not located: {drift.reason}"] if drift.reason else []
    elif (row.origin, row.format) == ("bundle", "coreml") and row.precision != "float32":
        notices.append("drift not located: it is told beside coreml-float32; name float32 in variants.coreml")
    return row.model_copy(
        update={
            "scores": {
                **{metric: aggregate(scores) for metric, scores in by_metric.items()},
                **_sizes(model),
                **_host_scores(timed.result),
            },
            "differences": {metric: difference(of_source[metric], by_metric[metric]) for metric in metrics},
            "parity": trial.parity,
            "timing": None if timed.result is None else _timing(timed.result),
            "drift": drift.result,
            "clips": trial.clips,
            "notices": tuple(notices),
        }
    )


def _predict(row: VariantResult, outcome: Outcome) -> VariantResult:
    """The row with its floor and what each phone would do; a notice instead where the file's graph cannot be read."""
    found: Prediction | None = outcome.result
    if found is None:
        return row.model_copy(update={"notices": (*row.notices, f"nothing predicted: {outcome.reason}")})
    return row.model_copy(update={"precision": found.precision, "floor": found.floor, "devices": found.devices})


def _failure(outcome: Outcome, out: Path) -> Failure:
    log = outcome.log.relative_to(out).as_posix() if outcome.log else None
    return Failure(stage="evaluate", reason=outcome.reason or "no reason was given", log=log)


def _display(subject: Subject, out: Path) -> str:
    if subject.model is None:
        return f"bundles/{subject.variant}"
    path = subject.model.resolve()
    return path.relative_to(out.resolve()).as_posix() if path.is_relative_to(out.resolve()) else path.name


def _sizes(model: Path) -> dict[str, Score]:
    files = digest_files(model)
    paths = [model] if model.is_file() else [model / name for name in files]
    return {
        "size_bytes": _bytes_score(sum(digest.size_bytes for digest in files.values())),
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
        warmup_calls=WARMUP_CALLS,
        samples_ns=timing.samples_ns,
        p50_ms=percentile(50),
        p90_ms=percentile(90),
    )

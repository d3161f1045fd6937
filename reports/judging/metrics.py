"""Where a metric's number stands in an evaluation.

A metric's scope says where it is asked: of a phone (`latency_ms` …), of the outputs' parity (the worst counts), of
calls timed on the host, or of the bundle itself (the task's metrics, sizes).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from device_profiles.record import suggest
from device_profiles.text import shorten
from evaluators.evaluation import TIMINGS, DeviceResult, Evaluation, VariantResult
from evaluators.metrics import BUILT_IN, CORES
from evaluators.score import Direction, MetricInfo, Scope, Score
from reports.errors import ReportError

IDENTICAL = "identical"
_MOST_NAMES = 100
_PREDICTED_TOLERANCE = 0.1
"""of a prediction of which nothing else is known"""


@dataclass(frozen=True)
class Finding:
    """A metric's score for one bundle, or why there is none."""

    score: Score | None
    detail: str = ""
    """what the number is of, where that is not plain: the output, the phone's name"""
    problem: str | None = None
    """why nothing can be judged"""
    identical: bool = False
    """nothing differs: the best a signal-to-noise ratio can be"""


def list_metrics(evaluation: Evaluation) -> dict[str, MetricInfo]:
    """How every metric of an evaluation is to be read, by name, sorted.

    As the evaluation says; of what it does not say, as versions before 3 knew the metrics that every evaluation has,
    and as the scores themselves tell.
    """
    found: dict[str, MetricInfo] = {}
    for variant in evaluation.variants:
        for result in variant.devices:
            found |= {name: _infer(score, "phone") for name, score in result.scores.items() if name not in found}
        for name, score in variant.scores.items():
            found.setdefault(name, _infer(score, "bundle"))
    clips = (clip.scores for variant in evaluation.variants for clip in variant.clips[:1])
    for scores in (evaluation.source.scores, *(variant.differences for variant in evaluation.variants), *clips):
        found |= {name: _infer(score, "clip") for name, score in scores.items() if not _is_of_phones(found.get(name))}
    found |= {**BUILT_IN, **evaluation.metrics}
    return dict(sorted(found.items()))


def _is_of_phones(metric: MetricInfo | None) -> bool:
    return metric is not None and metric.scope == "phone"


def _infer(score: Score, scope: Scope) -> MetricInfo:
    tolerance = _PREDICTED_TOLERANCE if score.basis == "predicted" else 0.0
    return MetricInfo(unit=score.unit[:100], direction=score.direction, scope=scope, relative_tolerance=tolerance)


def check_metrics(metrics: Collection[str], known: Mapping[str, MetricInfo]) -> None:
    """Refuse a metric that no part of an evaluation knows.

    Raises:
        ReportError: With the nearest name and the list of all.
    """
    strange = set(metrics).difference(known)
    metric = next((metric for metric in metrics if metric in strange), None)
    if metric is not None:
        hint = suggest(shorten(metric), dict.fromkeys(shorten(name) for name in known))
        names = ", ".join(shorten(name) for name in list(known)[:_MOST_NAMES])
        rest = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        raise ReportError(f"budget on unknown metric {shorten(metric)!r}{hint}; known metrics: {names}{rest}")


def find_score(variant: VariantResult, metric: str, scope: Scope, device: DeviceResult | None = None) -> Finding:
    """The number of `metric` for a bundle, on `device` where it is a phone's.

    A number of the host never stands in for a phone's.
    """
    if device is not None:
        verb = "counted" if metric in CORES else "predicted"
        return _take(device.scores.get(metric), f"no {metric} was {verb} for this phone")
    if scope == "output":
        return worst_parity(variant, metric)
    if scope == "host" and metric not in variant.scores:
        return _find_timing(variant, metric)
    return _take(variant.scores.get(metric), f"{metric} was not evaluated for this bundle")


def worst_parity(variant: VariantResult, metric: str) -> Finding:
    """The output on which the bundle lies farthest from the source model.

    Args:
        variant: A bundle's results.
        metric: max_abs_error (largest counts), snr_db or cosine (smallest counts).
    """
    scores: list[tuple[str, Score]] = [(parity.output, getattr(parity, metric)) for parity in variant.parity]
    if not scores:
        return Finding(None, problem="no output was compared with the source model's")
    absent = [(name, score) for name, score in scores if score.value is None and score.reason != IDENTICAL]
    if absent:
        name, score = absent[0]
        return Finding(None, problem=f"output {shorten(name)} has no {metric}: {score.reason}")
    present = [(goodness, name, score) for name, score in scores if (goodness := score.goodness) is not None]
    if not present:
        return Finding(None, detail="every output is identical to the source model's", identical=True)
    _, name, score = min(present, key=lambda item: item[:2])
    return Finding(score, detail=f"output {shorten(name)}")


def is_better(direction: Direction, first: float, second: float) -> bool:
    """Whether `first` is better than `second`."""
    return first > second if direction == "higher" else first < second


def _find_timing(variant: VariantResult, metric: str) -> Finding:
    if variant.timing is None:
        return Finding(None, problem="the bundle was not timed on the host")
    return _take(getattr(variant.timing, TIMINGS[metric]), "")


def _take(score: Score | None, missing: str) -> Finding:
    if score is None:
        return Finding(None, problem=missing)
    if score.reason == IDENTICAL:
        return Finding(None, detail="identical to the source model's", identical=True)
    if score.value is None:
        return Finding(None, problem=f"it has no value: {score.reason}")
    return Finding(score)

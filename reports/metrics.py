"""Where a metric's number stands in an evaluation.

A metric is one of four kinds, asked in this order: of a phone (`latency_ms` …), of parity (the worst output counts), of
the host's stopwatch, or of the bundle itself (the task's metrics, sizes).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from device_profiles.record import suggest
from device_profiles.text import shorten
from evaluators.evaluation import DeviceResult, Direction, Evaluation, Score, VariantResult
from reports.errors import ReportError

IDENTICAL = "identical"
PHONE_METRICS = ("latency_ms", "latency_p90_ms", "real_time_factor", "memory_bytes")
PARITY_METRICS = ("max_abs_error", "snr_db", "cosine")
HOST_METRICS = ("host_latency_p50_ms", "host_latency_p90_ms")
_MOST_NAMES = 100
SIZE_METRICS = ("size_bytes", "compressed_bytes", "peak_memory_bytes")


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


def known_metrics(evaluation: Evaluation) -> tuple[str, ...]:
    """Every metric a budget may name, sorted."""
    names = {*PHONE_METRICS, *PARITY_METRICS, *HOST_METRICS, *SIZE_METRICS, *evaluation.source.scores}
    for variant in evaluation.variants:
        names.update(variant.scores, variant.differences, *(result.scores for result in variant.devices))
    return tuple(sorted(names))


def check_metrics(metrics: Collection[str], evaluation: Evaluation) -> None:
    """Refuse a metric that no part of the evaluation knows.

    Raises:
        ReportError: With the nearest name and the list of all.
    """
    known = known_metrics(evaluation)
    strange = set(metrics).difference(known)
    metric = next((metric for metric in metrics if metric in strange), None)
    if metric is not None:
        hint = suggest(shorten(metric), dict.fromkeys(shorten(name) for name in known))
        names = ", ".join(shorten(name) for name in known[:_MOST_NAMES])
        rest = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        raise ReportError(f"budget on unknown metric {shorten(metric)!r}{hint}; known metrics: {names}{rest}")


def list_phone_metrics(evaluation: Evaluation) -> frozenset[str]:
    """The metrics that are judged once for each phone. A number of the host never stands in for a phone's."""
    results = (result for variant in evaluation.variants for result in variant.devices)
    return frozenset(PHONE_METRICS).union(*(result.scores for result in results))


def find_score(variant: VariantResult, metric: str, device: DeviceResult | None = None) -> Finding:
    """The number of `metric` for a bundle, on `device` where one is given."""
    if device is not None:
        return _take(device.scores.get(metric), f"no {metric} was predicted for this phone")
    if metric in PARITY_METRICS:
        return worst_parity(variant, metric)
    if metric in HOST_METRICS and metric not in variant.scores:
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
    score = variant.timing.p50_ms if metric == "host_latency_p50_ms" else variant.timing.p90_ms
    return _take(score, "")


def _take(score: Score | None, missing: str) -> Finding:
    if score is None:
        return Finding(None, problem=missing)
    if score.value is None:
        return Finding(None, problem=f"it has no value: {score.reason}")
    return Finding(score)

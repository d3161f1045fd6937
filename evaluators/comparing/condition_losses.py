"""Does a bundle lose more under a condition than its source loses? Differences of differences, clip by clip.

    (bundle - source) under the condition - (bundle - source) on the clean audio

It is 0 where both lose alike, however much that is. Its interval and p-value come of drawing clips with replacement, or
the task's groups of them, as all intervals here; of a metric of the whole dataset, of its draws, which are the same for
all four numbers. A metric's bundles and conditions are one family of tests, adjusted by Holm's method: where no bundle
loses more, at most one evaluation in twenty says of any that it does, however many bundles and conditions there are.

Source: Ashenfelter and Card, "Using the Longitudinal Structure of Earnings to Estimate the Effect of Training
Programs", The Review of Economics and Statistics 67 (1985), 648-660, for the estimator.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.comparing.dataset_scores import DatasetScore, subtract_drawn
from evaluators.comparing.statistics import Groups, adjust_by_holm, difference, drawn_p_value, paired_p_value
from evaluators.evaluation import ExtraLoss
from evaluators.score import MetricInfo, Score

SIGNIFICANCE = 0.05
_ROUNDING = 1e-9
"""of the largest of a clip's four numbers: a change below it is of their last digits"""


@dataclass(frozen=True)
class ClipPair:
    """One metric's scores of the clips, in their order, of source and bundle on the same audio."""

    source: Sequence[Score]
    bundle: Sequence[Score]


@dataclass(frozen=True)
class DatasetPair:
    """The same of a metric of the whole dataset."""

    source: DatasetScore
    bundle: DatasetScore


def compare_clips(clean: ClipPair, here: ClipPair, groups: Groups = None) -> ExtraLoss:
    """A metric's change from the clean clips to those under a condition, before any adjustment.

    Args:
        clean: On the clean audio.
        here: Under the condition, the same clips in the same order.
        groups: Of each clip, what it is drawn together with.

    Returns:
        The change as a score, whose value is none where no clip has all four numbers, and its own p-value.
    """
    before, after = _list_differences(clean), _list_differences(here)
    present = [
        (None, None) if None in (first, second) else _drop_rounding(first, second, sizes)  # type: ignore[arg-type]
        for first, second, sizes in zip(before, after, _list_sizes(clean, here), strict=True)
    ]
    like = here.bundle
    change = difference(
        [_make_score(first, score) for (first, _), score in zip(present, like, strict=True)],
        [_make_score(second, score) for (_, second), score in zip(present, like, strict=True)],
        groups=groups,
    )
    if change.low is None:
        return ExtraLoss(change=change)
    p_value = paired_p_value([first for first, _ in present], [second for _, second in present], groups=groups)
    return ExtraLoss(change=change, p_value=p_value)


def compare_dataset_scores(clean: DatasetPair, here: DatasetPair) -> ExtraLoss:
    """As `compare_clips`, of a metric of the whole dataset."""
    before, after = (subtract_drawn(pair.source, pair.bundle) for pair in (clean, here))
    found = subtract_drawn(before, after)
    if found.score.low is None:
        return ExtraLoss(change=found.score)
    changes = [value for value in found.drawn if value is not None]
    return ExtraLoss(change=found.score, p_value=drawn_p_value(changes, found.units))


def adjust_losses(
    losses: Mapping[tuple[str, str], Mapping[str, ExtraLoss]], metrics: Mapping[str, MetricInfo]
) -> dict[tuple[str, str], dict[str, ExtraLoss]]:
    """The same with p-values adjusted, each metric's tests as one family, and with what follows from them.

    Args:
        losses: By bundle and condition, by metric.
        metrics: How each is to be read.
    """
    found: dict[tuple[str, str], dict[str, ExtraLoss]] = {key: {} for key in losses}
    for name, metric in metrics.items():
        tested = [key for key, one in losses.items() if name in one and one[name].p_value is not None]
        adjusted = adjust_by_holm([losses[key][name].p_value or 0.0 for key in tested])
        by_key = dict(zip(tested, adjusted, strict=True))
        for key, one in losses.items():
            if name in one:
                found[key][name] = _conclude(one[name].change, by_key.get(key), metric)
    return found


def find_worst_clips(clean: ClipPair, here: ClipPair, most: int) -> tuple[int, ...]:
    """Places of the clips on which a bundle loses most beyond its source, those that lose nothing more left out."""
    sign = 1 if here.bundle and here.bundle[0].direction == "higher" else -1
    changes = [
        (sign * _saturate(second - first), place)
        for place, (first, second) in enumerate(zip(_list_differences(clean), _list_differences(here), strict=True))
        if first is not None and second is not None
    ]
    return tuple(place for change, place in sorted(changes)[:most] if change < 0)


def _conclude(change: Score, p_value: float | None, metric: MetricInfo) -> ExtraLoss:
    goodness = change.goodness
    loses = p_value is not None and p_value < SIGNIFICANCE and goodness is not None and goodness < -metric.tolerance
    return ExtraLoss(change=change, p_value=p_value, loses_more=loses)


def _list_differences(pair: ClipPair) -> list[float | None]:
    return [
        None if source.value is None or bundle.value is None else _saturate(bundle.value - source.value)
        for source, bundle in zip(pair.source, pair.bundle, strict=True)
    ]


def _list_sizes(clean: ClipPair, here: ClipPair) -> list[float]:
    columns = (clean.source, clean.bundle, here.source, here.bundle)
    return [max(abs(score.value or 0.0) for score in four) for four in zip(*columns, strict=True)]


def _drop_rounding(first: float, second: float, size: float) -> tuple[float, float]:
    return (first, first) if abs(_saturate(second - first)) <= _ROUNDING * size else (first, second)


def _saturate(value: float) -> float:
    return float(np.clip(value, -sys.float_info.max, sys.float_info.max))


def _make_score(value: float | None, like: Score) -> Score:
    reason = None if value is not None else like.reason or "not all four numbers are there"
    return Score(value=value, unit=like.unit, direction=like.direction, basis=like.basis, reason=reason)

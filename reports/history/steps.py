"""Where numbers step: from one run on, a number lies on another level and stays there.

**A number that repeats.** Accuracy, parity, sizes and predictions are computed, not timed: the same commit gives the
same number. Where at least half of the runs repeat the number of the run before, there is no noise to be told from a
change, and each lasting change of level is a step: the new level holds for two runs or more.

**A number that does not.** Each way to split its runs into an earlier and a later part is tested by van der Waerden's
normal scores of the ranks, whose sum's distribution is computed exactly, also with ties (up to `_MOST_EXACT` runs;
beyond, by the normal approximation). Nothing is assumed of the noise's distribution, so that outliers raise no alarm;
a run that fewer than two of the six around it are near (by four times the noise) is left out, so that they hide no step
either.
The smallest p-value of all splits counts, times the number of splits (Bonferroni); all series of a report are one
family, adjusted by Holm. Where a step is found, its two sides are searched in the same way.

Sources: B. L. van der Waerden, "Order tests for the two-sample problem and their power", Indagationes Mathematicae 14
(1952), 453-458; A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979),
126-135, for ranks over all splits; W. Fleming et al., "Hunter: Using Change Point Detection to Hunt for Performance
Regressions", ICPE 2023, for the search of both sides and a floor below which no change counts; S. Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979), 65-70.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluators.comparing.statistics import adjust_by_holm

FAMILY_ERROR = 0.05
"""how often a report of series without a step may raise an alarm"""
LEAST_SHARE = 0.005
"""of the level before: what changes by less is no step"""
_SAME_SHARE = 1e-4
"""of a number: what differs by less repeats it (other processors sum otherwise)"""
_LEAST_RUNS = 3
"""on each side of a step, where numbers do not repeat"""
_LEAST_REPEATS = 2
_MOST_EXACT = 64
_FINENESS = 16
"""parts of a normal score that are told apart"""
_AROUND = 3
"""runs before and after"""
_SPIKE = 4.0
"""times the noise: runs farther apart are not near each other"""
_FEWEST_KEPT = 0.8
"""of the runs: where more stick out, they are the noise"""
_MOST_STEPS = 32
"""of one series"""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """A step of one series.

    Attributes:
        at: The first run of the new level, as an index into the series.
        before: The median of the runs from the step before on.
        after: The median of the runs up to the next step.
        p_value: Adjusted over all series; none where the number repeats.
    """

    at: int
    before: float
    after: float
    p_value: float | None


def find_levels(series: Sequence[tuple[Sequence[float], bool]]) -> list[tuple[Level, ...]]:
    """The steps of each of many series, in the order of the runs.

    Args:
        series: The values in the order of the runs, all finite; and whether the number is computed, so that the same
            commit gives the same one.
    """
    arrays = [np.asarray(values, np.float64) for values, _ in series]
    repeats = [computed and _repeats(array) for array, (_, computed) in zip(arrays, series, strict=True)]
    kept = [np.arange(len(array)) if same else _leave_out(array) for array, same in zip(arrays, repeats, strict=True)]
    arrays = [array[runs] for array, runs in zip(arrays, kept, strict=True)]
    tested = [place for place, array in enumerate(arrays) if not repeats[place] and _is_long_enough(array)]
    raw = {place: _scan(arrays[place]) for place in tested}
    adjusted = dict(zip(tested, adjust_by_holm([raw[place][1] for place in tested]), strict=True))
    found: list[tuple[Level, ...]] = []
    for place, array in enumerate(arrays):
        cuts: dict[int, float | None] = {}
        if repeats[place]:
            cuts = dict.fromkeys(_find_lasting(array))
        elif place in raw and adjusted[place] <= FAMILY_ERROR:
            at, _ = raw[place]
            cuts = {at: adjusted[place], **_split(array[:at], 0, len(tested)), **_split(array[at:], at, len(tested))}
        levels = _describe(array, cuts)
        found.append(tuple(replace(level, at=int(kept[place][level.at])) for level in levels))
    return found


def _is_long_enough(values: Values) -> bool:
    return len(values) >= 2 * _LEAST_RUNS


def _repeats(values: Values) -> bool:
    if len(values) < 2 * _LEAST_REPEATS:
        return False
    return bool(np.mean(_are_same(values[1:], values[:-1])) >= 0.5)


def _are_same(first: Values, second: Values) -> npt.NDArray[np.bool_]:
    same = np.abs(first - second) <= _SAME_SHARE * np.maximum(np.abs(first), np.abs(second))
    return np.asarray(same, np.bool_)


def _leave_out(values: Values) -> npt.NDArray[np.int64]:
    """The runs that count: all but those that fewer than two of the six around are near, as a busy machine makes."""
    every = np.arange(len(values))
    if not _is_long_enough(values):
        return every
    noise = 1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2)
    near = np.zeros(len(values), np.int64)
    for apart in range(1, _AROUND + 1):
        is_near = np.abs(values[apart:] - values[:-apart]) <= _SPIKE * noise
        near[apart:] += is_near
        near[:-apart] += is_near
    kept = every[near >= 2]
    return kept if len(kept) >= _FEWEST_KEPT * len(values) else every


def _find_lasting(values: Values) -> list[int]:
    """Where a repeated number's level changes; a level of one run only is no level."""
    starts = [0]
    for place in range(1, len(values)):
        if not _are_same(values[place : place + 1], values[starts[-1] : starts[-1] + 1])[0]:
            starts.append(place)
    ends = [*starts[1:], len(values)]
    lasting = [start for start, end in zip(starts, ends, strict=True) if end - start >= _LEAST_REPEATS]
    cuts: list[int] = []
    for before, after in itertools.pairwise(lasting):
        if not _are_same(values[before : before + 1], values[after : after + 1])[0]:
            cuts.append(after)
    return cuts


def _split(values: Values, offset: int, family: int) -> dict[int, float | None]:
    """Further steps on one side of a step; what is found is held to the whole family once more."""
    if not _is_long_enough(values):
        return {}
    at, p_value = _scan(values)
    adjusted = min(1.0, p_value * family)
    if adjusted > FAMILY_ERROR:
        return {}
    inner = {**_split(values[:at], offset, family), **_split(values[at:], offset + at, family)}
    return {offset + at: adjusted, **inner}


def _describe(values: Values, cuts: dict[int, float | None]) -> tuple[Level, ...]:
    """The steps that are large enough, each between the medians of the runs around it."""
    kept = sorted(cuts)
    while True:
        edges = [0, *kept, len(values)]
        medians = [float(np.median(values[start:end])) for start, end in itertools.pairwise(edges)]
        levels = [
            Level(at, before, after, cuts[at]) for at, before, after in zip(kept, medians, medians[1:], strict=False)
        ]
        large = [level for level in levels if abs(level.after - level.before) > LEAST_SHARE * abs(level.before)]
        if len(large) == len(levels):
            return tuple(levels[:_MOST_STEPS])
        kept = [level.at for level in large]  # without the small ones, levels reach farther


def _scan(values: Values) -> tuple[int, float]:
    """The best split, and the p-value of it being there, over all splits."""
    count = len(values)
    scores = _score_ranks(values)
    sizes = np.arange(_LEAST_RUNS, count - _LEAST_RUNS + 1)
    sums = np.cumsum(scores)[sizes - 1]
    if count <= _MOST_EXACT:
        lower, upper = _sum_tails(tuple(sorted(scores.tolist())))
        p_values = 2 * np.minimum(lower[sizes, sums], upper[sizes, sums])
    else:
        p_values = 2 * _normal_tails(scores, sizes, sums)
    best = int(np.argmin(p_values))
    return int(sizes[best]), float(min(1.0, p_values[best] * len(sizes)))


def _score_ranks(values: Values) -> npt.NDArray[np.int64]:
    """Each value's normal score by its mid-rank, in whole sixteenths from the lowest one on."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.rint(_FINENESS * ndtri(rankdata(values) / (len(values) + 1))).astype(np.int64)
    return np.asarray(scores - scores.min(), np.int64)


@functools.lru_cache(maxsize=64)
def _sum_tails(scores: tuple[int, ...]) -> tuple[Values, Values]:
    """By size of a part and sum of its scores: the chance that a part drawn at random has that sum or less, or more."""
    count, most = len(scores), sum(scores)
    ways = np.zeros((count + 1, most + 1))
    ways[0, 0] = 1.0
    for number, score in enumerate(scores, 1):
        ways[1 : number + 1, score:] += ways[:number, : most + 1 - score].copy()
    ways /= ways.sum(axis=1, keepdims=True)
    return np.cumsum(ways, axis=1), np.cumsum(ways[:, ::-1], axis=1)[:, ::-1]


def _normal_tails(scores: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], sums: npt.NDArray[np.int64]) -> Values:
    from scipy.special import ndtr

    count = len(scores)
    spread = np.sqrt(sizes * (count - sizes) / (count - 1) * scores.var())
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, np.abs(sums - sizes * scores.mean()) / spread, 0.0)
    return np.asarray(ndtr(-z), np.float64)

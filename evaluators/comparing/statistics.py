"""What a mean over a few clips is worth: bootstrap intervals of means and of paired differences.

The clips are resampled with replacement, thousands of times; the spread of the resampled means is the interval. Where
clips come in groups that are alike, such as a speaker's, the groups are resampled, each with all of its clips.

The interval is the expanded percentile interval. A plain percentile interval is too narrow for few clips, by the factor
sqrt((n - 1) / n) and for want of Student's t; its quantiles alpha / 2 and 1 - alpha / 2 are therefore moved out to
Phi(-sqrt(n / (n - 1)) t(alpha / 2, n - 1)) and its mirror image. It was chosen by simulation
(`benchmarks/bootstrap_coverage.py`, 2000 trials): at 28 clips its 95 % interval covers 0.89 to 0.95 by kind of
difference, the plain one 0.88 to 0.93, BCa 0.88 to 0.92, bootstrap-t 0.91 to 0.96 with intervals up to half as wide
again. Many clips score the same under two variants of one model, and it is there that BCa (0.83 at 16 clips) and
bootstrap-t (0.88) fall behind. Where the clips that differ are few and all differ in one direction the interval covers
less than it claims (0.79 at 8 clips, 0.89 at 28, 0.92 at 60): a dataset should not be small.

Source: T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69 (2015), 371-386.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.score import Score

Groups: TypeAlias = Sequence[str | None] | None
"""of each clip, what it is drawn together with; None stands for itself"""

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0
_FEWEST_BEYOND = 10
"""resampled means beyond 0 from which on their share is an estimate"""
_BLOCK = 1 << 21  # resampled values held at once: 16 MB of indices
_MOST_COUNTS = 1 << 22  # 16 MB of them are kept


@dataclass(frozen=True)
class Interval:
    """A mean with its interval."""

    mean: float | None
    """none where there was nothing to average"""
    low: float | None
    high: float | None
    confidence: float
    used: int
    """values, or pairs of values, averaged"""
    left_out: int
    """clips without a value on either side"""
    reason: str | None = None
    """why there is no interval"""


def paired_bootstrap(
    reference: Sequence[float | None] | npt.NDArray[np.floating[Any]],
    estimate: Sequence[float | None] | npt.NDArray[np.floating[Any]],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    groups: Groups = None,
) -> Interval:
    """The mean of `estimate - reference` over clips, with its interval.

    Args:
        reference: One value a clip; None or NaN where there is none. Not modified.
        estimate: The same clips in the same order. A pair lacking either value is left out and counted.
        confidence: The interval's nominal coverage.
        resamples: How often the pairs are drawn anew.
        seed: Same seed and data, same interval.
        groups: Of each clip, what it is drawn together with; by default each is drawn alone.

    Raises:
        EvaluationError: The lengths differ, a value is infinite, or an option is out of range.
    """
    first, second = _values(reference, "reference"), _values(estimate, "estimate")
    if first.shape != second.shape:
        raise EvaluationError(
            f"paired values must be as many on both sides: {len(first)} reference, {len(second)} estimate"
        )
    changes, exponent = _subtract(first, second)
    found = _interval(changes, "pair of clips", confidence=confidence, resamples=resamples, seed=seed, groups=groups)
    return _enlarge(found, exponent)


def bootstrap(
    values: Sequence[float | None] | npt.NDArray[np.floating[Any]],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    groups: Groups = None,
) -> Interval:
    """The mean of one value a clip, with its interval; otherwise as `paired_bootstrap`."""
    array, exponent = _reduce(_values(values, "values"))
    found = _interval(array, "clip", confidence=confidence, resamples=resamples, seed=seed, groups=groups)
    return _enlarge(found, exponent)


def paired_p_value(
    reference: Sequence[float | None] | npt.NDArray[np.floating[Any]],
    estimate: Sequence[float | None] | npt.NDArray[np.floating[Any]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    groups: Groups = None,
) -> float:
    """How likely a mean difference at least as far from 0 is when nothing changed: the test behind `paired_bootstrap`.

    It is the level at which that function's interval begins to hold 0; 1 where no clip differs or fewer than two have
    values. Farther out than resamples reach, where many tests at once need it, it is Student's. Arguments and errors as
    there.
    """
    first, second = _values(reference, "reference"), _values(estimate, "estimate")
    if first.shape != second.shape:
        raise EvaluationError(f"paired values must be as many on both sides: {len(first)} and {len(second)}")
    changes, _ = _subtract(first, second)
    sums, sizes = _gather(changes, groups)
    if len(sums) < 2 or not np.nan_to_num(changes).any():
        return 1.0
    means = _resampled_means(sums, sizes, resamples, seed)
    beyond = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    found = min(1.0, 2 * _shrunken_tail((beyond + 1) / (resamples + 1), len(sums)))
    return found if beyond >= _FEWEST_BEYOND else min(found, _students_p_value(sums / sizes))


def drawn_p_value(changes: Sequence[float] | npt.NDArray[np.floating[Any]], units: int) -> float:
    """As `paired_p_value`, of a number that was computed anew of each draw: 1 where none differs from 0.

    Farther out than draws reach it is Student's, with the draws' spread in the standard error's place.

    Args:
        changes: The number's change in each draw.
        units: How many clips, or groups of them, were drawn from.
    """
    array = np.asarray(changes, np.float64)
    if units < 2 or not array.any():
        return 1.0
    beyond = min(np.count_nonzero(array <= 0), np.count_nonzero(array >= 0))
    found = min(1.0, 2 * _shrunken_tail((beyond + 1) / (len(array) + 1), units))
    if beyond >= _FEWEST_BEYOND:
        return found
    error = array.std() * np.sqrt(units / (units - 1))
    return min(found, _find_students_tails(array.mean(), error, units))


def adjust_by_holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests at once, adjusted: calling those below a level true errs no oftener than it says.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979), 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def aggregate(
    scores: Sequence[Score],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    groups: Groups = None,
) -> Score:
    """One metric's scores of all clips as one score: the mean over the clips that have a value, with its interval.

    No value where no clip has one; no interval where only one has.

    Raises:
        EvaluationError: There is no score, or unit, direction or basis are not the same for all.
    """
    values = [s.value for s in scores]
    interval = bootstrap(values, confidence=confidence, resamples=resamples, seed=seed, groups=groups)
    return _score(interval, scores, scores)


def difference(
    reference: Sequence[Score],
    estimate: Sequence[Score],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    groups: Groups = None,
) -> Score:
    """One metric of a variant minus that of the source model, over the same clips, with its paired interval.

    The result has the estimate's basis; more than 0 is better where the metric's direction is "higher".

    Raises:
        EvaluationError: There is no score, the lengths differ, or unit and direction are not the same for all.
    """
    interval = paired_bootstrap(
        [s.value for s in reference],
        [s.value for s in estimate],
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        groups=groups,
    )
    return _score(interval, estimate, [*reference, *estimate])


def _values(values: Any, side: str) -> npt.NDArray[np.float64]:
    array = np.array([np.nan if value is None else value for value in values], np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        found = f"shape {array.shape}" if array.ndim != 1 else "an infinite value"
        raise EvaluationError(f"{side} must be one finite number or nothing a clip; found {found}")
    return array


def _reduce(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], int]:
    """The values divided by a power of two, which is exact, so that no sum or square overflows; and its exponent."""
    present = values[~np.isnan(values)]
    exponent = int(np.frexp(np.abs(present).max())[1]) if len(present) else 0
    return np.ldexp(values, -exponent), exponent


def _subtract(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], int]:
    both, exponent = _reduce(np.concatenate([first, second]))
    return both[len(first) :] - both[: len(first)], exponent


def _enlarge(interval: Interval, exponent: int) -> Interval:
    """The interval of values that `_reduce` divided; what no number holds becomes the largest that there is."""

    def enlarge(value: float | None) -> float | None:
        if value is None:
            return None
        try:
            return math.ldexp(value, exponent)
        except OverflowError:
            return math.copysign(sys.float_info.max, value)

    return replace(interval, mean=enlarge(interval.mean), low=enlarge(interval.low), high=enlarge(interval.high))


def _interval(
    values: npt.NDArray[np.float64], what: str, *, confidence: float, resamples: int, seed: int, groups: Groups = None
) -> Interval:
    if not 0 < confidence < 1:
        raise EvaluationError(f"confidence must lie between 0 and 1, found {confidence}")
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1, found {resamples}")
    present = values[~np.isnan(values)]
    used, left_out = len(present), len(values) - len(present)
    mean = float(present.mean()) if used else None
    sums, sizes = _gather(values, groups)
    if len(sums) < 2:
        what = what if groups is None or not used else "group of clips"
        reason = f"only one {what} has values" if used else f"no {what} has values"
        return Interval(mean, None, None, confidence, used, left_out, reason)
    low, high = find_ends(_resampled_means(sums, sizes, resamples, seed), len(sums), confidence=confidence)
    return Interval(mean, low, high, confidence, used, left_out)


def find_ends(resampled: npt.NDArray[np.float64], units: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The ends of the expanded percentile interval.

    Args:
        resampled: A number, computed of each draw.
        units: How many clips, or groups of them, were drawn from; at least 2.
        confidence: The interval's nominal coverage.
    """
    tail = _expanded_tail((1 - confidence) / 2, units)
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def gather_units(groups: Sequence[str | None]) -> list[list[int]]:
    """The clips that are drawn together, by their places, in the order they first came."""
    units: dict[tuple[str, int | str], list[int]] = {}
    for place, group in enumerate(groups):
        units.setdefault(("clip", place) if group is None else ("group", group), []).append(place)
    return list(units.values())


def _gather(values: npt.NDArray[np.float64], groups: Groups) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each unit that is drawn and has a value: the sum of its values, and how many they are."""
    present = ~np.isnan(values)
    if groups is None:
        return values[present], np.ones(int(present.sum()))
    if len(groups) != len(values):
        raise EvaluationError(f"{len(groups)} groups for {len(values)} clips; each clip has one, or None")
    kept = [[place for place in unit if present[place]] for unit in gather_units(groups)]
    units = [unit for unit in kept if unit]
    return np.array([values[unit].sum() for unit in units]), np.array([float(len(unit)) for unit in units])


def _resampled_means(
    sums: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], resamples: int, seed: int
) -> npt.NDArray[np.float64]:
    n, means = len(sums), sums / sizes
    if n * resamples <= _MOST_COUNTS:
        counts = draw_counts(n, resamples, seed)
        # Rounding moves a mean of equal values off them.
        return np.clip(counts @ sums / (counts @ sizes), means.min(), means.max())
    found = np.empty(resamples)
    rows = max(1, _BLOCK // n)
    random = np.random.default_rng(seed)
    for start in range(0, resamples, rows):
        block = found[start : start + rows]
        drawn = random.integers(0, n, (len(block), n))
        block[:] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return found


@functools.lru_cache(maxsize=4)
def draw_counts(n: int, resamples: int, seed: int) -> npt.NDArray[np.float32]:
    """How often each of `n` values is drawn, a row a resample: the same draws serve every metric of the same clips."""
    rows = np.arange(resamples)[:, None] * n
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n)) + rows
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float32)


def _expanded_tail(tail: float, n: int) -> float:
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, tail)))


def _students_p_value(changes: npt.NDArray[np.float64]) -> float:
    return _find_students_tails(changes.mean(), changes.std(ddof=1) / np.sqrt(len(changes)), len(changes))


def _find_students_tails(mean: float, error: float, units: int) -> float:
    from scipy.special import stdtr

    return 0.0 if error == 0 else float(2 * stdtr(units - 1, -abs(mean) / error))


def _shrunken_tail(tail: float, n: int) -> float:
    """The inverse of `_expanded_tail`."""
    from scipy.special import ndtri, stdtr

    return float(stdtr(n - 1, ndtri(tail) / np.sqrt(n / (n - 1))))


def _score(interval: Interval, like: Sequence[Score], same: Sequence[Score]) -> Score:
    """An interval as a score in the unit, direction and basis of `like`."""
    if not like:
        raise EvaluationError("no score to average: at least one clip is needed")
    for name, scores in (("unit", same), ("direction", same), ("basis", like)):
        found = sorted({getattr(score, name) for score in scores})
        if len(found) > 1:
            raise EvaluationError(f"scores of different {name} cannot be put together: {', '.join(found)}")
    reason = None
    if interval.mean is None:
        reasons = sorted({score.reason for score in same if score.reason})
        reason = f"{interval.reason}: {'; '.join(reasons)}" if reasons else interval.reason
    return Score(
        value=interval.mean,
        unit=like[0].unit,
        direction=like[0].direction,
        basis=like[0].basis,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence if interval.low is not None else None,
        reason=reason,
    )

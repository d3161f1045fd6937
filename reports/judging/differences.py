"""How a number changed, with an interval of the change where there is one.

Three kinds of number change in three ways:

- A task's metric that is a mean over clips is compared clip by clip: a bootstrap over the clips' own changes, or over
  those of groups of clips. Of one that is computed of all clips at once an evaluation holds the interval alone.
- A prediction errs by the factor of its interval. Both predictions come of one cost model, so what errs is the price of
  the change: the change lies between itself divided and multiplied by that factor, and no change is none.
- Sizes and what the emulator computes are exact. Times of calls on the host have the spread of their calls, memory
  measured there has no interval that is known; the tolerance of both is wide. Where both numbers have intervals of
  their own, these add up as independent errors do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evaluators.comparing.statistics import CONFIDENCE, difference, paired_p_value
from evaluators.evaluation import TIMINGS, Timing, VariantResult
from evaluators.score import MetricInfo, Score
from reports.judging.arithmetic import divide, saturate

EXACT_DB = 100.0
"""beyond this, outputs differ by the order in which float32 adds up"""
WIDENED = 1.5
"""factor by which an interval must be wider than before to tell that less is known"""

HOST_TOLERANCE = 0.25
"""of what was before, for times on the host"""
_QUANTILES = {"host_latency_p50_ms": 0.5, "host_latency_p90_ms": 0.9}
_TWO_SIDED_95 = 1.96
_LARGER_ERROR = 0.5
"""of what it was: by so much an output's largest error must grow to count, about 3 dB"""
_LEAST_ERROR = 1e-6
"""what float32 rounds beside 1 by"""


@dataclass(frozen=True)
class Difference:
    """After minus before.

    Attributes:
        score: With an interval where there is one.
        p_value: Of a paired test, not adjusted for other tests; None where there is none.
        tolerance: How far it may go for the worse before it counts, in the score's unit.
    """

    score: Score
    p_value: float | None = None
    tolerance: float = 0.0

    @property
    def least(self) -> float:
        """The end of the interval nearer to no change; the value where there is no interval."""
        assert self.score.value is not None
        if self.score.low is None or self.score.high is None:
            return self.score.value
        if self.score.low <= 0 <= self.score.high:
            return 0.0
        return self.score.low if self.score.low > 0 else self.score.high


def subtract_clips(
    metric: str, before: VariantResult, after: VariantResult, groups: Mapping[str, str | None], *, tolerance: float
) -> Difference | None:
    """The paired difference of a task's metric; None where the clips do not have it.

    Args:
        metric: Its name.
        before: The baseline's bundle.
        after: The same bundle now.
        groups: Clip → what it is drawn together with.
        tolerance: See `Difference`.
    """
    old = {clip.clip: clip.scores[metric] for clip in before.clips if metric in clip.scores}
    new = {clip.clip: clip.scores[metric] for clip in after.clips if metric in clip.scores}
    both = [clip for clip in old if clip in new]
    if not both:
        return None
    reference, estimate = [old[clip] for clip in both], [new[clip] for clip in both]
    drawn = [groups.get(clip) for clip in both]
    values = [score.value for score in reference], [score.value for score in estimate]
    p_value = paired_p_value(*values, groups=drawn)
    return Difference(difference(reference, estimate, groups=drawn), p_value, tolerance)


def subtract(metric: MetricInfo, before: Score, after: Score) -> Difference:
    """The difference of two numbers of one unit and basis, both with a value."""
    assert before.value is not None and after.value is not None
    tolerance = saturate(metric.tolerance + metric.relative_tolerance * abs(before.value))
    if metric.scope == "output" and after.unit == "db":
        change = min(after.value, EXACT_DB) - min(before.value, EXACT_DB)
        return Difference(_difference(after, change, None), tolerance=tolerance)
    change = saturate(after.value - before.value)
    if after.basis == "predicted":
        factor = max(_factor(before), _factor(after))
        return Difference(_difference(after, change, (change / factor, change * factor)), tolerance=tolerance)
    spread = saturate(math.hypot(_half_width(before), _half_width(after)))
    found = _difference(after, change, (change - spread, change + spread) if spread else None)
    return Difference(found, tolerance=tolerance)


def subtract_errors(metric: str, before: Score, after: Score, *, exact: bool) -> Difference:
    """The difference of the worst output's error, or of how well it points the source's way.

    Args:
        metric: `max_abs_error` or `cosine`.
        before: The baseline's.
        after: The same now.
        exact: Whether both are as near to the source as float32 can tell; what changes there is rounding.
    """
    assert before.value is not None and after.value is not None
    error = before.value if metric == "max_abs_error" else max(1.0 - before.value, 0.0)
    change = saturate(after.value - before.value)
    tolerance = abs(change) if exact else max(_LEAST_ERROR, _LARGER_ERROR * abs(error))
    return Difference(_difference(after, change, None), tolerance=tolerance)


def subtract_calls(metric: str, before: VariantResult, after: VariantResult) -> Difference:
    """The difference of a bundle's times on the host, with the spread of its calls; both were timed.

    A host's clock moves by itself from run to run, by more than its calls spread in one, so the tolerance is wide.

    Args:
        metric: Which of `TIMINGS`.
        before: The baseline's bundle.
        after: The same bundle now.
    """
    assert before.timing is not None and after.timing is not None
    first, second = (getattr(timing, TIMINGS[metric]) for timing in (before.timing, after.timing))
    ends = [
        _spread_of_calls(timing, _QUANTILES[metric], score)
        for timing, score in ((before.timing, first), (after.timing, second))
    ]
    change = saturate(second.value - first.value)
    spread = saturate(math.hypot(*((high - low) / 2 for low, high in ends)))
    return Difference(
        _difference(second, change, (change - spread, change + spread)), tolerance=HOST_TOLERANCE * first.value
    )


def _spread_of_calls(timing: Timing, quantile: float, score: Score) -> tuple[float, float]:
    """Between which calls the quantile lies, by the binomial distribution's normal approximation; in ms.

    Source: David and Nagaraja, "Order Statistics", 3rd edition, section 7.1.
    """
    ordered = sorted(timing.samples_ns)
    if not ordered:
        assert score.value is not None
        return score.value, score.value
    count = len(ordered)
    middle, reach = count * quantile, _TWO_SIDED_95 * math.sqrt(count * quantile * (1 - quantile))
    low, high = max(math.floor(middle - reach), 0), min(math.ceil(middle + reach), count - 1)
    return ordered[low] / 1e6, ordered[high] / 1e6


def _difference(like: Score, change: float, ends: tuple[float, float] | None) -> Score:
    low, high = (None, None) if ends is None else (saturate(min(ends)), saturate(max(ends)))
    confidence = None if ends is None else like.confidence or CONFIDENCE
    return like.model_copy(update={"value": change, "low": low, "high": high, "confidence": confidence})


def _half_width(score: Score) -> float:
    return 0.0 if score.low is None or score.high is None else score.high / 2 - score.low / 2


def is_widened(before: Score, after: Score) -> bool:
    """Whether so much less is known than before that a worse number could hide in it."""
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return False
    if after.basis == "predicted":
        return _factor(after) / WIDENED > _factor(before)
    return _half_width(after) / WIDENED > _half_width(before) > 0


def _factor(score: Score) -> float:
    """By which a prediction may be off, either way; 1 where it says nothing."""
    if score.value is None or score.value <= 0 or score.low is None or score.high is None or score.low <= 0:
        return 1.0
    return max(divide(score.high, score.value), divide(score.value, score.low), 1.0)

"""The two rules by which a number is held against a limit, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.score import Score
from reports.judging.arithmetic import saturate
from reports.notation import BASIS_WORDS, format_apart, format_exact, format_number


@dataclass(frozen=True)
class Judgement:
    """What came of holding a score against a limit."""

    holds: bool
    value: float | None
    """what was compared: an end of the interval where there is one"""
    limit: float | None
    margin: float | None
    """room left, below zero when the limit is broken"""
    reason: str


def judge_bound(score: Score, bound: float, *, upper: bool, detail: str = "") -> Judgement:
    """Hold a score against the most (`upper`) or the least it may be.

    Args:
        score: With a value. Its interval's far end counts where it has one: high against an upper bound, else low.
        bound: In the score's unit.
        upper: Whether the bound is the most the score may be.
        detail: What the number is of, for the sentence.
    """
    assert score.value is not None
    end = score.high if upper else score.low
    value = score.value if end is None else end
    margin = saturate(bound - value if upper else value - bound)
    value_text, bound_text = format_apart(value, bound, score.unit), format_exact(bound, score.unit)
    side = ("under" if upper else "over") if margin >= 0 else ("over" if upper else "under")
    limit_word = "limit" if upper else "least allowed"
    if margin == 0:
        place = f"exactly the {limit_word}"
    else:
        place = f"{format_number(abs(margin), score.unit)} {side} the {limit_word} of {bound_text}"
    basis = ", ".join(part for part in (detail, BASIS_WORDS[score.basis], _describe_end(score, upper=upper)) if part)
    return Judgement(margin >= 0, value, bound, margin, f"{value_text} ({basis}) is {place}")


def judge_change(difference: Score, allowed: float) -> Judgement:
    """Hold a difference, from the source model or from a baseline, against the change for the worse that is allowed.

    Non-inferiority: holds when the interval excludes a larger change, so for "higher is better" when its low end is not
    below −`allowed`, and for "lower is better" when its high end is not above `allowed`.

    Source: Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 308 (2012), 2594-2604.

    Args:
        difference: Variant minus reference, with an interval where there is one.
        allowed: Not below zero, in the difference's unit.
    """
    assert difference.value is not None
    drop = difference.direction == "higher"
    end = difference.low if drop else difference.high
    value, limit = difference.value if end is None else end, -allowed if drop else allowed
    margin = saturate(value - limit if drop else limit - value)
    unit = difference.unit
    worst, allowed_text = format_apart(abs(value), allowed, unit), format_exact(allowed, unit)
    interval = ", ".join(part for part in (_describe_interval(difference), BASIS_WORDS[difference.basis]) if part)
    word = "drop" if drop else "rise"
    if (value < 0) == drop and value != 0:
        reach = f"a {word} of {worst}" if end is None else f"a {word} of up to {worst} cannot be excluded"
        finding = reach if margin < 0 or end is None else f"at most a {word} of {worst}"
    else:
        finding = f"no {word}"
    return Judgement(margin >= 0, value, limit, margin, f"{finding} ({interval}); {allowed_text} is allowed")


def _describe_interval(difference: Score) -> str:
    if difference.low is None or difference.high is None or difference.confidence is None:
        return ""
    low, high = (format_number(end, difference.unit, signed=True) for end in (difference.low, difference.high))
    return f"{difference.confidence * 100:g} % interval {low} to {high}"


def _describe_end(score: Score, *, upper: bool) -> str:
    if score.confidence is None:
        return ""
    return f"{'high' if upper else 'low'} end of the {score.confidence * 100:g} % interval"

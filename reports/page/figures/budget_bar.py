"""Numbers against their limit: bars from zero, intervals as lines, the limit a post, on one axis a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.judging.verdicts import Verdict
from reports.page.figures.scale import Scale, span

WIDTH, HEIGHT = 300, 22
_EDGE = 4.0


@dataclass(frozen=True)
class BudgetBar:
    """Places along the bar, in pixels."""

    bar_x: float
    bar_width: float
    limit_x: float
    allowed_x: float
    allowed_width: float
    low_x: float | None
    high_x: float | None
    zero_x: float


def draw_budget_bars(verdicts: Sequence[Verdict]) -> tuple[BudgetBar | None, ...]:
    """One bar a verdict of the same budget; none where there is no number."""
    found = [end for verdict in verdicts for end in _numbers(verdict)]
    if not found:
        return tuple(None for _ in verdicts)
    scale = span([0.0, *found], start=_EDGE, end=WIDTH - _EDGE, floor=0.0 if min(found) >= 0 else None)
    return tuple(_draw(verdict, scale) if _numbers(verdict) else None for verdict in verdicts)


def _numbers(verdict: Verdict) -> list[float]:
    score = verdict.score
    if score is None or score.value is None or verdict.limit is None:
        return []
    return [end for end in (score.value, verdict.limit, score.low, score.high) if end is not None]


def _draw(verdict: Verdict, scale: Scale) -> BudgetBar:
    score, limit = verdict.score, verdict.limit
    assert score is not None and score.value is not None and limit is not None
    zero, value, limit_x = scale.place(0), scale.place(score.value), scale.place(limit)
    return BudgetBar(
        bar_x=min(zero, value),
        bar_width=round(max(abs(value - zero), 0.8), 1),
        limit_x=limit_x,
        allowed_x=_EDGE if verdict.upper else limit_x,
        allowed_width=round(limit_x - _EDGE if verdict.upper else WIDTH - _EDGE - limit_x, 1),
        low_x=scale.place(score.low) if score.low is not None else None,
        high_x=scale.place(score.high) if score.high is not None else None,
        zero_x=zero,
    )

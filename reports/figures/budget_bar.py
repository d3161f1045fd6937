"""A number against its limit: a bar from zero, the interval as a line, the limit as a post."""

from __future__ import annotations

from dataclasses import dataclass

from reports.budgets import Verdict
from reports.figures.scale import span

WIDTH, HEIGHT = 240, 22
_EDGE = 4.0


@dataclass(frozen=True)
class BudgetBar:
    """Places along the bar, in pixels of a 240 wide figure."""

    bar_x: float
    bar_width: float
    value_x: float
    limit_x: float
    allowed_x: float
    allowed_width: float
    low_x: float | None
    high_x: float | None
    zero_x: float


def draw_budget_bar(verdict: Verdict) -> BudgetBar | None:
    """The bar of a verdict, or none where there is no number."""
    score, limit = verdict.score, verdict.limit
    if score is None or score.value is None or limit is None or verdict.value is None or verdict.margin is None:
        return None
    ends = [end for end in (score.low, score.high) if end is not None]
    floor = 0.0 if min(score.value, limit, *ends) >= 0 else None
    scale = span([0.0, score.value, limit, *ends], start=_EDGE, end=WIDTH - _EDGE, floor=floor)
    zero, value, limit_x = scale.place(0), scale.place(score.value), scale.place(limit)
    below = (limit - verdict.value) * verdict.margin > 0 or (verdict.margin == 0 and limit >= 0)
    return BudgetBar(
        bar_x=min(zero, value),
        bar_width=round(max(abs(value - zero), 0.8), 1),
        value_x=value,
        limit_x=limit_x,
        allowed_x=_EDGE if below else limit_x,
        allowed_width=round(limit_x - _EDGE if below else WIDTH - _EDGE - limit_x, 1),
        low_x=scale.place(score.low) if score.low is not None else None,
        high_x=scale.place(score.high) if score.high is not None else None,
        zero_x=zero,
    )

"""By how much a number changed, as a bar from the middle: to the right what grew, to the left what fell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.figures.scale import Scale

WIDTH, HEIGHT = 140, 14
_LEAST = 0.05
"""a change of 5 % is half of the figure, where all are smaller"""
_MOST = 1.0
"""what at least doubled, or is gone, fills it"""


@dataclass(frozen=True)
class ChangeBar:
    """Places along the bar, in pixels."""

    x: float
    width: float
    low_x: float | None
    """of the interval, where there is one"""
    high_x: float | None
    is_cut: bool
    """whether the change is larger than the figure shows"""


def draw_change_bars(shares: Sequence[tuple[float, float | None, float | None] | None]) -> tuple[ChangeBar | None, ...]:
    """One bar a change, all on one scale.

    Args:
        shares: Of each the change as a share of what was before, and the ends of its interval; None has no bar.
    """
    largest = max((abs(one[0]) for one in shares if one is not None), default=_LEAST)
    reach = min(max(largest, _LEAST), _MOST)
    scale = Scale(-reach, reach, 1, WIDTH - 1)
    return tuple(None if one is None else _draw(one, scale, reach) for one in shares)


def _draw(share: tuple[float, float | None, float | None], scale: Scale, reach: float) -> ChangeBar:
    value, low, high = share
    middle, end = scale.place(0.0), scale.place(value)
    return ChangeBar(
        x=min(middle, end),
        width=round(max(abs(end - middle), 0.8), 1),
        low_x=None if low is None else scale.place(low),
        high_x=None if high is None else scale.place(high),
        is_cut=abs(value) > reach,
    )

"""The host's calls of one bundle as dots along an axis of milliseconds that all bundles share."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import Timing
from reports.page.figures.scale import Scale, stretch

WIDTH, HEIGHT = 420, 30
_MOST_DOTS = 200


@dataclass(frozen=True)
class CallTimes:
    """Dots and posts, in pixels."""

    dots: tuple[tuple[float, float], ...]
    p50_x: float | None
    p90_x: float | None
    left_out: int
    """calls that are not drawn"""


def share_axis(timings: list[Timing]) -> Scale:
    """The axis from zero to the slowest call of all bundles."""
    slowest = max((sample for timing in timings for sample in timing.samples_ns), default=0)
    return stretch(0, slowest / 1e6 * 1.04 or 1.0, start=4, end=WIDTH - 4)


def draw_call_times(timing: Timing, axis: Scale) -> CallTimes:
    """One bundle's calls; order is shown by height, first on top, so that warm-up and throttling can be seen."""
    shown = timing.samples_ns[:_MOST_DOTS]
    rows = max(len(shown) - 1, 1)
    dots = tuple((axis.place(sample / 1e6), round(3 + 24 * row / rows, 1)) for row, sample in enumerate(shown))
    p50, p90 = timing.p50_ms.value, timing.p90_ms.value
    return CallTimes(
        dots=dots,
        p50_x=axis.place(p50) if p50 is not None else None,
        p90_x=axis.place(p90) if p90 is not None else None,
        left_out=len(timing.samples_ns) - len(shown),
    )

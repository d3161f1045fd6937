"""A number over the runs: its values joined, their intervals as a band, and a post where it steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.history.runs import Run
from reports.history.trends import Trend
from reports.notation import format_number
from reports.page.figures.scale import Tick, span, stretch

WIDTH, HEIGHT = 300, 112
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 292, 12, 88


@dataclass(frozen=True)
class Post:
    """Where a step is."""

    x: float
    state: str
    label: str
    anchor: str


@dataclass(frozen=True)
class TrendLine:
    """A whole figure, in pixels."""

    path: str
    band: str
    """the intervals' outline; empty where a run has none"""
    dots: tuple[tuple[float, float], ...]
    posts: tuple[Post, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    last: str
    """the last run's number in words"""
    words: str
    """for those who do not see the figure"""
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM


def draw_trend_line(trend: Trend, runs: Sequence[Run]) -> TrendLine:
    """A trend's figure; the axis below counts runs, for commits are not evenly spaced in time.

    Args:
        trend: What is drawn.
        runs: All of the history, which all figures have on the same axis.
    """
    points = trend.points
    ends = [end for point in points for end in (point.low, point.high) if end is not None]
    y = span([*(point.value for point in points), *ends], start=_BOTTOM, end=_TOP)
    x = stretch(0.0, max(1.0, len(runs) - 1.0), start=_LEFT, end=_RIGHT)
    places = [(x.place(point.run), y.place(point.value)) for point in points]
    last = format_number(points[-1].value, trend.unit)
    posts = [
        Post(
            x=round((x.place(step.after_run) + x.place(step.at)) / 2, 1),
            state=step.state,
            label=step.commit[:7] if step.commit else f"run {step.at + 1}",
            anchor="end" if x.place(step.at) > (_LEFT + _RIGHT) / 2 else "start",
        )
        for step in trend.steps
    ]
    marks = dict.fromkeys((points[0].run, points[-1].run))
    return TrendLine(
        path="M" + "L".join(f"{px} {py}" for px, py in places),
        band=_outline(
            [
                (x.place(p.run), y.place(p.low), y.place(p.high))
                for p in points
                if p.low is not None and p.high is not None
            ]
        ),
        dots=tuple(places),
        posts=tuple(posts),
        y_ticks=tuple(Tick(y.place(tick), format_number(tick, trend.unit)) for tick in y.ticks(2)),
        x_ticks=tuple(Tick(x.place(run), runs[run].time.strftime("%Y-%m-%d")) for run in marks),
        last=last,
        words=f"{len(points)} runs, last {last}, {len(posts) or 'no'} step{'' if len(posts) == 1 else 's'}",
    )


def _outline(ends: list[tuple[float, float, float]]) -> str:
    if len(ends) < 2:
        return ""
    upper = [f"{x} {high}" for x, _, high in ends]
    lower = [f"{x} {low}" for x, low, _ in reversed(ends)]
    return "M" + "L".join([*upper, *lower]) + "Z"

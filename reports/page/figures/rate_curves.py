"""Curves of two rates, the source model's and the bundles' on the same axes: ROC, DET."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.chart_records import Mark, RateCurve
from reports.page.figures.rate_axis import RateAxis, stretch_axes
from reports.page.figures.scale import Tick

WIDTH, HEIGHT = 400, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 386, 12, 264
_APART = 1.0
"""pixels: lines that are nowhere farther apart cannot be told apart"""


@dataclass(frozen=True)
class PlacedMark:
    """A mark of one model, in pixels."""

    x: float
    y: float
    in_use: bool
    shown: bool
    """whether it lies within the figure"""


@dataclass(frozen=True)
class CurveLine:
    """One model's curve."""

    path: str
    """SVG; empty where another model's line is the same"""
    same_as: int | None
    """the place of that model's line"""
    marks: tuple[PlacedMark, ...]


@dataclass(frozen=True)
class RateFigure:
    """A whole figure, in pixels."""

    lines: tuple[CurveLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    none_at_edge: bool
    """whether the axis across begins with a place for none"""


def draw_rate_curves(curves: Sequence[RateCurve]) -> RateFigure:
    """The figure of curves of one kind, at least one; the first curve's axes hold for all."""
    x, y = stretch_axes(curves, (LEFT, RIGHT), (BOTTOM, TOP))
    lines: list[CurveLine] = []
    drawn: list[tuple[int, list[tuple[float, float]]]] = []
    for number, curve in enumerate(curves):
        places = [(x.place(across), y.place(upright)) for across, upright in curve.points]
        same = next((other for other, theirs in drawn if _are_one(places, theirs)), None)
        if same is None:
            drawn.append((number, places))
        marks = tuple(_place(mark, x, y) for mark in curve.marks)
        lines.append(CurveLine("" if same is not None else _path(places), same, marks))
    return RateFigure(tuple(lines), x.ticks, y.ticks, x.none_at_edge)


def _place(mark: Mark, x: RateAxis, y: RateAxis) -> PlacedMark:
    left, top = x.place(mark.at[0]), y.place(mark.at[1])
    # What is 0 lies beyond every end of an axis by probit, and is shown at it; what is nearly 1 is not.
    return PlacedMark(max(left, LEFT), min(top, BOTTOM), mark.in_use, shown=left <= RIGHT and top >= TOP)


def _path(places: list[tuple[float, float]]) -> str:
    """A line without the points at which it does not turn."""
    parts = [f"M{places[0][0]:g} {places[0][1]:g}"]
    for (x_before, y_before), (x, y) in itertools.pairwise(places):
        if x == x_before and y == y_before:
            continue
        parts.append(f"H{x:g}" if y == y_before else f"V{y:g}" if x == x_before else f"L{x:g} {y:g}")
    return "".join(parts)


def _are_one(places: list[tuple[float, float]], others: list[tuple[float, float]]) -> bool:
    """Whether two lines lie upon one another: every point of each is as near to the other as cannot be seen."""
    return places == others or (_is_along(places, others) and _is_along(others, places))


def _is_along(places: list[tuple[float, float]], line: list[tuple[float, float]]) -> bool:
    """Whether all points lie on a line; the search goes on from where the last point was found."""
    at = 0
    for place in places:
        ahead = itertools.chain(range(at, len(line) - 1), range(at))
        found = next((part for part in ahead if _distance(place, line[part], line[part + 1]) <= _APART), None)
        if found is None:
            return False
        at = found
    return True


def _distance(place: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    """From a place to the stretch between two others."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    share = ((place[0] - start[0]) * dx + (place[1] - start[1]) * dy) / length if length else 0.0
    share = min(max(share, 0.0), 1.0)
    return float(((place[0] - start[0] - share * dx) ** 2 + (place[1] - start[1] - share * dy) ** 2) ** 0.5)

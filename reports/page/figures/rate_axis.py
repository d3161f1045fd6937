"""An axis of a rate: linear, by logarithm with a place for none, or by probit as DET curves have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from evaluators.chart_records import Axis, Point, RateCurve
from reports.notation import format_exact
from reports.page.figures.scale import Scale, Tick, span_log, stretch

_NORMAL = NormalDist()
_SHARES = (0.0001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
_LEAST, _GREATEST = 1e-5, 1 - 1e-5
_LOW_ENDS = (0.0001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_HIGH_ENDS = (0.5, 0.7, 0.9, 0.97, 0.995)
"""where an axis by probit may end: the field draws it up to a half, since nobody ships what errs more"""
_NONE = math.sqrt(0.1)
"""of the least power of ten: the place of none on a logarithmic axis"""
_GREATEST_RATE = 1e12
_TICKS = 5
_ROOM = {True: 34.0, False: 13.0}
"""pixels from one label to the next, across and upright"""


@dataclass(frozen=True)
class RateAxis:
    """Where the values of a rate go."""

    kind: Axis
    scale: Scale
    none_at_edge: bool = False
    """whether what is none stands at the axis' beginning, which is no place for it"""

    def place(self, value: float) -> float:
        """Where a value goes, to a tenth of a pixel; beyond the ends of a probit axis it goes on."""
        if self.kind.scale != "probit":
            return self.scale.place(value)
        low, high, start, end = self.scale.low, self.scale.high, self.scale.start, self.scale.end
        return round(start + (_to_probit(value) - low) / (high - low) * (end - start), 1)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Labelled places; none so near to another that labels touch."""
        if self.kind.scale == "probit":
            within = [share for share in _SHARES if self.scale.low <= _to_probit(share) <= self.scale.high]
            found = [Tick(self.place(share), f"{share * 100:g} %") for share in within]
        else:
            found = [
                Tick(self.scale.place(value), format_exact(value, "dimensionless"))
                for value in self.scale.ticks(_TICKS)
            ]
        if self.none_at_edge:
            found = [Tick(self.scale.start, "0"), *found]
        room = _ROOM[self.scale.end > self.scale.start]
        if self.kind.scale == "probit":
            found.reverse()  # near a half there is the most room
        shown: list[Tick] = []
        for tick in found:
            if not shown or abs(tick.place - shown[-1].place) >= room:
                shown.append(tick)
        return tuple(shown)


def stretch_axes(
    curves: Sequence[RateCurve], across: tuple[float, float], upright: tuple[float, float]
) -> tuple[RateAxis, RateAxis]:
    """The axes on which all curves are shown.

    Args:
        curves: At least one; the first one's axes hold for all.
        across: Where the axis across begins and ends, in pixels.
        upright: Where the axis upright does.
    """
    first, points = curves[0], [point for curve in curves for point in curve.points]
    if first.across.scale == first.upright.scale == "probit":
        low, high = _find_probit_ends(curves, points)
        return RateAxis(first.across, Scale(low, high, *across)), RateAxis(first.upright, Scale(low, high, *upright))
    points += [mark.at for curve in curves for mark in curve.marks]
    xs, ys = zip(*points, strict=True)
    return _stretch(first.across, xs, across), _stretch(first.upright, ys, upright)


def _stretch(kind: Axis, values: Sequence[float], ends: tuple[float, float]) -> RateAxis:
    if kind.scale == "probit":
        return RateAxis(kind, Scale(_to_probit(_LOW_ENDS[0]), _to_probit(_HIGH_ENDS[-1]), *ends))
    if kind.scale == "logarithmic":
        above = [min(max(value, 1 / _GREATEST_RATE), _GREATEST_RATE) for value in values if value > 0] or [1.0]
        powers = span_log(above, start=ends[0], end=ends[1])
        none = min(values) <= 0
        low = powers.low * (_NONE if none else 1.0)
        return RateAxis(kind, Scale(low, powers.high, *ends, logarithmic=True), none_at_edge=none)
    high = 1.0 if kind.unit == "ratio" else min(max(values), _GREATEST_RATE) or 1.0
    return RateAxis(kind, stretch(0.0, high, start=ends[0], end=ends[1]))


def _find_probit_ends(curves: Sequence[RateCurve], points: Sequence[Point]) -> tuple[float, float]:
    """The same for both axes, as the field has it: the corner in which both rates are small.

    Marks where the product works are shown in any case; of others the lesser rate is: where both are equal that shows
    them, while one where one rate is nearly 1 would leave no room for the rest.
    """
    marks = [mark for curve in curves for mark in curve.marks]
    most = max((max(mark.at) if mark.in_use else min(mark.at) for mark in marks), default=0.0)
    high = next((share for share in _HIGH_ENDS if share > most), _GREATEST)
    shown = [value for point in points if max(point) <= high for value in point if value > 0]
    least = min(shown, default=_LOW_ENDS[-1])
    low = max((share for share in _LOW_ENDS if share <= least), default=_LOW_ENDS[0])
    return _to_probit(low), _to_probit(high)


def _to_probit(share: float) -> float:
    return _NORMAL.inv_cdf(min(max(share, _LEAST), _GREATEST))

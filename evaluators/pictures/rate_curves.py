"""Curves of two rates over all thresholds, ROC and DET, made of arrays and thinned to what a figure can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluators.chart_records import Axis, Mark, Point, RateCurve

Floats = npt.NDArray[np.float64]

STRETCHES = 200
"""into which a curve's length is divided, of each of which the first and the last point stay: no point that is left out
lies farther from the curve that is drawn than twice an axis' length over them, 1 %"""
LEAST_SHARE = 1e-4
"""where an axis by probit ends, since 0 and 1 lie infinitely far out"""
_LEAST_RATE = 1e-3
"""per hour: less than one in a month"""
_DIGITS = 6


@dataclass(frozen=True)
class Frame:
    """What every model's curve of one kind has in common."""

    name: str
    across: Axis
    upright: Axis
    note: str = ""


def make_curve(
    frame: Frame, across: Floats, upright: Floats, *, marks: Sequence[Mark] = (), keep: Sequence[int] = ()
) -> RateCurve:
    """A curve, thinned.

    Args:
        frame: What it is.
        across: `(points,)`, in the order of the thresholds, at least two.
        upright: `(points,)`, of the same thresholds.
        marks: Places with a meaning.
        keep: Points that stay whatever is thinned.
    """
    chosen = thin(warp(across, frame.across), warp(upright, frame.upright), keep=keep)
    points = [make_point(across[place], upright[place]) for place in chosen]
    apart = [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]
    return RateCurve(
        name=frame.name,
        across=frame.across,
        upright=frame.upright,
        points=tuple(apart if len(apart) > 1 else points[:2]),
        marks=tuple(marks),
        note=frame.note,
    )


def make_point(across: float, upright: float) -> Point:
    """A place on a curve, in the digits that an evaluation holds."""
    return round(float(across), _DIGITS), round(float(upright), _DIGITS)


def warp(values: Floats, axis: Axis) -> Floats:
    """Where values lie along an axis, in its own scale; the least and the greatest of what it can show are 1 apart."""
    if axis.scale == "probit":
        from scipy.special import ndtri

        shown = np.clip(values, LEAST_SHARE, 1 - LEAST_SHARE)
        return np.asarray(ndtri(shown) / (2 * ndtri(1 - LEAST_SHARE)), np.float64)
    if axis.scale == "logarithmic":
        values = np.log10(np.maximum(values, _LEAST_RATE))
    width = float(values.max() - values.min())
    return np.asarray(values / (width or 1.0), np.float64)


def thin(across: Floats, upright: Floats, *, keep: Sequence[int] = ()) -> list[int]:
    """Which points of a curve stay: the ends, those of `keep`, and the first and the last of each stretch of it.

    Where there are no more points than that may be, all stay.

    Args:
        across: `(points,)`, in units of the axis' length.
        upright: `(points,)`, likewise.
        keep: Points that stay in any case.
    """
    if len(across) <= 2 * STRETCHES:
        return list(range(len(across)))
    steps = np.abs(np.diff(across)) + np.abs(np.diff(upright))
    walked = np.append(0.0, steps.cumsum())
    stretch = np.minimum(walked / (walked[-1] or 1.0) * STRETCHES, STRETCHES - 1).astype(np.int64)
    turns = np.flatnonzero(np.diff(stretch))
    return sorted({0, len(across) - 1, *turns.tolist(), *(turns + 1).tolist(), *keep})

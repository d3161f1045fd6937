"""Numbers read off a curve as it is stored."""

from __future__ import annotations

import itertools

import numpy as np

from evaluators.chart_records import RateCurve


def area_under(curve: RateCurve) -> float:
    """By trapezia."""
    across, upright = np.array(curve.points).T
    return float((np.diff(across) * (upright[1:] + upright[:-1]) / 2).sum())


def find_equal(curve: RateCurve) -> float:
    """Where both rates are the same, on the straight line between two points."""
    for (x, y), (next_x, next_y) in itertools.pairwise(curve.points):
        if y >= x and next_y <= next_x:
            gap, next_gap = y - x, next_y - next_x
            return y + (gap / (gap - next_gap) if gap != next_gap else 0.0) * (next_y - y)
    raise AssertionError("the rates never meet")

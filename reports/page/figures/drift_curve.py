"""The error that is left when ever longer prefixes of the program are put right, along its ops."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from evaluators.drift_records import Drift
from reports.notation import format_exact
from reports.page.figures.scale import Scale, Tick, span, span_log

WIDTH, HEIGHT = 760, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 744, 22, 206
_LOG_FROM = 50.0
_MOST_POINTS = 2000
"""even; about three a pixel"""


@dataclass(frozen=True)
class DriftCurve:
    """A whole figure, in pixels."""

    line: str
    """SVG path of the curve"""
    limit_y: float | None
    over: str | None
    """SVG path of the area where the error is above the limit"""
    first: tuple[float, float, int] | None
    """place of the op at which the departure starts, and its number from 1"""
    worst: tuple[float, float, int] | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    logarithmic: bool
    top: float = _TOP
    bottom: float = _BOTTOM


def draw_drift_curve(drift: Drift, limit: float | None) -> DriftCurve | None:
    """The figure, or none where there are no ops or there is no error.

    Args:
        drift: What was found.
        limit: The budget on max_abs_error, where there is one.
    """
    errors = [drift.output_error, *(step.error_after for step in drift.steps)]
    if not drift.steps or max(errors) <= 0:
        return None
    x = Scale(0, len(drift.steps), _LEFT, _RIGHT)
    y = _error_scale(errors, limit)
    places = [(x.place(number), y.place(errors[number])) for number in _choose_points(errors)]
    limit_y = y.place(limit) if limit else None
    spots = {op: _spot(drift, op, x, y) for op in (drift.first_op, drift.worst_op)}
    return DriftCurve(
        line=_steps(places),
        limit_y=limit_y,
        over=_area_over(places, limit_y) if limit_y is not None else None,
        first=spots[drift.first_op],
        worst=spots[drift.worst_op],
        x_ticks=tuple(Tick(x.place(tick), f"{tick:.0f}") for tick in x.ticks(6) if float(tick).is_integer()),
        y_ticks=tuple(Tick(y.place(tick), format_exact(tick, "dimensionless")) for tick in y.ticks(4)),
        logarithmic=y.logarithmic,
    )


def _error_scale(errors: list[float], limit: float | None) -> Scale:
    shown = [*errors, *([limit] if limit else [])]
    above = [error for error in shown if error > 0]
    if max(above) / min(above) > _LOG_FROM:
        return span_log(above, start=_BOTTOM, end=_TOP)
    return span([0.0, *shown], start=_BOTTOM, end=_TOP, floor=0.0)


def _steps(places: list[tuple[float, float]]) -> str:
    """A path that goes down where an op is put right, without the points at which nothing changes."""
    parts, last_x, last_y = [f"M{places[0][0]} {places[0][1]}"], places[0][0], places[0][1]
    for x, y in places[1:]:
        if y != last_y:
            parts.append(f"H{x}V{y}" if x != last_x else f"V{y}")
            last_x, last_y = x, y
    if places[-1][0] != last_x:
        parts.append(f"H{places[-1][0]}")
    return "".join(parts)


def _area_over(places: list[tuple[float, float]], limit_y: float) -> str | None:
    """The area between the curve and the limit; y grows downwards."""
    if all(y >= limit_y for _, y in places):
        return None
    lifted = [(x, min(y, limit_y)) for x, y in places]
    return f"{_steps(lifted)}V{limit_y}H{places[0][0]}Z"


def _choose_points(errors: list[float]) -> list[int]:
    """All points, or of each of many stretches the least and the greatest, so that no spike is lost."""
    if len(errors) <= _MOST_POINTS:
        return list(range(len(errors)))
    edges = [len(errors) * part // (_MOST_POINTS // 2) for part in range(_MOST_POINTS // 2 + 1)]
    chosen = {0, len(errors) - 1}
    for start, end in itertools.pairwise(edges):
        chosen |= {min(range(start, end), key=errors.__getitem__), max(range(start, end), key=errors.__getitem__)}
    return sorted(chosen)


def _spot(drift: Drift, op: str, x: Scale, y: Scale) -> tuple[float, float, int] | None:
    number = next((number for number, step in enumerate(drift.steps, start=1) if step.op == op), None)
    return None if number is None else (x.place(number), y.place(drift.steps[number - 1].error_after), number)

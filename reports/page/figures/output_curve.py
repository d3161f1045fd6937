"""An output with one value a frame over a clip: the source model's as a thin line upon the bundle's broad one."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.picture_records import Curve
from reports.notation import format_exact, format_number
from reports.page.figures.scale import Scale, Tick, span, stretch

WIDTH, HEIGHT = 340, 84
_MOST_VALUES = 1000


@dataclass(frozen=True)
class OutputCurve:
    """Two SVG paths, time from left to right."""

    output: str
    reference: str
    estimate: str
    low: str
    """the least value drawn, in words"""
    high: str
    thresholds: tuple[Tick, ...] = ()
    """where something is decided"""


def draw_output_curve(reference: Curve, estimate: Curve, duration_s: float) -> OutputCurve | None:
    """The figure, or none where there is no number at all."""
    curves = [curve.model_copy(update={"values": curve.values[:_MOST_VALUES]}) for curve in (reference, estimate)]
    found = [value for curve in curves for value in curve.values if value is not None]
    if not found or duration_s <= 0:
        return None
    time = stretch(0, duration_s, start=1, end=WIDTH - 1)
    marks = estimate.thresholds
    # What a probability could be is seen too; a threshold far from all values would flatten them.
    whole = (
        (0.0, 1.0) if estimate.meaning == "probability" and all(0 <= value <= 1 for value in (*found, *marks)) else ()
    )
    height = span([*found, *whole], start=HEIGHT - 2, end=2, pad=0.04)
    return OutputCurve(
        output=reference.output,
        reference=_path(curves[0], time, height),
        estimate=_path(curves[1], time, height),
        low=format_number(min(found), "dimensionless"),
        high=format_number(max(found), "dimensionless"),
        thresholds=tuple(
            Tick(height.place(mark), format_exact(mark, "dimensionless"))
            for mark in marks
            if height.low <= mark <= height.high
        ),
    )


def _path(curve: Curve, time: Scale, height: Scale) -> str:
    """A line that breaks where the output is not a number."""
    parts, pen = [], "M"
    for number, value in enumerate(curve.values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{time.place(curve.start_s + number * curve.step_s):g} {height.place(value):g}")
        pen = "L"
    return "".join(parts)

"""Stretches of a clip, a lane each label: those of the labels as outlines, those that the bundle found filled in."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.picture_records import Span
from reports.page.figures.scale import Scale, stretch

WIDTH = 340
LANE_HEIGHT = 16
_MOST_LANES = 8
_MOST_SPANS = 400


@dataclass(frozen=True)
class SpanLanes:
    """Two SVG paths, time from left to right."""

    reference: str
    estimate: str
    labels: tuple[str, ...]
    """of the lanes, from the top down"""
    height: int
    left_out: int
    """spans that are not drawn"""


def draw_span_lanes(reference: tuple[Span, ...], estimate: tuple[Span, ...], duration_s: float) -> SpanLanes | None:
    """The lanes, or none where there is no span at all."""
    labels = tuple(dict.fromkeys(one.label for one in (*reference, *estimate)))[:_MOST_LANES]
    if not labels or duration_s <= 0:
        return None
    time = stretch(0, duration_s, start=1, end=WIDTH - 1)
    sides = [[one for one in side if one.label in labels][:_MOST_SPANS] for side in (reference, estimate)]
    paths = [_path(side, labels, time) for side in sides]
    left_out = len(reference) + len(estimate) - sum(len(side) for side in sides)
    return SpanLanes(paths[0], paths[1], labels, LANE_HEIGHT * len(labels), left_out)


def _path(spans: list[Span], labels: tuple[str, ...], time: Scale) -> str:
    parts = []
    for one in spans:
        left, top = time.place(one.start_s), LANE_HEIGHT * labels.index(one.label) + 3
        width = max(time.place(one.end_s) - left, 0.8)
        parts.append(f"M{left:g} {top}h{width:.3g}v{LANE_HEIGHT - 6}h-{width:.3g}z")
    return "".join(parts)

"""What was active when: labels, source and bundle as strips of one width, and strips of where the bundle differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evaluators.picture_records import Pictures, Span
from reports.page.figures.scale import Scale, stretch

WIDTH, HEIGHT = 480, 14
_MOST_LABELS = 3
"""with more, the lanes of `span_lanes` take less room"""
_MOST_SPANS = 200
_LEAST = 1.5

Interval = tuple[float, float]


@dataclass(frozen=True)
class Strip:
    """One row."""

    label: str
    side: Literal["labels", "source", "bundle", "not labels", "not source"]
    path: str
    count: int
    """stretches in it"""

    @property
    def differs(self) -> bool:
        """Whether it tells a difference."""
        return self.side.startswith("not ")


@dataclass(frozen=True)
class ActivityStrips:
    """All rows, those of one label after another."""

    strips: tuple[Strip, ...]
    left_out: int
    """stretches that are not drawn"""


def draw_activity_strips(
    labels: Pictures, source: Pictures | None, estimate: Pictures, duration_s: float
) -> ActivityStrips | None:
    """The strips, or none where there is no stretch at all, or too many labels.

    Args:
        labels: What is drawn of the clip's labels.
        source: What is drawn of what the source model made of it.
        estimate: The same of the bundle.
        duration_s: The clip's length.
    """
    sides = {"labels": labels, "bundle": estimate} | ({} if source is None else {"source": source})
    known = {side: drawn.spans for side, drawn in sides.items() if drawn.spans is not None}
    names = list(dict.fromkeys(span.label for spans in known.values() for span in spans))
    if not names or len(names) > _MOST_LABELS or duration_s <= 0:
        return None
    time = stretch(0, duration_s, start=0, end=WIDTH)
    kept = {side: spans[:_MOST_SPANS] for side, spans in known.items()}
    strips = [strip for name in names for strip in _draw_label(name, kept, time, moments=estimate.moments)]
    return ActivityStrips(tuple(strips), sum(len(known[side]) - len(kept[side]) for side in known))


def _draw_label(name: str, sides: dict[str, tuple[Span, ...]], time: Scale, *, moments: bool) -> list[Strip]:
    found = {
        side: merge([(span.start_s, span.end_s) for span in spans if span.label == name])
        for side, spans in sides.items()
    }
    rows: dict[Literal["labels", "source", "bundle", "not labels", "not source"], list[Interval]] = {}
    for side in ("labels", "source", "bundle"):
        if side in found:
            rows[side] = found[side]
    bundle = found["bundle"]
    # A moment is not as long as what it is the moment of.
    if "labels" in found and not moments:
        rows["not labels"] = differ(found["labels"], bundle)
    if "source" in found:
        rows["not source"] = differ_moments(found["source"], bundle) if moments else differ(found["source"], bundle)
    return [Strip(name, side, _path(intervals, time), len(intervals)) for side, intervals in rows.items()]


def merge(intervals: list[Interval]) -> list[Interval]:
    """In order, none touching another."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def differ(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Where exactly one of two sides is active; both in order, none touching another."""
    edges = sorted([edge for interval in (*one, *other) for edge in interval])
    # Each edge turns one side on or off, so that the sides differ between every second pair of them.
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pairs if end > start]


def differ_moments(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Those of either side that meet none of the other's."""

    def lone(these: list[Interval], those: list[Interval]) -> list[Interval]:
        return [(a, b) for a, b in these if not any(a <= end and start <= b for start, end in those)]

    return sorted([*lone(one, other), *lone(other, one)])


def _path(intervals: list[Interval], time: Scale) -> str:
    parts = []
    for start, end in intervals:
        left = time.place(start)
        width = max(time.place(end) - left, _LEAST)
        parts.append(f"M{left:g} 1h{width:.4g}v{HEIGHT - 2}h-{width:.4g}z")
    return "".join(parts)

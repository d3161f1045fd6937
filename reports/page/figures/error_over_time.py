"""How near bundles stay to their source over minutes: one line a bundle, its letter at the end.

Second by second the audio moves an error by tens of dB, in which no trend can be seen; a point is the mean power of the
errors of a twelfth of a round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluators.comparing.over_time import pool_db
from evaluators.long_run_records import StreamPlan
from reports.notation import format_exact
from reports.page.figures.scale import Tick, span, stretch

WIDTH, HEIGHT = 760, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 722, 22, 226
_LETTER = 13.0
"""height of a letter"""
MOST_LINES = 16
_POINTS = 12
"""of a round"""


@dataclass(frozen=True)
class OverTime:
    """What a bundle brings to the figure."""

    key: str
    name: str
    snr_db: Sequence[float | None]
    is_faulty: bool


@dataclass(frozen=True)
class Line:
    """A bundle in the figure, in pixels."""

    key: str
    name: str
    path: str
    """gaps where there is no number"""
    label_y: float
    is_faulty: bool


@dataclass(frozen=True)
class ErrorOverTime:
    """A whole figure."""

    lines: tuple[Line, ...]
    silence: tuple[float, float] | None
    """left and right end"""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bottom: float = _BOTTOM
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP


def draw_error_over_time(bundles: Sequence[OverTime], plan: StreamPlan) -> ErrorOverTime | None:
    """The figure, or none where there is no number.

    Args:
        bundles: Those that are shown, `MOST_LINES` at most.
        plan: What was heard.
    """
    shares = list(_share(plan))
    pooled = [[pool_db(bundle.snr_db[first:after]) for first, after in shares] for bundle in bundles[:MOST_LINES]]
    values = [db for points in pooled for db in points if db is not None]
    if not values:
        return None
    minutes = plan.stretch_s / 60
    x = stretch(0.0, plan.count * minutes, start=_LEFT, end=_RIGHT)
    y = span(values, start=_BOTTOM, end=_TOP)
    lines, ends = [], []
    for bundle, points in zip(bundles, pooled, strict=False):
        places = [
            None if db is None else (x.place((first + after) / 2 * minutes), y.place(db))
            for (first, after), db in zip(shares, points, strict=True)
        ]
        known = [place for place in places if place is not None]
        if known:
            lines.append((bundle, _join(places)))
            ends.append(known[-1][1])
    shown = zip(lines, _spread(ends), strict=True)
    silent = (plan.round_stretches * minutes, plan.second * minutes)
    return ErrorOverTime(
        lines=tuple(Line(b.key, b.name, path, label_y, b.is_faulty) for (b, path), label_y in shown),
        silence=(x.place(silent[0]), x.place(silent[1])) if plan.silent_windows else None,
        x_ticks=tuple(Tick(x.place(tick), format_exact(tick, "min")) for tick in x.ticks(6)),
        y_ticks=tuple(Tick(y.place(tick), format_exact(tick, "db")) for tick in y.ticks(5)),
    )


def _share(plan: StreamPlan) -> Iterator[tuple[int, int]]:
    """Stretches that are one point, from the first to the one after the last; none is of two parts of the run."""
    step = max(1, plan.round_stretches // _POINTS)
    for start, end in ((0, plan.round_stretches), (plan.round_stretches, plan.second), (plan.second, plan.count)):
        count = max(1, (end - start) // step) if end > start else 0
        for number in range(count):
            yield start + (end - start) * number // count, start + (end - start) * (number + 1) // count


def _join(places: Sequence[tuple[float, float] | None]) -> str:
    parts, pen = [], "M"
    for place in places:
        if place is None:
            pen = "M"
            continue
        parts.append(f"{pen}{place[0]} {place[1]}")
        pen = "L"
    return "".join(parts)


def _spread(ends: Sequence[float]) -> list[float]:
    """Heights for letters, none nearer to another than a letter is high, as near to their lines as that allows."""
    order = sorted(range(len(ends)), key=lambda place: ends[place])
    places = [0.0] * len(ends)
    last = float("-inf")
    for place in order:
        last = places[place] = max(ends[place], last + _LETTER)
    over = max(places, default=0.0) - (_BOTTOM + _LETTER)
    if over > 0:
        last = float("inf")
        for place in reversed(order):
            last = places[place] = min(places[place], _BOTTOM + _LETTER, last - _LETTER)
    return [round(place, 1) for place in places]

"""Accuracy against what it costs: one mark a bundle, and the line of those that nothing beats on both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from evaluators.score import Score
from packager.bundle import Format
from reports.notation import format_exact
from reports.page.figures.scale import Scale, Tick, span

WIDTH, HEIGHT = 400, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 384, 14, 226
_NEAR = 13.0
_MOST_LETTERS = 16
_PLACES = ((12, 4), (-12, 4), (0, -10), (0, 18), (11, -6), (-11, 14), (11, 14), (-11, -6))


@dataclass(frozen=True)
class Candidate:
    """What a bundle brings to the figure."""

    key: str
    name: str
    format: Format
    cost: Score
    accuracy: Score
    holds: bool = True
    """whether it breaks nothing that blocks a release; what does is never among the best"""
    covered: bool = True
    """whether any budget says how good it must be; without one it is among the best only where none says it of any"""


@dataclass(frozen=True)
class Mark:
    """A bundle in the figure, in pixels."""

    key: str
    name: str
    format: Format
    x: float
    y: float
    label_x: float
    label_y: float
    across: tuple[float, float] | None
    """left and right end of the cost's interval"""
    upright: tuple[float, float] | None
    """bottom and top of the accuracy's interval"""
    best: bool
    """no other bundle that holds is at least as good on both and better on one"""
    holds: bool
    covered: bool
    shape: int
    """which of the format's signs: the format's place among those in the figure"""


@dataclass(frozen=True)
class Frontier:
    """A whole figure."""

    title: str
    cost_label: str
    accuracy_label: str
    marks: tuple[Mark, ...]
    line: str
    """SVG path through the best marks"""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    formats: tuple[str, ...]
    """those in the figure, in the order of their signs"""
    is_lower_better: bool = False
    """whether the more accurate bundles are further down, as with an error rate"""

    @property
    def has_uncovered(self) -> bool:
        """Whether there are marks of bundles for which no budget says anything."""
        return any(not mark.covered for mark in self.marks)

    @property
    def crowded(self) -> bool:
        """Whether letters of all marks would lie upon one another."""
        return len(self.marks) > _MOST_LETTERS


def order_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Formats in the order of their signs, the same in all figures of a page."""
    return tuple(sorted(set(names), reverse=True))


def draw_frontier(
    title: str, candidates: list[Candidate], *, cost_label: str, accuracy_label: str, formats: tuple[str, ...] = ()
) -> Frontier | None:
    """The figure, or none where fewer than two bundles have both numbers.

    Args:
        title: Of the figure.
        candidates: The bundles.
        cost_label: What lies along the axis across.
        accuracy_label: What lies along the axis upright.
        formats: In the order of their signs; else those of the candidates.
    """
    shown = [item for item in candidates if item.cost.value is not None and item.accuracy.value is not None]
    if len(shown) < 2:
        return None
    x = span([end for item in shown for end in _ends(item.cost)], start=_LEFT, end=_RIGHT, floor=0.0)
    y = span([end for item in shown for end in _ends(item.accuracy)], start=_BOTTOM, end=_TOP)
    places = [(x.place(item.cost.value or 0), y.place(item.accuracy.value or 0)) for item in shown]
    labels: list[tuple[float, float]] = []
    formats = formats or order_formats(item.format for item in shown)
    marks = []
    for number, (item, best) in enumerate(zip(shown, _find_best(shown), strict=True)):
        label = places[number]
        if best or len(shown) <= _MOST_LETTERS:
            label = _place_label(label, [*places[:number], *places[number + 1 :], *labels])
            labels.append(label)
        mark = _mark(item, places[number], label, (x, y), best=best)
        marks.append(replace(mark, shape=formats.index(item.format)))
    return Frontier(
        title=title,
        cost_label=cost_label,
        accuracy_label=accuracy_label,
        marks=tuple(marks),
        line=_step_line([mark for mark in marks if mark.best]),
        x_ticks=tuple(Tick(x.place(tick), format_exact(tick, shown[0].cost.unit)) for tick in x.ticks(4)),
        formats=formats,
        is_lower_better=shown[0].accuracy.direction == "lower",
        y_ticks=tuple(Tick(y.place(tick), format_exact(tick, shown[0].accuracy.unit)) for tick in y.ticks(5)),
    )


def _mark(
    item: Candidate, at: tuple[float, float], label: tuple[float, float], scales: tuple[Scale, Scale], *, best: bool
) -> Mark:
    return Mark(
        key=item.key,
        name=item.name,
        format=item.format,
        x=at[0],
        y=at[1],
        label_x=label[0],
        label_y=label[1],
        across=_interval(item.cost, scales[0]),
        upright=_interval(item.accuracy, scales[1]),
        best=best,
        holds=item.holds,
        covered=item.covered,
        shape=0,
    )


def _place_label(at: tuple[float, float], taken: list[tuple[float, float]]) -> tuple[float, float]:
    places = [(round(at[0] + dx, 1), round(at[1] + dy, 1)) for dx, dy in _PLACES]

    def room(place: tuple[float, float]) -> float:
        nearest = min((abs(place[0] - x) + abs(place[1] - 4 - y) for x, y in taken), default=_NEAR)
        return min(nearest, _NEAR)

    return max(places, key=room)


def _ends(score: Score) -> list[float]:
    return [end for end in (score.value, score.low, score.high) if end is not None]


def _interval(score: Score, scale: Scale) -> tuple[float, float] | None:
    if score.low is None or score.high is None:
        return None
    return scale.place(score.low), scale.place(score.high)


def _find_best(shown: list[Candidate]) -> list[bool]:
    """Of each, whether it holds and no other that does is at least as good on both and better on one."""
    pairs = [(item.cost.goodness or 0.0, item.accuracy.goodness or 0.0) for item in shown]
    may_ship = [item.holds and (item.covered or not any(one.covered for one in shown)) for item in shown]
    holding = [pair for pair, may in zip(pairs, may_ship, strict=True) if may]
    return [
        may and not any(a >= cost and b >= accuracy and (a, b) != (cost, accuracy) for a, b in holding)
        for (cost, accuracy), may in zip(pairs, may_ship, strict=True)
    ]


def _step_line(marks: list[Mark]) -> str:
    ordered = sorted(marks, key=lambda mark: (mark.x, mark.y))
    if len(ordered) < 2:
        return ""
    rest = "".join(f"H{mark.x}V{mark.y}" for mark in ordered[1:])
    return f"M{ordered[0].x} {ordered[0].y}{rest}"

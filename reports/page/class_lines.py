"""What became of each class: the source model beside the bundles, the largest loss first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.chart_records import ClassMeasure, ClassTable
from evaluators.score import Direction

MOST_LINES = 40
_LEAST = 0.0005
"""what rounds to a thousandth"""


@dataclass(frozen=True)
class ClassCell:
    """One measure of one model on one class."""

    value: float | None
    change: float | None
    """against the first model"""
    worst: bool
    """whether no other model lost more on this class, by this measure"""


@dataclass(frozen=True)
class ClassLine:
    """A class under every model."""

    name: str
    clips: int
    cells: tuple[tuple[ClassCell, ...], ...]
    """by measure, by model"""
    loss: float
    """the largest of all models against the first, by the first measure; 0 where none lost"""


@dataclass(frozen=True)
class ClassLines:
    """The classes that are shown."""

    keys: tuple[str | None, ...]
    """of the models; none is the source model"""
    measures: tuple[tuple[str, Direction], ...]
    lines: tuple[ClassLine, ...]
    left_out: int
    """classes with smaller losses that are not shown"""
    not_stored: int
    """classes that the evaluation does not hold"""
    compared: bool
    """whether there is more than one model"""


def list_classes(tables: Sequence[tuple[str | None, ClassTable]]) -> ClassLines | None:
    """The classes: the largest loss against the first model first, then the worst.

    Args:
        tables: Of each model its key, none for the source model, and its table; those of other classes or measures than
            the first one's cannot be compared and are left out.
    """
    if not tables or not tables[0][1].classes or not tables[0][1].measures:
        return None
    first = tables[0][1]
    told = [(key, table) for key, table in tables if _is_alike(table, first)]
    lines = [_make_line(first, [table for _, table in told], place) for place in range(len(first.classes))]
    sign = 1.0 if first.measures[0].direction == "higher" else -1.0

    def order(line: ClassLine) -> tuple[float, float]:
        value = line.cells[0][0].value
        return -line.loss, float("inf") if value is None else sign * value

    ordered = sorted(lines, key=order)
    return ClassLines(
        keys=tuple(key for key, _ in told),
        measures=tuple((measure.name, measure.direction) for measure in first.measures),
        lines=tuple(ordered[:MOST_LINES]),
        left_out=max(0, len(lines) - MOST_LINES),
        not_stored=first.left_out,
        compared=len(told) > 1,
    )


def _is_alike(table: ClassTable, other: ClassTable) -> bool:
    return (table.classes, [_kind(one) for one in table.measures]) == (
        other.classes,
        [_kind(one) for one in other.measures],
    )


def _kind(measure: ClassMeasure) -> tuple[str, Direction]:
    return measure.name, measure.direction


def _make_line(first: ClassTable, tables: Sequence[ClassTable], place: int) -> ClassLine:
    cells = tuple(
        _make_cells([table.measures[number].values[place] for table in tables], measure.direction)
        for number, measure in enumerate(first.measures)
    )
    sign = 1.0 if first.measures[0].direction == "higher" else -1.0
    losses = [-sign * cell.change for cell in cells[0] if cell.change is not None]
    return ClassLine(first.classes[place], first.clips[place], cells, max([0.0, *losses]))


def _clear(change: float) -> float:
    """A change, without what is too little to be told."""
    return change if abs(change) >= _LEAST else 0.0


def _make_cells(values: Sequence[float | None], direction: Direction) -> tuple[ClassCell, ...]:
    own, sign = values[0], 1.0 if direction == "higher" else -1.0
    changes = [
        None if number == 0 or value is None or own is None else _clear(value - own)
        for number, value in enumerate(values)
    ]
    least = min((sign * change for change in changes if change is not None), default=0.0)
    return tuple(
        ClassCell(value, change, worst=change is not None and least < 0 and sign * change == least)
        for value, change in zip(values, changes, strict=True)
    )

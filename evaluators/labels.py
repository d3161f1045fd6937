"""Labels of a dataset's line, read strictly: what is wrong with any row is told, each in one line of a message."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import pydantic

from device_profiles.record import suggest
from device_profiles.text import shorten
from evaluators.errors import EvaluationError

_SHOWN = 60


def _refuse_twins(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"names a class twice: {', '.join(twice[:5])}")
    return names


ClassNames = Annotated[
    tuple[Annotated[str, pydantic.Field(min_length=1)], ...],
    pydantic.Field(max_length=20_000),
    pydantic.AfterValidator(_refuse_twins),
]
"""what an output's columns stand for, in their order"""


def read_rows(
    rows: Any, fault_of: Callable[[Any, Sequence[Any]], str | None], *, key: str, form: str, where: str
) -> list[Any]:
    """Read labels that are a list of rows.

    Args:
        rows: What the line holds.
        fault_of: Says what is wrong with a row, given the good rows before it; None where nothing is.
        key: The rows' key in the line.
        form: A row as it is written, for messages.
        where: How messages name the line.

    Raises:
        EvaluationError: It is no list, or rows are at fault; one line a fault.
    """
    if not isinstance(rows, list):
        raise EvaluationError(f"{where}: {key} must be a list of {form}; found {show(rows)}")
    faults: list[str] = []
    good: list[Any] = []
    for index, row in enumerate(rows):
        fault = fault_of(row, good)
        if fault:
            faults.append(f"{where}: {key}[{index}]: {fault}")
        else:
            good.append(row)
    if faults:
        raise EvaluationError("\n".join(faults))
    return good


def is_number(value: Any) -> bool:
    """Whether it is a finite number; true and false are none."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def are_numbers(row: Any, count: int) -> bool:
    """Whether it is a list of so many finite numbers."""
    return isinstance(row, list) and len(row) == count and all(is_number(value) for value in row)


def find_place_fault(start_s: float, end_s: float, duration_s: float) -> str | None:
    """What is wrong with where a label lies in its clip; None where nothing is."""
    if start_s >= 0 and end_s <= duration_s:
        return None
    place = f"{start_s} s" if start_s == end_s else f"{start_s} s to {end_s} s"
    return f"{place} lies outside the clip, which is {duration_s:.6g} s long"


def find_class(value: Any, columns: Mapping[str, int]) -> int | str:
    """The column of a class that a label names, or what is wrong with it.

    Args:
        value: The class.
        columns: Of each name, the output's column; where there is none, classes are numbers of columns, from 0.
    """
    if not columns:
        if type(value) is int and value >= 0:
            return value
        return f"must be the number of a column, from 0, since no classes are named; found {shorten(repr(value))}"
    if not isinstance(value, str):
        return f"must be the name of a class; found {shorten(repr(value))}"
    if value not in columns:
        hint = suggest(value, columns) or "; task.options.classes names them"
        return f"no class {shorten(repr(value))}{hint}"
    return columns[value]


def check_column(column: int, columns: int, output: str) -> None:
    """Refuse a label that names a column which the output has not.

    Raises:
        EvaluationError: There is no such column.
    """
    if column >= columns:
        raise EvaluationError(f"a label names column {column} where output '{output}' has {columns}, counted from 0")


def show(value: Any) -> str:
    """The beginning of a value, for messages."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

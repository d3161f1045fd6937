"""Labels of a dataset's line, read strictly: what is wrong with any row is told, each in one line of a message."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from evaluators.errors import EvaluationError

_SHOWN = 60


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


def show(value: Any) -> str:
    """The beginning of a value, for messages."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

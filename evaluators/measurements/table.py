"""A CSV of measured times: columns file, unit, threads, ms, and where wanted runtime and signature."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

from device_profiles.record import MOST_FAULTS, suggest
from device_profiles.text import shorten
from evaluators.costs.own_measurements import MOST_MS, MOST_ROWS
from evaluators.errors import EvaluationError
from evaluators.measurements.measured_row import MOST_THREADS, UNITS, MeasuredRow

REQUIRED = ("file", "unit", "threads", "ms")
OPTIONAL = ("runtime", "signature")
_MOST_LETTERS = 1000


def read(text: str, where: str) -> tuple[MeasuredRow, ...]:
    """The rows of a table.

    Args:
        text: CSV with a header; commas, semicolons or tabs between the columns.
        where: How messages name it.

    Raises:
        EvaluationError: It is no such table, or rows are faulty; one line a fault.
    """
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[MeasuredRow] = []
    faults: list[str] = []
    try:
        _check_header([name.strip() for name in table.fieldnames or ()], where)
        table.fieldnames = [name.strip() for name in table.fieldnames or ()]
        for entry in table:
            place = f"{where}: line {table.line_num}"
            if len(rows) + len(faults) >= MOST_ROWS:
                raise EvaluationError(f"{place}: more than {MOST_ROWS} rows; right is a handful")
            try:
                rows.append(_row(entry, place))
            except ValueError as fault:
                faults.append(f"{place}: {fault}")
    except csv.Error as fault:
        raise EvaluationError(f"{where}: line {table.line_num}: no CSV: {fault}") from None
    if faults:
        more = [f"{where}: and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise EvaluationError("\n".join([*faults[:MOST_FAULTS], *more]))
    if not rows:
        raise EvaluationError(f"{where}: holds no row; right is one at least below {','.join(REQUIRED)}")
    return tuple(rows)


def _check_header(names: list[str], where: str) -> None:
    known = (*REQUIRED, *OPTIONAL)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise EvaluationError(
            f"{where}: line 1: has no column {' and no column '.join(missing)}; "
            f"right is a CSV that begins with {','.join(REQUIRED)}"
        )
    for name in names:
        if name not in known:
            raise EvaluationError(
                f"{where}: line 1: unknown column '{shorten(name)}'{suggest(name, known)}; known: {', '.join(known)}"
            )
    if len(set(names)) != len(names):
        raise EvaluationError(f"{where}: line 1: a column is there twice; right is once")


def _row(entry: Mapping[str | None, str | list[str] | None], place: str) -> MeasuredRow:
    if None in entry or None in entry.values():
        raise ValueError("has not as many cells as the header; right is one a column")
    cells = {str(name): str(cell).strip() for name, cell in entry.items()}
    if any(len(cell) > _MOST_LETTERS for cell in cells.values()):
        raise ValueError(f"a cell has more than {_MOST_LETTERS} letters")
    if not cells["file"]:
        raise ValueError("file is empty; right is the path of a model, from this file's folder")
    unit = UNITS.get(cells["unit"].lower())
    if unit is None:
        raise ValueError(f"unit is '{shorten(cells['unit'])}'; right is {', '.join(UNITS)}")
    return MeasuredRow(
        source=place,
        file=cells["file"],
        unit=unit,
        ms=_milliseconds(cells["ms"]),
        threads=_threads(cells["threads"]),
        runtime=cells.get("runtime") or None,
        signature=cells.get("signature") or None,
    )


def _milliseconds(cell: str) -> float:
    try:
        ms = float(cell)
    except ValueError:
        ms = math.nan
    if not 0 < ms <= MOST_MS:
        raise ValueError(f"ms is '{shorten(cell)}'; right is a number above 0, at most {MOST_MS:g}")
    return ms


def _threads(cell: str) -> int | None:
    if not cell:
        return None
    threads = int(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 5 else 0
    if not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"threads is '{shorten(cell)}'; right is 1 to {MOST_THREADS}, or nothing")
    return threads

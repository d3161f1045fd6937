"""Labels in a table: which columns hold them, and how its cells become what a line of a manifest says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from device_profiles.record import parse_json
from device_profiles.text import shorten
from evaluators.errors import EvaluationError

Row = Mapping[str, str]
"""cells by their columns, in small letters"""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        names: What it may be called, in small letters, the best one first.
        kind: number · word · class: a word, or where the task's classes have no names the number of a column · any: a
            word, or JSON where it begins as a list or an object does.
        optional: Whether it may be left out, or be empty.
    """

    names: tuple[str, ...]
    kind: Literal["number", "word", "class", "any"] = "number"
    optional: bool = False


@dataclass(frozen=True)
class LabelColumns:
    """The columns that a label is made of.

    Attributes:
        columns: In the order of a label's parts.
        form: rows: a list of lists · values: a list, one value a row of the table · value: one, and one row a clip.
    """

    columns: tuple[Column, ...]
    form: Literal["rows", "values", "value"] = "rows"


START = Column(("start", "start_s", "onset", "onset_s", "begin", "start_time"))
WORD = Column(("word", "keyword", "label"), "word", optional=True)
EVENT = Column(("class", "label", "event", "event_label"), "class")
IDENTITY = Column(("identity", "speaker", "speaker_id", "label"), "word")
END = Column(("end", "end_s", "offset", "offset_s", "stop", "end_time"))


def default_columns(key: str) -> LabelColumns:
    """Of a key that a task says nothing of: a column of its name, one row a clip."""
    return LabelColumns((Column((key,), "any"),), "value")


def find_columns(header: Sequence[str], key: str, said: LabelColumns) -> tuple[str | None, ...] | str:
    """The header's names of the columns that a label is made of; a word of what is missing where they are not there.

    Where the label's own key is a column it holds the whole label, see `read_label`, and is found as such.
    """
    found = tuple(next((name for name in column.names if name in header), None) for column in said.columns)
    missing = [column for column, name in zip(said.columns, found, strict=True) if name is None and not column.optional]
    if not missing:
        return found
    if key in header:
        return (key,)
    words = ", ".join(column.names[0] for column in missing)
    return words if words == key else f"{words} (or one column {key} that holds the whole label as JSON)"


def read_label(rows: Sequence[tuple[str, Row]], key: str, said: LabelColumns, *, numbered: bool, comma: bool) -> Any:
    """A clip's label, as a line of a manifest has it.

    Args:
        rows: The clip's rows, each with how messages name it.
        key: The label's key.
        said: Its columns.
        numbered: Whether classes have no names, so that they are numbers.
        comma: Whether numbers may be written with a comma, as in "0,5".

    Raises:
        EvaluationError: A cell is not what its column asks for; one line a fault.
    """
    names = find_columns(list(rows[0][1]), key, said)
    assert not isinstance(names, str)
    if names == (key,) and (len(said.columns) > 1 or said.columns[0].names[0] != key):
        return _read_whole(rows, key, said, numbered)
    faults: list[str] = []
    found: list[tuple[Any, ...]] = []
    for where, row in rows:
        cells = [None if name is None else row[name].strip() for name in names]
        if said.form != "value" and not any(cells):
            continue  # the row says that the clip is there, and has no label
        try:
            found.append(
                tuple(
                    _read_cell(cell, column, f"{where}: {name}", numbered, comma)
                    for column, name, cell in zip(said.columns, names, cells, strict=True)
                    if cell is not None and (cell or not column.optional)
                )
            )
        except EvaluationError as fault:
            faults.append(str(fault))
    if said.form == "value" and any(one != found[0] for one in found):
        faults.append(f"{rows[0][0]}: {key} is not the same in all rows of this clip; right is one {key} a clip")
    if faults:
        raise EvaluationError("\n".join(faults))
    if said.form == "rows":
        return [list(row) for row in found]
    return found[0][0] if said.form == "value" else list(dict.fromkeys(row[0] for row in found))


def _read_cell(cell: str, column: Column, where: str, numbered: bool, comma: bool) -> Any:
    if column.kind == "number":
        text = cell.replace(",", ".") if comma else cell
        for type_ in (int, float):
            try:
                return type_(text)
            except ValueError:
                continue
        raise EvaluationError(f"{where} must be a number; found {shorten(repr(cell))}")
    if column.kind == "any" and cell[:1] in ("[", "{"):
        return parse_json(cell, where=where, error=EvaluationError)
    return _read_class(cell, numbered and column.kind == "class")


def _read_class(cell: str, numbered: bool) -> Any:
    return int(cell) if numbered and cell.isascii() and cell.isdecimal() and len(cell) < 10 else cell


def _read_whole(rows: Sequence[tuple[str, Row]], key: str, said: LabelColumns, numbered: bool) -> Any:
    """A label in one cell: JSON, or of a list of words the words with a comma or a bar between them."""
    where, row = rows[0]
    if len(rows) > 1:
        raise EvaluationError(
            f"{rows[1][0]}: the clip has a row already, whose {key} holds all; right is one row a clip"
        )
    cell = row[key].strip()
    if said.form == "rows" or cell[:1] == "[":
        return parse_json(cell, where=f"{where}: {key}", error=EvaluationError)
    found = [_read_class(word.strip(), numbered) for word in cell.split("|" if "|" in cell else ",") if word.strip()]
    return found[0] if said.form == "value" and len(found) == 1 else found

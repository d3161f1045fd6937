"""Tables of clips, CSV and TSV: a header, then a row a clip, or several where a clip has several labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.errors import EvaluationError
from evaluators.label_columns import Row

SUFFIXES = (".csv", ".tsv")
AUDIO_COLUMNS = ("audio", "path", "file", "filename", "file_name", "filepath", "audio_path")
"""what the column of the audio files may be called, the first that is there counts"""
_DELIMITERS = ",;\t"
_MOST_COLUMNS = 1000


@dataclass(frozen=True)
class Table:
    """A table, read.

    Attributes:
        header: The columns, in small letters.
        audio: That of the audio files.
        rows: Of each clip, by its file as the table writes it, its rows, each with how messages name it.
        comma: Whether numbers may be written with a comma, since that does not part the columns.
    """

    header: tuple[str, ...]
    audio: str
    rows: dict[str, list[tuple[str, Row]]]
    comma: bool


def read_table(path: Path, data: bytes) -> Table:
    """Read a table.

    Args:
        path: Its file, for messages and its suffix.
        data: What it holds: UTF-8, with or without a byte order mark.

    Raises:
        EvaluationError: It is no such table; one line a fault.
    """
    text = _decode(path, data)
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    clips: dict[str, list[tuple[str, Row]]] = {}
    header: tuple[str, ...] = ()
    audio, faults = "", list[str]()
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _read_header(cells, where)
                audio = next(name for name in AUDIO_COLUMNS if name in header)
                continue
            row, fault = _read_row(cells, header, audio, where)
            faults += fault
            if not fault:
                clips.setdefault(row[audio], []).append((where, row))
    except csv.Error as fault:
        faults.append(
            f"{path}:{reader.line_num}: no row of a table: {fault}; right is CSV, quotes doubled within quotes"
        )
    if faults:
        raise EvaluationError("\n".join(faults))
    if not header:
        raise EvaluationError(f"{path}: is empty; right is a header with a column {AUDIO_COLUMNS[0]}, and a row a clip")
    return Table(header, audio, clips, comma=delimiter == ";")


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise EvaluationError(
            f"{path}:{line}: not UTF-8: byte 0x{data[fault.start]:02x}; save the table as UTF-8"
        ) from None


def _read_header(cells: Sequence[str], where: str) -> tuple[str, ...]:
    header = tuple(cell.strip().lower() for cell in cells)
    while header and not header[-1]:  # a delimiter at the end of each line
        header = header[:-1]
    if len(header) > _MOST_COLUMNS:
        raise EvaluationError(f"{where}: {len(header)} columns; right is at most {_MOST_COLUMNS}")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise EvaluationError(f"{where}: the column {twice[0]!r} is there twice; right is once")
    if not any(name in header for name in AUDIO_COLUMNS):
        raise EvaluationError(
            f"{where}: no column of audio files; the first line must be a header with a column named "
            f"{', '.join(AUDIO_COLUMNS[:4])} or {AUDIO_COLUMNS[4]}; found {', '.join(map(repr, header[:10]))}"
        )
    return header


def _read_row(cells: list[str], header: tuple[str, ...], audio: str, where: str) -> tuple[Row, list[str]]:
    while len(cells) > len(header) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(header):
        return {}, [f"{where}: {len(cells)} cells where the header has {len(header)} columns; right is a cell a column"]
    row = {name: cell for name, cell in zip(header, cells, strict=True) if name}
    row[audio] = row[audio].strip()
    return row, []

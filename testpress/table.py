"""Rows of text with their columns aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def align(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: str = "") -> str:
    """One line a row, each column as wide as its widest cell.

    Args:
        rows: Of equal length.
        right: Columns aligned to the right, counted from 0: numbers.
        indent: Goes before each line.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)

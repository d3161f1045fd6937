"""Which class was taken for which: counts of one model, or what they differ by from another's."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.text import shorten
from evaluators.chart_records import ConfusionMatrix

LEVELS = 5
"""shades of each kind"""
_SIZES = ((8, 40), (16, 30), (41, 22))
"""up to so many classes, the side of a cell"""
_SHOWN = 16
_SIGN = 6.6
"""pixels a sign of a label takes"""
_SUM = 48


@dataclass(frozen=True)
class Shade:
    """Cells of one shade."""

    kind: str
    """right, wrong"""
    level: int
    path: str


@dataclass(frozen=True)
class CellText:
    """A number in its cell."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class ConfusionFigure:
    """A whole figure, in pixels."""

    width: int
    height: int
    left: int
    top: int
    side: int
    """of a cell"""
    labels: tuple[str, ...]
    sums: tuple[str, ...]
    """of each row"""
    shades: tuple[Shade, ...]
    texts: tuple[CellText, ...]


def draw_confusion(matrix: ConfusionMatrix, reference: ConfusionMatrix | None = None) -> ConfusionFigure:
    """The figure.

    Args:
        matrix: Whose counts.
        reference: Of the same classes; where it is given, what the counts differ by from it is drawn.
    """
    count = len(matrix.classes)
    side = next(side for most, side in _SIZES if count <= most)
    labels = tuple(shorten(name, _SHOWN) for name in matrix.classes)
    edge = 14 + round(_SIGN * max(map(len, labels)))
    cells: dict[tuple[str, int], list[str]] = {}
    texts = []
    for row, counts in enumerate(matrix.counts):
        whole = sum(counts) or 1
        for column, found in enumerate(counts):
            value = found - reference.counts[row][column] if reference else found
            if not value:
                continue
            left, top = edge + column * side, edge + row * side
            kind = "right" if (row == column) == (value > 0) else "wrong"
            level = min(LEVELS, 1 + int(abs(value) / whole * LEVELS))
            cells.setdefault((kind, level), []).append(f"M{left} {top}h{side}v{side}h-{side}z")
            texts.append(CellText(left + side / 2, top + side / 2 + 4, _brief(value, signed=reference is not None)))
    return ConfusionFigure(
        width=edge + count * side + _SUM,
        height=edge + count * side + 4,
        left=edge,
        top=edge,
        side=side,
        labels=labels,
        sums=tuple(_brief(sum(counts), signed=False) for counts in matrix.counts),
        shades=tuple(Shade(kind, level, "".join(paths)) for (kind, level), paths in sorted(cells.items())),
        texts=tuple(texts),
    )


def _brief(value: int, *, signed: bool) -> str:
    """A count in at most four signs, and its own."""
    size = abs(value)
    steps = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
    text = next((f"{size / step:.0f}{letter}" for step, letter in steps if size >= step), str(size))
    return f"{'+' if value > 0 else '−'}{text}" if signed else text

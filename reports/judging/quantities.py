"""Limits as people write them: `"900kB"`, `"0.9MiB"`, `"25ms"`, `"+5%"`, `"-0.5pp"`, or a plain number.

Decimal prefixes (kB, MB) count in thousands, binary ones (KiB, MiB) in 1024ths, as IEC 80000-13 has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from device_profiles.record import suggest
from device_profiles.text import shorten
from reports.errors import ReportError

Kind = Literal["plain", "bytes", "time", "level", "percent", "points"]

# unit → (kind, how many of the kind's base unit it is). Base units: byte, millisecond, decibel.
_UNITS: dict[str, tuple[Kind, Decimal]] = {
    "B": ("bytes", Decimal(1)),
    "bytes": ("bytes", Decimal(1)),
    "kB": ("bytes", Decimal(10**3)),
    "MB": ("bytes", Decimal(10**6)),
    "GB": ("bytes", Decimal(10**9)),
    "KiB": ("bytes", Decimal(2**10)),
    "MiB": ("bytes", Decimal(2**20)),
    "GiB": ("bytes", Decimal(2**30)),
    "ns": ("time", Decimal("1e-6")),
    "us": ("time", Decimal("1e-3")),
    "µs": ("time", Decimal("1e-3")),
    "ms": ("time", Decimal(1)),
    "s": ("time", Decimal(1000)),
    "min": ("time", Decimal(60_000)),
    "dB": ("level", Decimal(1)),
    "%": ("percent", Decimal(1)),
    "pp": ("points", Decimal(1)),
}
# a score's unit → the unit above that says the same
_SCORE_UNITS = {"ns": "ns", "us": "us", "ms": "ms", "s": "s", "bytes": "bytes", "db": "dB"}
_KIND_WORDS = {
    "bytes": "a size",
    "time": "a time",
    "level": "a level in dB",
    "percent": "a percentage",
    "points": "a number of percentage points",
    "plain": "a plain number",
}
_PATTERN = re.compile(
    r"([+-]?) *([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?|\.[0-9]+(?:[eE][+-]?[0-9]{1,2})?) *([^\d\s]*)"
)
_MOST_CHARACTERS = 100


@dataclass(frozen=True)
class Quantity:
    """A number and its unit, as written."""

    value: float
    """with its sign, in the kind's base unit: byte, millisecond, decibel, per cent, percentage point"""
    kind: Kind
    sign: Literal["+", "-", ""]
    """the sign as it was written"""

    def to_unit(self, unit: str, *, where: str) -> float:
        """The number in a score's unit; a plain number is taken to be in that unit already.

        Args:
            unit: The score's unit: ms, bytes, db, ratio, dimensionless …
            where: How the message names the limit.

        Raises:
            ReportError: The unit measures something else.
        """
        if self.kind == "plain":
            return self.value
        if self.kind in ("percent", "points") and unit == "ratio":
            return float(Decimal(repr(self.value)) / 100)
        kind, size = _UNITS.get(_SCORE_UNITS.get(unit, ""), ("plain", Decimal(1)))
        if kind != self.kind:
            right = shorten(unit)
            raise ReportError(
                f"{where} is {_KIND_WORDS[self.kind]}, but the metric's unit is {right}; give it in {right}"
            )
        return float(Decimal(repr(self.value)) / size)


def parse_quantity(written: float | str) -> Quantity:
    """Read a limit as written in a recipe.

    Raises:
        ValueError: It is no number, or the unit is unknown. (Pydantic adds the place and makes it a ReportError.)
    """
    if not isinstance(written, str):
        return Quantity(float(written), "plain", "-" if written < 0 else "")
    match = _PATTERN.fullmatch(written.strip()) if len(written) <= _MOST_CHARACTERS else None
    if match is None:
        raise ValueError(
            f'{written[:40]!r} is not a number with an optional unit, such as 60, "25ms", "900kB" or "+5%"'
        )
    sign, digits, unit = match.groups()
    unit = unit.replace("μ", "µ")
    if unit and unit not in _UNITS:
        raise ValueError(
            f"{written[:40]!r}: unknown unit {unit[:20]!r}{_suggest_unit(unit)}; known: {', '.join(_UNITS)}"
        )
    kind, size = _UNITS.get(unit, ("plain", Decimal(1)))
    value = float(Decimal(digits) * size)
    return Quantity(-value if sign == "-" else value, kind, sign)  # type: ignore[arg-type]


def _suggest_unit(unit: str) -> str:
    same = [known for known in _UNITS if known.lower() == unit.lower()]
    return f"; did you mean '{same[0]}'?" if same else suggest(unit, _UNITS)

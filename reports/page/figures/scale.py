"""Axes: from numbers to places in a figure, and where their ticks stand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_FARTHEST = 1e300
"""an axis ends here, so that its length and the powers of ten along it are numbers too; what lies beyond stands at the
end"""
_NEAREST = 1e-300
"""an axis is not shorter, so that it can be divided"""
_FINEST = 1e-12
"""nor shorter than this share of its larger end, so that its ticks are different numbers"""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Maps `low` to `start` and `high` to `end`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where `value` goes, rounded to a tenth; beyond the ends it stays at the end."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count: int = 5) -> list[float]:
        """Round numbers within the scale, about `count` of them (powers of ten on a logarithmic one)."""
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            every = max(1, len(powers) // count)
            return [10.0**power for power in powers][::every]
        rough = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(size * unit for size in (1, 2, 2.5, 5, 10) if size * unit >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def span(values: Iterable[float], *, start: float, end: float, pad: float = 0.08, floor: float | None = None) -> Scale:
    """A linear scale that holds all values, with room at both ends.

    Args:
        values: At least one.
        start: Where the low end is drawn.
        end: Where the high end is drawn.
        pad: Room at each end, as a share of the range.
        floor: The scale does not begin below it, for numbers that cannot.
    """
    found = [_confine(value) for value in values]
    low, high = min(found), max(found)
    width = (high - low) or abs(high) or 1.0
    low, high = low - width * pad, high + width * pad
    if floor is not None:
        low = max(low, floor)
    return stretch(low, high, start=start, end=end)


def stretch(low: float, high: float, *, start: float, end: float) -> Scale:
    """A linear scale from `low` to `high`, or a little farther where that is no length to be drawn."""
    low, high = _confine(low), _confine(high)
    least = max(_NEAREST, _FINEST * max(abs(low), abs(high)))
    return Scale(low, max(high, low + least), start, end)


def span_log(values: Iterable[float], *, start: float, end: float) -> Scale:
    """A logarithmic scale over whole powers of ten that holds all values above zero."""
    found = [max(_confine(value), _NEAREST) for value in values if value > 0]
    low, high = 10.0 ** math.floor(math.log10(min(found))), 10.0 ** math.ceil(math.log10(max(found)))
    return Scale(low, high if high > low else low * 10, start, end, logarithmic=True)


def _confine(value: float) -> float:
    return min(max(value, -_FARTHEST), _FARTHEST)

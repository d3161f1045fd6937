"""Sums of numbers from outside, which may be as large as a number can be: a result never leaves what JSON can hold."""

from __future__ import annotations

import sys

LARGEST = sys.float_info.max


def saturate(value: float) -> float:
    """A result that overflowed, as the largest number of its sign; any other as it is."""
    return min(max(value, -LARGEST), LARGEST)


def divide(numerator: float, denominator: float) -> float:
    """A quotient of two positive numbers, saturated; the largest number where `denominator` is 0."""
    return saturate(numerator / denominator) if denominator else LARGEST

"""Versions, compared as numbers."""

from __future__ import annotations

import re


def version_key(version: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: `"TFLite 2.3.0"` and `"2.3"` are both `(2, 3)`."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)

"""What a precision promises."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """How close to its source a model of this precision should stay.

    Attributes:
        tolerance_db: The least signal-to-noise ratio of every output, in dB.
        because: Where that number comes from.
    """

    tolerance_db: float
    because: str

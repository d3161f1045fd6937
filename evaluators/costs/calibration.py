"""What was learned from published measurements: coefficients of each kind of unit, and how far they were off.

coefficients.json is written by `python -m benchmarks.latency_model --write`, which fits the rows of `published` and
leaves out each family of models and each phone in turn. Nothing is fitted when a prediction is made.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.costs.op_times import Coefficients
from evaluators.costs.placement import Compute

COEFFICIENTS = Path(__file__).parent / "coefficients.json"
CONFIDENCE = 0.8

SMALL_MS = 3.0
"""calls below this are a regime of their own: what a call and its ops cost outweighs their arithmetic"""

LogFactor = Annotated[float, pydantic.Field(ge=0, le=10)]


class Calibration(Record):
    """Of one kind of compute unit."""

    coefficients: Coefficients
    rows: int
    families: tuple[str, ...]
    chips: tuple[str, ...]
    """as `base_chip` names them"""
    op_kinds: tuple[str, ...]
    """kinds of ops that took a twentieth of a measured call at least; the cost of others is a guess from physics"""
    small_half_width: LogFactor
    """of the 80 % interval, in log time, from calls below SMALL_MS of families left out"""
    large_half_width: LogFactor
    phone_half_width: LogFactor
    """what a chip that was not measured adds"""

    def saw(self, chip: str) -> bool:
        """Whether a phone with this chip is among the measured ones."""
        return base_chip(chip) in self.chips

    def ratio(self, predicted_ms: float, *, seen: bool) -> float:
        """Factor by which the 80 % interval reaches below and above a prediction.

        For a phone that was not measured the error on phones left out is added, as independent errors add.
        """
        family = self.small_half_width if predicted_ms < SMALL_MS else self.large_half_width
        return math.exp(family if seen else math.hypot(family, self.phone_half_width))


def base_chip(chip: str) -> str:
    """A chip's name without its maker's part number and the word for one customer's clocks.

    Args:
        chip: As a profile names it, for example Qualcomm Snapdragon 8 Gen 3 for Galaxy (SM8650-AC).
    """
    return chip.split(" (", maxsplit=1)[0].removesuffix(" for Galaxy")


def half_width(errors: Sequence[float], groups: Sequence[str]) -> float:
    """Half width of the 80 % interval of a log error on a new group, from errors on groups left out.

    Split conformal with groups as the sample, since rows of one family err alike: the quantile of the absolute errors,
    every group weighing the same, at 80 % · (1 + 1/n) for the n groups. Source: Vovk, Gammerman and Shafer 2005.
    """
    sizes = np.abs(errors)
    names = sorted(set(groups))
    weights = np.array([1 / groups.count(group) / len(names) for group in groups])
    order = np.argsort(sizes)
    reached = np.cumsum(weights[order])
    level = min(CONFIDENCE * (1 + 1 / len(names)), 1.0)
    place = min(int(np.searchsorted(reached, level - 1e-9)), len(sizes) - 1)
    return float(sizes[order][place])


@functools.cache
def calibrations() -> dict[Compute, Calibration]:
    """Of every kind that was measured."""
    stored = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    return {Compute(*one.pop("compute")): Calibration.model_validate(one, strict=False) for one in stored["kinds"]}

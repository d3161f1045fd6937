"""How far a variant's outputs lie from the source model's, number by number, whatever the task makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.score import Basis, Direction, Score
from evaluators.target_records import OutputParity
from packager.snr import snr_db

_OUT_OF_RANGE = "the values are beyond the range float64 can sum the squares of"


@dataclass
class _Sums:
    windows: int = 0
    reference: float = 0.0
    estimate: float = 0.0
    product: float = 0.0
    error: float = 0.0
    max_abs_error: float = 0.0
    max_abs_reference: float = 0.0


class ParityMeter:
    """Compares outputs window by window, over a whole dataset; holds a few sums an output, never the outputs.

    - snr_db: 10 log10(sum reference² / sum (reference - estimate)²). No value where the two are identical (it would be
      infinite) or the reference is 0 throughout.
    - max_abs_error: largest |reference - estimate|, in the output's own unit.
    - cosine: sum reference x estimate / (|reference| |estimate|). No value where one side is 0 throughout.

    All sums run in float64, whatever dtype the outputs have.
    """

    def __init__(self, *, basis: Basis = "emulated") -> None:
        self._basis: Basis = basis
        self._sums: dict[str, _Sums] = {}

    def add(self, output: str, reference: npt.NDArray[Any], estimate: npt.NDArray[Any], *, clip: str = "") -> None:
        """Take in one window of one output.

        Args:
            output: The output's name.
            reference: What the source model gave, any shape. Not modified.
            estimate: What the variant gave, same shape. Not modified.
            clip: How messages name the clip.

        Raises:
            EvaluationError: The shapes differ, there is no value, or one is not finite; nothing is taken in then.
        """
        sums = self._sums.get(output, _Sums())
        where = f"output '{output}'{f', clip {clip}' if clip else ''}, window {sums.windows}"
        if reference.shape != estimate.shape:
            raise EvaluationError(
                f"{where}: the variant gives shape {estimate.shape} where the source model gives {reference.shape}"
            )
        if reference.size == 0:
            raise EvaluationError(f"{where}: holds no value, shape {reference.shape}")
        r, e = reference.astype(np.float64).reshape(-1), estimate.astype(np.float64).reshape(-1)
        _check_finite(r, reference.shape, f"{where}: the source model's")
        _check_finite(e, estimate.shape, f"{where}: the variant's")
        with np.errstate(over="ignore"):  # told in the result
            error = r - e
            sums.reference += float(r @ r)
            sums.estimate += float(e @ e)
            sums.product += float(r @ e)
            sums.error += float(error @ error)
        sums.max_abs_error = max(sums.max_abs_error, float(np.abs(error).max()))
        sums.max_abs_reference = max(sums.max_abs_reference, float(np.abs(r).max()))
        sums.windows += 1
        self._sums[output] = sums

    def result(self, output: str) -> OutputParity:
        """The comparison of one output so far.

        Raises:
            EvaluationError: Nothing of this output was taken in.
        """
        if output not in self._sums:
            raise EvaluationError(
                f"output '{output}' was never compared; compared are: {', '.join(self._sums) or 'none'}"
            )
        sums = self._sums[output]
        return OutputParity(
            output=output,
            snr_db=self._snr_db(sums),
            max_abs_error=self._max_abs_error(sums),
            cosine=self._cosine(sums),
        )

    def results(self) -> tuple[OutputParity, ...]:
        """Every output compared so far, in the order they first came."""
        return tuple(self.result(output) for output in self._sums)

    def _max_abs_error(self, sums: _Sums) -> Score:
        if not math.isfinite(sums.max_abs_error):
            return self._score(None, "dimensionless", "lower", reason=_OUT_OF_RANGE)
        return self._score(sums.max_abs_error, "dimensionless", "lower")

    def _snr_db(self, sums: _Sums) -> Score:
        # Asked of the largest value, not of the sum of squares: that of values below 1e-154 is 0.
        if sums.max_abs_error == 0:
            return self._score(None, "db", "higher", reason="identical")
        if sums.max_abs_reference == 0:
            return self._score(None, "db", "higher", reason="the source model's output is 0 throughout")
        ratio = snr_db(sums.reference, sums.error)
        if ratio is None or not math.isfinite(ratio):
            return self._score(None, "db", "higher", reason=_OUT_OF_RANGE)
        return self._score(ratio, "db", "higher")

    def _cosine(self, sums: _Sums) -> Score:
        norm = math.sqrt(sums.reference) * math.sqrt(sums.estimate)
        if norm == 0:
            return self._score(None, "dimensionless", "higher", reason="one of the outputs is 0 throughout")
        if not math.isfinite(norm):
            return self._score(None, "dimensionless", "higher", reason=_OUT_OF_RANGE)
        # Rounding can carry the quotient a hair beyond 1.
        return self._score(max(-1.0, min(1.0, sums.product / norm)), "dimensionless", "higher")

    def _score(self, value: float | None, unit: str, direction: Direction, *, reason: str | None = None) -> Score:
        return Score(value=value, unit=unit, direction=direction, basis=self._basis, reason=reason)


def _check_finite(values: npt.NDArray[np.float64], shape: tuple[int, ...], whose: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        index = tuple(int(i) for i in np.unravel_index(first, shape))
        count = int((~finite).sum())
        raise EvaluationError(f"{whose} value at {index} is {values[first]}; {count} of {values.size} are not finite")

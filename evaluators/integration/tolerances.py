"""How near an app's values must come to a bundle's own: measured, by varying what a phone's processor may do otherwise.

Kernels on another processor add up in another order. What that changes is not known of a phone; what it does to this
model is measured here: with other kernels of the same runtime, on more threads, and with inputs that are off by what
its arithmetic rounds. An app may be off by ten times the largest of these, and of a model that nothing changes by ten
times one rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.integration.app import Model, Tensors, round_off
from packager.snr import snr_db
from packager.vector_records import Tolerance

SAFETY_DB = 20.0
"""a factor of ten: what was measured is one processor's, and of few kernels"""
_SEED = 20261202

Values = npt.NDArray[Any]


class RoundedModel:
    """A model whose inputs are off by what its arithmetic rounds: at the scale of the largest, as sums round."""

    def __init__(self, model: Model, roundoff: float) -> None:
        """Stand in front of a model.

        Args:
            model: The model.
            roundoff: Of the largest value of an input, by how much each is off at most.
        """
        self._model, self._roundoff = model, roundoff
        self._generator = np.random.default_rng(_SEED)

    def reset(self) -> None:
        """Begin a clip."""
        self._model.reset()

    def call(self, inputs: Tensors) -> dict[str, Values]:
        """The next call."""
        return self._model.call({name: self._round(value) for name, value in inputs.items()})

    def _round(self, value: Values) -> Values:
        if not np.issubdtype(value.dtype, np.floating):
            return value
        return round_off(value, self._roundoff, self._generator)


def distance(expected: Values, found: Values) -> tuple[float | None, float]:
    """How far values lie from others of their shape.

    Returns:
        10 log10(sum expected² / sum difference²), none where it has no value: nothing differs, or all expected is 0;
        and the largest difference. Where either is not finite, both must be the same there, else the SNR is minus
        infinite.
    """
    e, f = expected.astype(np.float64), found.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (e == f) | (np.isnan(e) & np.isnan(f))
        finite = np.isfinite(e) & np.isfinite(f)
        if not (same | finite).all():
            return -math.inf, math.inf
        difference = np.where(same, 0.0, np.where(finite, e - f, 0.0))
    error = float(np.sum(difference**2))
    if error == 0:
        return None, float(np.max(np.abs(difference), initial=0))
    ratio = snr_db(float(np.sum(np.where(finite, e, 0.0) ** 2)), error)
    return ratio, float(np.max(np.abs(difference)))


def make_tolerance(runtime: str, expected: Values, varied: Mapping[str, Values], roundoff: float) -> Tolerance:
    """A tolerance of one array.

    Args:
        runtime: Whose.
        expected: The values.
        varied: What was varied → the values then.
        roundoff: What the bundle's arithmetic rounds by, of the largest value.
    """
    found = {name: distance(expected, values) for name, values in varied.items() if values.shape == expected.shape}
    finite = np.abs(expected.astype(np.float64))[np.isfinite(expected)]
    bound_db, bound = -20 * math.log10(roundoff), roundoff * float(np.max(finite, initial=0))
    measured = {name: None if ratio is None else ratio for name, (ratio, _) in found.items()}
    known = {name: ratio for name, ratio in measured.items() if ratio is not None and math.isfinite(ratio)}
    worst_db = min([*known.values(), bound_db])
    largest = max([*(error for _, error in found.values() if math.isfinite(error)), bound])
    blamed = next((name for name, ratio in known.items() if ratio == worst_db), None)
    what = f"{blamed}, {worst_db:.1f} dB" if blamed else f"one rounding of the largest value, {bound_db:.1f} dB"
    return Tolerance(
        runtime=runtime,
        snr_db=math.floor(10 * (worst_db - SAFETY_DB)) / 10,
        max_abs_error=float(f"{largest * 10 ** (SAFETY_DB / 20):.3g}"),
        measured_db={name: None if name not in known else round(known[name], 1) for name in measured},
        because=f"ten times the largest change that rounding made here ({what})",
    )


def margin_db(tolerance: Tolerance, ratio: float | None, error: float) -> float | None:
    """How many dB are left before a tolerance breaks, by SNR or by the largest difference; none where nothing differs.

    Below 0 it is broken.
    """
    if error == 0 and ratio is None:
        return None
    margins: list[float] = [] if ratio is None else [ratio - tolerance.snr_db]
    allowed = tolerance.max_abs_error
    margins.append(-math.inf if allowed == 0 or math.isinf(error) else 20 * math.log10(allowed / error))
    return min(margins)


def worst_margin(margins: Sequence[float | None]) -> float | None:
    """The least of several; none where all are exact."""
    return min((one for one in margins if one is not None), default=None)

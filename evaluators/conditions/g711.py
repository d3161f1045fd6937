"""G.711, the codec of the wired telephone: 8 kHz, 64 kbit/s, mu-law or A-law."""

from __future__ import annotations

from typing import Literal

import numpy as np

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._rates import treat_at

_RATE_HZ = 8000
_MU_FULL_SCALE, _MU_MOST, _MU_BIAS = 8192.0, 8158.0, 33.0
_A_FULL_SCALE, _A_MOST = 4096.0, 4095.0


class G711Parameters(Record):
    """Which of the two laws."""

    law: Literal["mu", "a"] = "mu"
    """mu: North America and Japan · a: everywhere else"""


class G711(Condition):
    """Audio at 8 kHz, rounded to the 256 values of a law, at its own rate again.

    Source: ITU-T G.711 (11/88), tables 1a and 2a; the tables are computed, and equal to the printed ones.
    """

    Parameters = G711Parameters
    libraries = ("soxr",)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        law = round_by_mu_law if self.parameters.law == "mu" else round_by_a_law
        return treat_at(samples, surroundings.sample_rate_hz, _RATE_HZ, law)


def round_by_mu_law(samples: Wide) -> Wide:
    """Audio as a mu-law decoder gives it, full scale 1 being 8192 in the table's units.

    A value of e and m, the segment and the step in it, stands for (2 m + 33) 2^e - 33.
    """
    biased = np.minimum(np.abs(samples) * _MU_FULL_SCALE, _MU_MOST) + _MU_BIAS
    segment = _floor_of_log2(biased) - 5
    step = np.floor(np.ldexp(biased, -(segment + 1))) - 16
    rounded: Wide = np.copysign(np.ldexp(2 * step + _MU_BIAS, segment) - _MU_BIAS, samples) / _MU_FULL_SCALE
    return rounded


def round_by_a_law(samples: Wide) -> Wide:
    """Audio as an A-law decoder gives it, full scale 1 being 4096 in the table's units.

    A value stands for the middle of its step; steps are 2 below 64, and double from each power of two on.
    """
    size = np.minimum(np.abs(samples) * _A_FULL_SCALE, _A_MOST)
    exponent = np.maximum(_floor_of_log2(size) - 4, 1)
    middle = np.ldexp(np.floor(np.ldexp(size, -exponent)) + 0.5, exponent)
    rounded: Wide = np.copysign(middle, samples) / _A_FULL_SCALE
    return rounded


def _floor_of_log2(values: Wide) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Exact, also at powers of two; of 0 it is -1."""
    return np.asarray(np.frexp(values)[1] - 1, np.int32)


CONDITION = G711

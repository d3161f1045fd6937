"""A band of frequencies, for example a telephone's."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic
from scipy.signal import firwin

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._filtering import check_low_end, filter_in_place

_STOP_DB = 60.0
_NARROWEST = 0.0002
"""of the rate: a narrower transition would need a filter of seconds"""


class BandLimitParameters(Record):
    """The band's ends, where the gain is a half (-6 dB)."""

    low_hz: Annotated[float, pydantic.Field(ge=0, le=20_000)] = 300.0
    """0 passes all that is low"""
    high_hz: Annotated[float, pydantic.Field(gt=0, le=400_000, validate_default=True)] = 3400.0
    """at or above half the audio's rate all that is high passes"""

    @pydantic.field_validator("high_hz")
    @classmethod
    def _in_order(cls, high_hz: float, info: pydantic.ValidationInfo) -> float:
        if info.data.get("low_hz", 0.0) >= high_hz:
            raise ValueError(f"must be larger than low_hz, which is {info.data['low_hz']:g}")
        return high_hz


class BandLimit(Condition):
    """A linear-phase filter, its delay undone: 60 dB down a third of each end's frequency beyond it.

    Source of the default: ITU-T G.712 and G.232, the band of a telephone channel, 300 to 3400 Hz.
    """

    Parameters = BandLimitParameters
    libraries = ("scipy",)

    def check_rate(self, sample_rate_hz: int) -> None:
        """See `Condition.check_rate`."""
        check_low_end(self.parameters.low_hz, sample_rate_hz)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        self.check_rate(surroundings.sample_rate_hz)
        for end_hz, passes_zero in ((self.parameters.low_hz, False), (self.parameters.high_hz, True)):
            if 0 < end_hz < surroundings.sample_rate_hz / 2:
                taps = _design(end_hz / surroundings.sample_rate_hz, passes_zero=passes_zero)
                samples = filter_in_place(samples, taps)
        return samples


def _design(share: float, *, passes_zero: bool) -> Wide:
    """A filter of odd length; `share` is the end over the rate.

    Its length is that of a Kaiser window: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window
    function", ISCAS 1974.
    """
    width = max(min(share, 0.5 - share) * 2 / 3, _NARROWEST)
    n_taps = int(np.ceil((_STOP_DB - 7.95) / (14.36 * width))) | 1
    taps: Wide = firwin(n_taps, 2 * share, window=("kaiser", 0.1102 * (_STOP_DB - 8.7)), pass_zero=passes_zero)
    return taps


CONDITION = BandLimit

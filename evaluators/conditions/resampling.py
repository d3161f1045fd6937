"""Audio that was brought to another rate on its way, by a good or a bad resampler."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide, fit_length
from evaluators.conditions._rates import resample


class ResamplingParameters(Record):
    """Which rate, and how."""

    rate_hz: Annotated[int, pydantic.Field(ge=1000, le=768_000)] = 8000
    """the rate in between"""
    method: Literal["high", "quick", "linear"] = "high"
    """high, quick: soxr's VHQ and QQ · linear: a straight line between two samples, with no filter, so that what lies
    above half the rate in between is heard mirrored"""


class Resampling(Condition):
    """To the rate in between and back; no method has a delay."""

    Parameters = ResamplingParameters
    libraries = ("soxr",)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        rate_hz, between_hz, n_samples = surroundings.sample_rate_hz, self.parameters.rate_hz, samples.shape[1]
        if self.parameters.method == "linear":
            there = _interpolate(samples, rate_hz, between_hz, max(1, -(-n_samples * between_hz // rate_hz)))
            return _interpolate(there, between_hz, rate_hz, n_samples)
        quality = "VHQ" if self.parameters.method == "high" else "QQ"
        there = resample(samples, rate_hz, between_hz, quality)
        return fit_length(resample(there, between_hz, rate_hz, quality), n_samples)


def _interpolate(samples: Wide, from_hz: int, to_hz: int, n_samples: int) -> Wide:
    places = np.arange(n_samples) * (from_hz / to_hz)
    known = np.arange(samples.shape[1])
    return np.stack([np.interp(places, known, channel) for channel in samples])


CONDITION = Resampling

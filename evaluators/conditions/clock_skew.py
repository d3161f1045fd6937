"""A recorder whose clock runs fast or slow."""

from __future__ import annotations

from typing import Annotated

import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide, fit_length
from evaluators.conditions._rates import resample


class ClockSkewParameters(Record):
    """How far the clock is off."""

    skew_ppm: Annotated[float, pydantic.Field(ge=-20_000, le=20_000)] = 200.0
    """in millionths: a fast clock takes more samples, so that audio is slower and lower when it is played"""


class ClockSkew(Condition):
    """The clip at a rate that is a little off, its first samples at their time.

    After t seconds an event is t x skew_ppm / 1e6 seconds late: 2 ms after 10 s at 200 ppm. It cannot be undone, since
    that is what the condition is. Of a slow clock the last moment is silent, of a fast one it is left out.
    """

    Parameters = ClockSkewParameters
    libraries = ("soxr",)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:  # noqa: ARG002
        """See `Condition.apply`."""
        return fit_length(resample(samples, 1e6, 1e6 + self.parameters.skew_ppm), samples.shape[1])


CONDITION = ClockSkew

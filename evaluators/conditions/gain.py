"""Another level: the same recording, louder or quieter."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide


class GainParameters(Record):
    """How much louder."""

    gain_db: Annotated[float, pydantic.Field(ge=-60, le=60)] = -20.0
    is_limited: bool = True
    """whether what lies beyond full scale is cut off, as a converter would"""


class Gain(Condition):
    """Every sample times one number. Where it is limited, no sample that was within full scale leaves it."""

    Parameters = GainParameters

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:  # noqa: ARG002
        """See `Condition.apply`."""
        loud: Wide = samples * 10.0 ** (self.parameters.gain_db / 20)
        return np.clip(loud, -1.0, 1.0) if self.parameters.is_limited else loud


CONDITION = Gain

"""A recording that was made too loud: its peaks are cut off."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide


class ClippingParameters(Record):
    """How much too loud."""

    overdrive_db: Annotated[float, pydantic.Field(ge=0, le=60)] = 12.0
    """how far the clip's largest peak lay above what could be recorded"""


class Clipping(Condition):
    """What lies within `overdrive_db` of the clip's largest peak is cut off; what lies below stays as it is."""

    Parameters = ClippingParameters

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:  # noqa: ARG002
        """See `Condition.apply`."""
        ceiling = np.abs(samples).max() * 10.0 ** (-self.parameters.overdrive_db / 20)
        return np.clip(samples, -ceiling, ceiling)


CONDITION = Clipping

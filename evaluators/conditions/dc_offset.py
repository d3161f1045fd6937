"""A constant under the audio, as cheap converters add it."""

from __future__ import annotations

from typing import Annotated

import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide


class DcOffsetParameters(Record):
    """How large."""

    offset: Annotated[float, pydantic.Field(ge=-1, le=1)] = 0.05
    """of full scale"""


class DcOffset(Condition):
    """One number is added to every sample."""

    Parameters = DcOffsetParameters

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:  # noqa: ARG002
        """See `Condition.apply`."""
        moved: Wide = samples + self.parameters.offset
        return moved


CONDITION = DcOffset

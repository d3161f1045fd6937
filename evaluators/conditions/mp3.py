"""MPEG audio layer III, a codec of music files."""

from __future__ import annotations

from typing import Annotated

import pydantic

from device_profiles.record import Record
from evaluators.conditions._coding import LossyCodec


class Mp3Parameters(Record):
    """How much is left away."""

    compression_level: Annotated[float, pydantic.Field(ge=0, le=0.99)] = 0.5
    """libsndfile's: 0 is the best that the codec gives, 0.99 the smallest file"""


class Mp3(LossyCodec):
    """By LAME and mpg123.

    Source: ISO/IEC 11172-3 and 13818-3.
    """

    Parameters = Mp3Parameters
    rates_hz = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
    container, codec = "MP3", "MPEG_LAYER_III"


CONDITION = Mp3

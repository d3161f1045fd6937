"""Opus, the codec of calls over the internet."""

from __future__ import annotations

from evaluators.conditions._coding import LossyCodec


class Opus(LossyCodec):
    """By libopus.

    Source: RFC 6716, "Definition of the Opus Audio Codec".
    """

    rates_hz = (8000, 12_000, 16_000, 24_000, 48_000)
    container, codec = "OGG", "OPUS"


CONDITION = Opus

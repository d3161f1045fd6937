"""Vorbis, a codec of music files."""

from __future__ import annotations

from evaluators.conditions._coding import LossyCodec


class Vorbis(LossyCodec):
    """By libvorbis, at the rates it is tuned for.

    Source: Xiph.Org Foundation, "Vorbis I specification".
    """

    rates_hz = (8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000)
    container, codec = "OGG", "VORBIS"


CONDITION = Vorbis

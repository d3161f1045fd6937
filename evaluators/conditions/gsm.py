"""GSM 06.10 full rate, the codec of the first mobile phones: 8 kHz, 13 kbit/s."""

from __future__ import annotations

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._coding import code
from evaluators.conditions._rates import treat_at

_RATE_HZ = 8000


class GsmParameters(Record):
    """There is no choice."""


class Gsm(Condition):
    """Audio at 8 kHz, coded and decoded by libsndfile's copy of Degener's and Bormann's program, at its own rate again.

    Source: ETSI EN 300 961, "Full rate speech; Transcoding (GSM 06.10)".
    """

    Parameters = GsmParameters
    libraries = ("soundfile", "soxr")

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        rate_hz = surroundings.sample_rate_hz
        return treat_at(samples, rate_hz, _RATE_HZ, lambda audio: code(audio, _RATE_HZ, "WAV", "GSM610"))


CONDITION = Gsm

"""G.722, the codec of wideband telephones: 16 kHz, 64, 56 or 48 kbit/s."""

from __future__ import annotations

import array
from typing import Literal

import numpy as np

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._pcm import Pcm, code_pcm
from evaluators.conditions._rates import treat_at

RATE_HZ = 16_000
DELAY_SAMPLES = 22
"""of encoder and decoder together, by their filters of 24 taps that part the two bands and join them (tests measure
it)"""


class G722Parameters(Record):
    """How many bits a second."""

    kbit_s: Literal[64, 56, 48] = 64
    """each step down takes one bit of the lower band's six"""


class G722(Condition):
    """Audio at 16 kHz, coded in two bands by adaptive differences, decoded, its delay undone, at its own rate again.

    By libg722, which gives the bytes and samples that FFmpeg's encoder and decoder give.

    Source: ITU-T G.722 (09/2012), "7 kHz audio-coding within 64 kbit/s".
    """

    Parameters = G722Parameters
    libraries = ("G722", "soxr")
    extra = "codecs"

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        return treat_at(samples, surroundings.sample_rate_hz, RATE_HZ, self._code)

    def _code(self, samples: Wide) -> Wide:
        def code(channel: Pcm) -> Pcm:
            return decode(encode(channel, self.parameters.kbit_s), self.parameters.kbit_s)

        return code_pcm(samples, code, delay_samples=DELAY_SAMPLES, frame_samples=2)


def encode(samples: Pcm, kbit_s: int = 64) -> bytes:
    """The coded bytes, one for two samples, of `(samples,)`, an even number, at 16 kHz."""
    import G722

    coded: bytes = G722.G722(RATE_HZ, kbit_s * 1000).encode(array.array("h", samples.tolist()))
    return coded


def decode(coded: bytes, kbit_s: int = 64) -> Pcm:
    """The samples, `(samples,)` at 16 kHz, two of each byte."""
    import G722

    return np.asarray(G722.G722(RATE_HZ, kbit_s * 1000).decode(coded), np.int16)


CONDITION = G722

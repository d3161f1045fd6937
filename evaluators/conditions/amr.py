"""AMR, the codec of mobile phones' calls from GSM to 4G: 8 kHz, 4.75 to 12.2 kbit/s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._pcm import Pcm, code_pcm
from evaluators.conditions._rates import treat_at
from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

RATE_HZ = 8000
FRAME_SAMPLES = 160
DELAY_SAMPLES = 40
"""by which the encoder looks ahead, 5 ms in every mode (tests measure it)"""
MODES_KBIT_S = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
CODEC: Final = "libopencore_amrnb"
"""as FFmpeg names it"""


class AmrParameters(Record):
    """How many bits a second."""

    kbit_s: float = 12.2
    """one of the eight modes, the same for the whole clip"""

    @pydantic.field_validator("kbit_s")
    @classmethod
    def _is_a_mode(cls, kbit_s: float) -> float:
        if kbit_s not in MODES_KBIT_S:
            raise ValueError(f"{kbit_s:g} is no mode of AMR; right is one of {', '.join(map(str, MODES_KBIT_S))}")
        return kbit_s


class Amr(Condition):
    """Audio at 8 kHz, coded and decoded, its delay undone, at its own rate again; speech in pauses is coded as well.

    By OpenCORE's encoder and decoder, whose arithmetic is of whole numbers, out of the FFmpeg in PyAV's wheels.

    Source: 3GPP TS 26.090, "Adaptive Multi-Rate (AMR) speech codec; Transcoding functions".
    """

    Parameters = AmrParameters
    libraries = ("av", "soxr")
    extra = "codecs-gpl"

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        return treat_at(samples, surroundings.sample_rate_hz, RATE_HZ, self._code)

    def _code(self, samples: Wide) -> Wide:
        def code(channel: Pcm) -> Pcm:
            return decode(encode(channel, self.parameters.kbit_s))

        return code_pcm(samples, code, delay_samples=DELAY_SAMPLES, frame_samples=FRAME_SAMPLES)


def encode(samples: Pcm, kbit_s: float = 12.2) -> list[bytes]:
    """The coded frames, 20 ms each, of `(samples,)` at 8 kHz, and one more that flushes the encoder.

    Raises:
        EvaluationError: The installed av has no encoder of AMR.
    """
    import av

    encoder = _open("w")
    encoder.bit_rate = round(kbit_s * 1000)
    encoder.format = av.AudioFormat("s16")
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    return [bytes(packet) for given in (frame, None) for packet in encoder.encode(given)]


def decode(frames: list[bytes]) -> Pcm:
    """The samples, `(samples,)` at 8 kHz, 160 of each frame.

    Raises:
        EvaluationError: The installed av has no decoder of AMR.
    """
    import av

    decoder = _open("r")
    decoded = [one for given in frames for one in decoder.decode(av.Packet(given))]
    return np.concatenate([one.to_ndarray()[0] for one in decoded])


def _open(mode: Literal["r", "w"]) -> AudioCodecContext:
    import av

    try:
        context = av.CodecContext.create(CODEC, mode)
    except av.codec.codec.UnknownCodecError:
        raise EvaluationError(
            f"the installed av {av.__version__} has no {CODEC}; PyAV's own wheels bring an FFmpeg that has: "
            "pip install --force-reinstall --only-binary av av"
        ) from None
    context.sample_rate, context.layout = RATE_HZ, "mono"
    return context


CONDITION = Amr

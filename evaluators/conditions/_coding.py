"""Audio through an encoder and its decoder, by libsndfile, and what codecs with a choice of quality have in common."""

from __future__ import annotations

import io
from typing import Annotated, ClassVar

import numpy as np
import pydantic
import soundfile

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._rates import choose_rate, treat_at
from evaluators.errors import EvaluationError

_BLOCK = 1 << 14
"""samples written at once: libsndfile's Vorbis encoder keeps a whole block on its stack"""


def code(samples: Wide, rate_hz: int, container: str, codec: str, level: float | None = None) -> Wide:
    """What a decoder gives of coded audio, each channel coded alone.

    Containers hold how many samples the encoder put before the audio, and libsndfile leaves those out: nothing is
    shifted (tests measure it).

    Args:
        samples: `(channels, samples)`; what lies beyond full scale is cut off.
        rate_hz: One that the codec knows.
        container: As libsndfile names it, for example "OGG".
        codec: As libsndfile names it, for example "OPUS".
        level: How much is left away, 0 to 1, where the codec has a choice.

    Raises:
        EvaluationError: The installed libsndfile lacks the codec.
    """
    if codec not in soundfile.available_subtypes(container):
        raise EvaluationError(
            f"the installed libsndfile {soundfile.__libsndfile_version__} has no {codec} in {container}; "
            "soundfile's own wheels bring one that has: pip install --force-reinstall soundfile"
        )
    limited = np.clip(samples, -1.0, 1.0)
    return np.stack([_code_channel(channel, rate_hz, container, codec, level) for channel in limited])


def _code_channel(channel: Wide, rate_hz: int, container: str, codec: str, level: float | None) -> Wide:
    coded = encode(channel, rate_hz, container, codec, level)
    decoded: Wide = soundfile.read(io.BytesIO(coded), dtype="float64")[0]
    return np.pad(decoded, (0, max(len(channel) - len(decoded), 0)))[: len(channel)]


def encode(channel: Wide, rate_hz: int, container: str, codec: str, level: float | None = None) -> bytes:
    """The file that a codec makes of `(samples,)`; the other arguments are those of `code`."""
    memory = io.BytesIO()
    choice = {} if level is None else {"compression_level": level}
    with soundfile.SoundFile(memory, "w", rate_hz, 1, codec, format=container, **choice) as file:
        for start in range(0, len(channel), _BLOCK):
            file.write(channel[start : start + _BLOCK])
    return memory.getvalue()


class CodecParameters(Record):
    """How much is left away."""

    compression_level: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.5
    """libsndfile's: 0 is the best that the codec gives, 1 the smallest file"""


class LossyCodec(Condition):
    """Coded and decoded at the lowest of a codec's rates that loses nothing, and at the audio's own rate again."""

    Parameters: ClassVar[type[Record]] = CodecParameters
    libraries = ("soundfile", "soxr")
    rates_hz: ClassVar[tuple[int, ...]]
    """that the codec is made for"""
    container: ClassVar[str]
    codec: ClassVar[str]
    """both as libsndfile names them"""

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        own_hz, level = surroundings.sample_rate_hz, self.parameters.compression_level
        rate_hz = choose_rate(own_hz, self.rates_hz)
        return treat_at(samples, own_hz, rate_hz, lambda audio: code(audio, rate_hz, self.container, self.codec, level))

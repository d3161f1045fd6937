"""What else is heard in a room: recordings of speech, keyboards or music, at a signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide, mean_power
from evaluators.conditions._mixing import add_noise
from evaluators.errors import EvaluationError
from evaluators.windows import Samples

_LEAST_POWER = 1e-6
"""-60 dB of full scale: what is below it is a recording of silence, and no noise"""
_MOST_DRAWS = 100


class BackgroundParameters(Record):
    """Which recordings, how many at once, and how loud."""

    recordings: Annotated[str, pydantic.Field(min_length=1, max_length=200)] = "builtin:speech-prompts-en"
    """a dataset of testpress datasets, as "builtin:NAME", or a folder of audio files, relative to the recipe"""
    layers: Annotated[int, pydantic.Field(ge=1, le=32)] = 1
    """how many sound at once: 1 is one talker or one typist, 6 of speech are babble"""
    snr_db: Annotated[float, pydantic.Field(ge=-30, le=80)] = 10.0
    """power of the clip over that of the background, both over all channels and the whole clip"""


class Background(Condition):
    """Recordings under the clip; all channels hear the same. A silent clip has no level for a ratio: it stays silent.

    A layer is one recording after another, drawn at random, the first from a place drawn at random; layers are of equal
    power. Recordings of several channels are averaged, and brought to the clip's rate.
    """

    Parameters = BackgroundParameters
    libraries = ("soundfile", "soxr")

    def list_recordings(self) -> tuple[str, ...]:
        """See `Condition.list_recordings`."""
        return (self.parameters.recordings,)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`; the ratio is exact."""
        if mean_power(samples) == 0:
            return samples
        name = self.parameters.recordings
        recordings = surroundings.recordings.get(name, ())
        if not recordings:
            raise EvaluationError(f"condition background: no recording of {name} is at hand")
        mixed = np.zeros(samples.shape[1])
        for _ in range(self.parameters.layers):
            mixed += _lay(recordings, samples.shape[1], surroundings.random, name)
        if not mixed.any():  # layers that undo each other
            raise EvaluationError(f"condition background: the recordings of {name} add up to silence")
        return add_noise(samples, np.broadcast_to(mixed, samples.shape), self.parameters.snr_db)


def _lay(recordings: Sequence[Callable[[], Samples]], n_samples: int, random: np.random.Generator, name: str) -> Wide:
    """One layer, `(samples,)`, of power 1."""
    for _ in range(_MOST_DRAWS):
        pieces: list[Wide] = []
        missing = n_samples
        while missing > 0:
            piece = recordings[int(random.integers(len(recordings)))]()[0].astype(np.float64)
            if not pieces:
                piece = piece[int(random.integers(len(piece))) :]
            pieces.append(piece[:missing])
            missing -= len(pieces[-1])
        layer = np.concatenate(pieces)
        power = mean_power(layer)
        if power >= _LEAST_POWER:
            found: Wide = layer / np.sqrt(power)
            return found
    raise EvaluationError(
        f"condition background: the recordings of {name} are too quiet: none of {_MOST_DRAWS} draws was above -60 dB "
        "of full scale"
    )


CONDITION = Background

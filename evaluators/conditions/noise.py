"""Noise at a signal-to-noise ratio: white, pink, or babble of the dataset's other clips."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pydantic
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide, mean_power
from evaluators.conditions._mixing import add_noise

_LOWEST_PINK_HZ = 20.0
"""below it pink noise is still: half of its power would else lie where nothing is heard"""


class NoiseParameters(Record):
    """Which noise, and how loud."""

    colour: Literal["white", "pink", "babble"] = "pink"
    """white: equal power a hertz · pink: equal power an octave, from 20 Hz · babble: other clips of the dataset"""
    snr_db: Annotated[float, pydantic.Field(ge=-30, le=80)] = 10.0
    """power of the clip over that of the noise, both over all channels and the whole clip"""
    voices: Annotated[int, pydantic.Field(ge=1, le=32)] = 6
    """of babble: how many clips sound at once"""


class Noise(Condition):
    """Added noise, each channel its own. A silent clip has no level that a ratio could be of: it stays silent.

    Babble is of clips drawn from the others, each from a place drawn at random, repeated where it is too short, and all
    of equal power; where there is no other clip, of the clip itself played backwards.
    """

    Parameters = NoiseParameters
    libraries = ("scipy",)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`; the ratio is exact."""
        if mean_power(samples) == 0:
            return samples
        noise = self._make(samples, surroundings)
        if mean_power(noise) == 0:
            noise = surroundings.random.standard_normal(samples.shape)
        return add_noise(samples, noise, self.parameters.snr_db)

    def _make(self, samples: Wide, surroundings: Surroundings) -> Wide:
        if self.parameters.colour == "white":
            return surroundings.random.standard_normal(samples.shape)
        if self.parameters.colour == "pink":
            return _make_pink(samples.shape, surroundings)
        return _mix_babble(samples, surroundings, self.parameters.voices)


def _make_pink(shape: tuple[int, ...], surroundings: Surroundings) -> Wide:
    channels, n_samples = shape
    n_drawn = next_fast_len(n_samples, real=True)
    white = surroundings.random.standard_normal((channels, n_drawn))
    frequencies = rfftfreq(n_drawn, 1 / surroundings.sample_rate_hz)
    heard = frequencies >= _LOWEST_PINK_HZ
    if not heard.any():
        return white[:, :n_samples]
    gains = np.where(heard, 1 / np.sqrt(np.maximum(frequencies, _LOWEST_PINK_HZ)), 0.0)
    pink: Wide = irfft(rfft(white) * gains, n_drawn)[:, :n_samples]
    return pink


def _mix_babble(samples: Wide, surroundings: Surroundings, voices: int) -> Wide:
    others, random = surroundings.others, surroundings.random
    mixed = np.zeros_like(samples)
    for _ in range(voices):
        voice = np.float64(others[int(random.integers(len(others)))]()) if others else samples[:, ::-1]
        start = int(random.integers(voice.shape[1]))
        piece = np.resize(np.roll(voice, -start, axis=1).T, mixed.T.shape).T
        power = mean_power(piece)
        if power > 0:
            mixed += piece / np.sqrt(power)
    return mixed


CONDITION = Noise

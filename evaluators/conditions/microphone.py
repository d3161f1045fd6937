"""A phone's microphone: what lies low is taken out, the sound hole rings, and what lies high is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pydantic
from scipy.fft import irfft, next_fast_len

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide
from evaluators.conditions._filtering import check_low_end, filter_in_place

_LEVEL_HZ = 1000.0
"""where the gain is 1, as data sheets draw it"""
_HIGH_ORDER = 2
_PEAK_Q = 1.41
"""an octave wide"""
_BELLS = 3
_BELLS_FROM_HZ, _BELLS_TO_HZ = 200.0, 8000.0
_PERIODS = 8.0
"""of the low end, that the filter reaches to each side"""
_MOST_HALF_S = 0.5


class MicrophoneParameters(Record):
    """Its response, that is level over frequency, against the level at 1 kHz."""

    low_hz: Annotated[float, pydantic.Field(ge=20, le=1000)] = 150.0
    """-3 dB; below it the level falls by 6 dB an octave times `order`"""
    order: Annotated[int, pydantic.Field(ge=1, le=4)] = 2
    """of the filter at the low end (Butterworth)"""
    peak_hz: Annotated[float, pydantic.Field(ge=500, le=40_000)] = 4000.0
    """where the presence peak is, an octave wide"""
    peak_db: Annotated[float, pydantic.Field(ge=-20, le=20)] = 4.0
    """how high it is"""
    high_hz: Annotated[float, pydantic.Field(ge=1000, le=100_000)] = 7000.0
    """-3 dB; above it the level falls by 12 dB an octave (Butterworth)"""
    spread_db: Annotated[float, pydantic.Field(ge=0, le=10)] = 1.5
    """how far units differ: each clip has one of its own, with three bells of up to this height, 200 to 8000 Hz"""


class Microphone(Condition):
    """A filter of linear phase, so that every event stays at its own time; a real one delays by less than 1 ms.

    The defaults are no phone's. They keep a rule for all: within 5 dB between 200 and 5000 Hz, not above it at 6.3 kHz,
    at 100 Hz no louder than that band's middle (tests measure it). `low_hz = 250, order = 4` is the filter that iPhones
    put before recordings unless an app asks for measurement mode.

    Source: 3GPP TS 26.131, table 13 (hand-held hands-free, wideband, sending). Studio Six Digital, "Built-in
    microphone", for the iPhone's 24 dB an octave from 250 Hz. Feiertag et al., "Determining the acoustic resistance of
    small sound holes for MEMS microphones", Procedia Engineering 25 (2011), 1509-1512, for the hole as a low-pass. The
    bell is that of R. Bristow-Johnson's "Cookbook formulae for audio equalizer biquad filter coefficients".
    """

    Parameters = MicrophoneParameters
    libraries = ("scipy",)

    def check_rate(self, sample_rate_hz: int) -> None:
        """See `Condition.check_rate`."""
        check_low_end(self.parameters.low_hz, sample_rate_hz)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        self.check_rate(surroundings.sample_rate_hz)
        random, spread_db = surroundings.random, self.parameters.spread_db
        places_hz = _BELLS_FROM_HZ * (_BELLS_TO_HZ / _BELLS_FROM_HZ) ** random.random(_BELLS)
        bells = [(hertz, spread_db * (2 * random.random() - 1)) for hertz in places_hz.tolist()]
        return filter_in_place(samples, _design(self.parameters, bells, surroundings.sample_rate_hz))


def compute_gains(
    parameters: MicrophoneParameters, frequencies_hz: Wide, bells: Sequence[tuple[float, float]] = ()
) -> Wide:
    """The response at some frequencies, as factors.

    Args:
        parameters: The microphone.
        frequencies_hz: Not below zero.
        bells: Where in Hz this unit differs from the others, and by how many dB.
    """
    hertz = np.append(frequencies_hz, _LEVEL_HZ)
    low, high = hertz / parameters.low_hz, hertz / parameters.high_hz
    gains: Wide = low**parameters.order / np.sqrt(1 + low ** (2 * parameters.order))
    gains /= np.sqrt(1 + high ** (2 * _HIGH_ORDER))
    for place_hz, height_db in ((parameters.peak_hz, parameters.peak_db), *bells):
        gains *= _ring(hertz, place_hz, height_db)
    level: Wide = gains[:-1] / gains[-1]
    return level


def _ring(hertz: Wide, place_hz: float, height_db: float) -> Wide:
    """A bell an octave wide, as a resonance has it."""
    root = 10.0 ** (height_db / 40)
    ratio = hertz / place_hz
    straight = (1 - ratio**2) ** 2
    gains: Wide = np.sqrt((straight + (ratio * root / _PEAK_Q) ** 2) / (straight + (ratio / (root * _PEAK_Q)) ** 2))
    return gains


def _design(parameters: MicrophoneParameters, bells: Sequence[tuple[float, float]], sample_rate_hz: int) -> Wide:
    """The filter's taps, symmetric, an odd number of them."""
    half = max(1, int(min(_PERIODS / parameters.low_hz, _MOST_HALF_S) * sample_rate_hz))
    n_points = next_fast_len(8 * half, real=True)
    n_points += n_points % 2
    frequencies = np.arange(n_points // 2 + 1) * (sample_rate_hz / n_points)
    response = irfft(compute_gains(parameters, frequencies, bells), n_points)
    taps: Wide = np.concatenate([response[-half:], response[: half + 1]]) * np.hanning(2 * half + 3)[1:-1]
    return taps


CONDITION = Microphone

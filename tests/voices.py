"""Voice-like sounds that need no package: pulses of a glottis through formants of vowels, pauses, faint noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.signal

RATE_HZ = 16000
SECONDS = 3.0
SPEAKERS_HZ = {"low": 110.0, "middle": 180.0, "high": 240.0}
"""by name, the pitch that a speaker starts from"""

_VOWELS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
"""first three formants. Source: Peterson and Barney, "Control methods used in a study of the vowels", 1952 (men)"""

_SYLLABLE_S, _PAUSE_S = 0.35, 0.15
_NOISE_RMS = 1e-3


def speak(pitch_hz: float, *, seed: int) -> npt.NDArray[np.float32]:
    """A clip of syllables with pauses, float32, peak 0.5."""
    generator = np.random.default_rng(seed)
    voice = generator.normal(scale=_NOISE_RMS, size=round(SECONDS * RATE_HZ))
    start = round(_PAUSE_S * RATE_HZ)
    while start + round(_SYLLABLE_S * RATE_HZ) < len(voice):
        formants = _VOWELS_HZ[generator.integers(len(_VOWELS_HZ))]
        syllable = _syllable(pitch_hz * generator.uniform(0.9, 1.2), formants)
        voice[start : start + len(syllable)] += syllable
        start += round((_SYLLABLE_S + generator.uniform(0.3, 1.5) * _PAUSE_S) * RATE_HZ)
    scaled: npt.NDArray[np.float32] = (0.5 * voice / np.abs(voice).max()).astype(np.float32)
    return scaled


def _syllable(pitch_hz: float, formants: tuple[int, ...]) -> npt.NDArray[np.float64]:
    count = round(_SYLLABLE_S * RATE_HZ)
    glide = pitch_hz * np.linspace(1.0, 0.85, count)
    phase = np.cumsum(glide) / RATE_HZ
    pulses = (np.diff(np.floor(phase), prepend=0) > 0).astype(np.float64)
    for formant in formants:
        radius, angle = np.exp(-np.pi * 90 / RATE_HZ), 2 * np.pi * formant / RATE_HZ
        pulses = scipy.signal.lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], pulses)
    shaped: npt.NDArray[np.float64] = pulses * scipy.signal.windows.tukey(count, 0.3)
    return shaped / max(float(np.abs(shaped).max()), 1e-9)

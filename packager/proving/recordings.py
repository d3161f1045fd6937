"""A recording of a few seconds that an app's whole path can be tested on: resampler, windows, states, stitching.

It is made of formulas, since a dataset's clips may not be handed on. A voice-like tone glides and pauses, and what lies
above the model's own band would fold into it if it were resampled without a filter. Around half the model's rate, where
good resamplers differ, there is nothing.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packager.bounds import MAX_SAMPLE_RATE_HZ
from packager.bundle import AudioContract

_SEED = 20261201
_LEAST_S, _MOST_S = 2.0, 12.0
_GUARD = (0.8, 1.2)
"""of half the model's rate: libsoxr's HQ keeps all below 0.913 of it, and cuts all above 1"""
_VOICE_PEAK, _ABOVE_RMS, _HISS_RMS = 0.4, 0.02, 0.001
_LOWEST_HZ, _HIGHEST_HZ = 110.0, 440.0


def choose_rate(audio: AudioContract) -> int:
    """The rate that the recording has: a phone's 48 kHz, and where the model's own is near that, twice it."""
    if audio.sample_rate_hz < 40_000 or 2 * audio.sample_rate_hz > MAX_SAMPLE_RATE_HZ:
        return 48_000
    return 2 * audio.sample_rate_hz


def make_recording(audio: AudioContract, rate_hz: int) -> npt.NDArray[np.int16]:
    """Samples `(samples, channels)` at `rate_hz`, long enough for three windows where these last a few seconds."""
    wanted_s = (audio.window_samples + 1.5 * audio.hop_samples) / audio.sample_rate_hz
    n_samples = round(min(max(wanted_s, _LEAST_S), _MOST_S) * rate_hz)
    mono = make_sound(n_samples, rate_hz, audio.sample_rate_hz)
    channels = [np.roll(mono, 11 * channel) * 0.8**channel for channel in range(audio.channels)]
    return np.rint(32767 * np.clip(np.stack(channels, axis=1), -1, 1)).astype(np.int16)


def make_sound(n_samples: int, rate_hz: int, model_rate_hz: int) -> npt.NDArray[np.float64]:
    """The sound itself, full scale 1.

    Args:
        n_samples: How long.
        rate_hz: At which rate.
        model_rate_hz: Whose half is kept free.
    """
    seconds = np.arange(n_samples) / rate_hz
    sound = _sing(seconds, min(model_rate_hz, rate_hz) / 2 * _GUARD[0])
    spectrum = np.fft.rfft(np.random.default_rng(_SEED).normal(size=n_samples))
    hertz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    below, above = hertz < model_rate_hz / 2 * _GUARD[0], hertz > model_rate_hz / 2 * _GUARD[1]
    for band, rms in ((below, _HISS_RMS), (above, _ABOVE_RMS)):
        noise = np.fft.irfft(np.where(band, spectrum, 0), n_samples)
        loudness = float(np.sqrt(np.mean(noise**2)))
        sound = sound + (noise * rms / loudness if loudness else 0)
    return sound


def _sing(seconds: npt.NDArray[np.float64], limit_hz: float) -> npt.NDArray[np.float64]:
    """Harmonics of a tone that glides between two octaves, four syllables a second, a pause every second."""
    octaves = 0.5 - 0.5 * np.cos(2 * np.pi * seconds / 1.7) + 0.02 * np.sin(2 * np.pi * 5.5 * seconds)
    hertz = _LOWEST_HZ * (_HIGHEST_HZ / _LOWEST_HZ) ** octaves
    step = seconds[1] - seconds[0] if len(seconds) > 1 else 0.0
    phase = 2 * np.pi * np.cumsum(hertz) * step
    sound = np.zeros_like(seconds)
    for harmonic in range(1, 1 + max(int(limit_hz // (_HIGHEST_HZ * 1.05)), 1)):
        sound += np.sin(harmonic * phase) / harmonic
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * seconds)
    pauses = (seconds % 1.0 < 0.8).astype(np.float64)
    return _VOICE_PEAK * sound * syllables * pauses / max(float(np.max(np.abs(sound), initial=0)), 1.0)


def write_wav(samples: npt.NDArray[np.int16], rate_hz: int, path: Path) -> None:
    """Write `(samples, channels)` as a WAV file, which holds nothing else: the same samples give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())

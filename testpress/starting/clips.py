"""A short sample of clips, made here, for a recipe whose user names no data: it runs, and is no evidence of quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = "sample_clips"
_LEAST_S = 2.0
_MOST_S = 30.0
_SEED = 20261201
_PEAK = 0.5


def make_clips(rate_hz: int, channels: int, window_samples: int) -> dict[str, npt.NDArray[np.float32]]:
    """Sounds that differ in level, tone and noise, each long enough for two calls of a model.

    Args:
        rate_hz: Of the audio.
        channels: Of the audio.
        window_samples: Of one call.

    Returns:
        File name → float32 `(samples, channels)`.
    """
    seconds = min(max(_LEAST_S, 2 * window_samples / rate_hz), max(_MOST_S, window_samples / rate_hz))
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    chance = np.random.default_rng(_SEED)
    top_hz = min(4000.0, 0.4 * rate_hz)
    sweep = np.sin(2 * np.pi * 100 * seconds / np.log(top_hz / 100) * ((top_hz / 100) ** (time_s / seconds) - 1))
    beat = np.exp(-8 * (time_s % 0.25)) * chance.normal(size=len(time_s))
    step = np.floor(time_s / 0.2).astype(int)
    notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4])[step % 6] / 12)
    phase = 2 * np.pi * np.cumsum(notes) / rate_hz
    melody = sum(np.sin(number * phase) / number for number in range(1, 5) if number * 440 < 0.45 * rate_hz)
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * time_s)
    speechlike = swell * np.convolve(chance.normal(size=len(time_s)), np.ones(8) / 8, "same")
    sounds = {"sweep": sweep, "beats": beat, "melody": melody, "murmur": speechlike}
    return {f"{name}.wav": _spread(sound, channels) for name, sound in sounds.items()}


def _spread(sound: npt.ArrayLike, channels: int) -> npt.NDArray[np.float32]:
    samples = np.asarray(sound, np.float64)
    samples = _PEAK * samples / np.abs(samples).max()
    return np.stack([samples / (1 + channel) for channel in range(channels)], axis=1).astype(np.float32)


def encode_clip(samples: npt.NDArray[np.float32], rate_hz: int, path: Path) -> None:
    """Write a clip as WAV of 16 bits."""
    import soundfile

    soundfile.write(path, samples, rate_hz, subtype="PCM_16", format="WAV")

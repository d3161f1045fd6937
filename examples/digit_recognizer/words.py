"""The words of a telephone's keys, one recording each, and how they are joined to sequences. All draws are seeded.

Training has the recordings as they are, the test the same recordings through real GSM: other sequences, speeds, levels
and noise, but the same speaker and the same takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluators.datasets.builtin.reading import read_clips

RATE_HZ = 8000
DATASET = "speech-prompts-en"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "star", "pound")
LENGTH = 38400
"""samples of a sequence: 4.8 s"""
_TAIL = 3200
"""samples without a word at the end, in which the last one may still be told"""
_MARGIN = 160
"""samples that stay before and after what is loud of a recording"""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sequence:
    """Samples, the words in them by number, and where each lies, in samples."""

    samples: Samples
    words: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


def load_words(codec: Literal["wav", "gsm"]) -> list[Samples]:
    """The recording of each word, without the silence around it."""
    found: dict[str, Samples] = {}
    for line, samples in read_clips(DATASET, ("text",), rate_hz=RATE_HZ, options={"codec": codec}):
        if line["tags"] == ["digits"] and line["text"] in WORDS:
            loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
            found[line["text"]] = samples[max(loud[0] - _MARGIN, 0) : loud[-1] + _MARGIN]
    return [found[word] for word in WORDS]


def join(recordings: list[Samples], random: np.random.Generator, *, snr_db: float) -> Sequence:
    """One to seven words, as many as find room, with pauses, each at a speed and level of its own, in noise."""
    samples = np.zeros(LENGTH)
    words, places = [], []
    at = round(random.uniform(0, 0.5) * RATE_HZ)
    for _ in range(random.integers(1, 8)):
        word = int(random.integers(len(WORDS)))
        voice = _resample(recordings[word], random.uniform(0.88, 1.14)) * 10 ** (random.uniform(-6, 2) / 20)
        if at + len(voice) > LENGTH - _TAIL:
            break
        samples[at : at + len(voice)] = voice
        words.append(word)
        places.append((at, at + len(voice)))
        at += len(voice) + round(random.uniform(0, 0.35) * RATE_HZ)
    spectrum = np.fft.rfft(random.normal(size=LENGTH))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** random.uniform(0, 0.6), LENGTH)
    loudness = float(np.sqrt(np.mean(samples**2))) * 10 ** (-snr_db / 20)
    mixed = (samples + noise / noise.std() * loudness) * 10 ** (random.uniform(-12, 0) / 20)
    return Sequence(np.clip(mixed, -1, 1).astype(np.float32), tuple(words), tuple(places))


def _resample(samples: Samples, speed: float) -> Samples:
    """Faster and higher, or slower and lower, by linear interpolation."""
    places = np.arange(0, len(samples) - 1, speed)
    found: Samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return found

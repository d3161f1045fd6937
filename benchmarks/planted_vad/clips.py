"""Prompts joined with pauses, in two halves that share no recording: one to choose a range by, one to test with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluators.datasets.builtin.reading import read_clips

RATE_HZ = 16000
JOINED = 3
"""as the example's recipe has it"""
LEVELS_DB = (-1.0, 0.0)
"""of a drawn clip; noise is seeded by the samples, so that another level has other noise"""


@dataclass(frozen=True)
class Clip:
    """A recording at 16 kHz, float32 `(samples,)`, and when somebody speaks."""

    samples: npt.NDArray[np.float32]
    speech: list[list[float]]


def load_half(half: Literal["choose", "test"]) -> list[Clip]:
    """Every second clip."""
    lines = read_clips("speech-prompts-en", ("speech",), rate_hz=RATE_HZ, options={"joined": JOINED})
    clips = [Clip(samples, _end(line["speech"], len(samples) / RATE_HZ)) for line, samples in lines]
    return clips[half == "test" :: 2]


def draw_clips(clips: list[Clip], count: int, random: np.random.Generator) -> list[Clip]:
    """Some of the clips, each once, at other levels."""
    chosen = random.choice(len(clips), count, replace=False)
    gains = 10 ** (random.uniform(*LEVELS_DB, count) / 20)
    return [
        Clip(clips[index].samples * np.float32(gain), clips[index].speech)
        for index, gain in zip(chosen, gains, strict=True)
    ]


def _end(speech: list[list[float]], duration_s: float) -> list[list[float]]:
    """Nothing after the clip: resampling may have shortened it by a sample."""
    return [[start_s, min(end_s, duration_s)] for start_s, end_s in speech]

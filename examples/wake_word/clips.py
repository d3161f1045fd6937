"""What the wake word is trained and tested with: built-in datasets at 8 kHz, divided clip by clip.

The keywords are two words that one speaker of telephone prompts says often, first in a sentence: "press" and "please".
Where a sentence begins is known, where a word within it lies is not; so a clip with one of them anywhere else is only
trained with, up to where its first word is over. No recording is in both halves; the speaker is the same in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluators.datasets.builtin.reading import read_clips

RATE_HZ = 8000
WORDS = ("press", "please")
KEYWORD_S = 0.4
"""how long either is taken to last from its onset on; nobody measured it"""
SPEECH, LETTERS, STROKES, SOUNDS = "speech-prompts-en", "spoken-letters", "keyboard-noise", "instrument-samples"
DATASETS = (SPEECH, LETTERS, STROKES, SOUNDS)

Half = Literal["train", "test"]
Samples = npt.NDArray[np.float32]
_STEMS = ("press", "pleas")
_FIRST_WORD_S = 0.8
"""of a clip that says a keyword again: by then its first word is over, and its second keyword has not begun"""


@dataclass(frozen=True)
class Clip:
    """A recording at 8 kHz, float32."""

    samples: Samples
    word: str | None = None
    """the keyword it begins with"""
    onset_s: float = 0.0
    """when it does"""


@dataclass(frozen=True)
class Clips:
    """One half of what there is."""

    keywords: tuple[Clip, ...]
    speech: tuple[Clip, ...]
    """without the keywords"""
    letters: tuple[Clip, ...]
    """by many voices in twenty languages"""
    strokes: tuple[Clip, ...]
    sounds: tuple[Clip, ...]


def load_clips(half: Half) -> Clips:
    """Read one half; every second clip of each kind is in the other."""
    keywords: dict[str, list[Clip]] = {word: [] for word in WORDS}
    again, speech = [], []
    for line, samples in read_clips(SPEECH, ("text", "speech"), rate_hz=RATE_HZ):
        words = re.findall(r"[a-z]+", line["text"].lower())
        said = [word for word in words if word.startswith(_STEMS)]
        onset_s = line["speech"][0][0] if line["speech"] else 0.0
        if not said:
            speech.append(Clip(samples))
        elif words[0] in WORDS and len(said) == 1:
            keywords[words[0]].append(Clip(samples, words[0], onset_s))
        elif words[0] in WORDS and words[1] not in WORDS:
            again.append(Clip(samples[: round((onset_s + _FIRST_WORD_S) * RATE_HZ)], words[0], onset_s))
    found = [clip for word in WORDS for clip in _take(keywords[word], half)]
    return Clips(
        keywords=(*found, *(again if half == "train" else ())),
        speech=_take(speech, half),
        letters=_take([Clip(samples) for _, samples in read_clips(LETTERS, rate_hz=RATE_HZ)], half),
        strokes=_take([Clip(samples) for _, samples in read_clips(STROKES, rate_hz=RATE_HZ)], half),
        sounds=_take([Clip(samples) for _, samples in read_clips(SOUNDS, rate_hz=RATE_HZ)], half),
    )


def _take(clips: list[Clip], half: Half) -> tuple[Clip, ...]:
    """Every second one; some keys of the keyboard share a recording, which counts once."""
    different = list({clip.samples.tobytes(): clip for clip in clips}.values())
    return tuple(different[half == "test" :: 2])

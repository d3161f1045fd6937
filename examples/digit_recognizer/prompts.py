"""What the digit recogniser is trained and tested with: telephone prompts, and which digits and keys each one says.

"Press 1 for help" says "one"; most prompts say none. No recording is in both halves; the speaker is the same in both.
The ten digits by themselves, and "star" and "pound", are there once each, and are trained with.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluators.datasets.builtin.making import find_dataset, locate_builtin

RATE_HZ = 8000
DATASET = "speech-prompts-en"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = (*DIGITS, "star", "pound")
LONGEST_S = 26.0
"""of a prompt that is trained with or tested with; one is longer"""

Half = Literal["train", "test"]
Samples = npt.NDArray[np.float32]
_KEYS = {"*": "star", "#": "pound", **{str(number): word for number, word in enumerate(DIGITS)}}


@dataclass(frozen=True)
class Prompt:
    """A recording at 8 kHz, float32, and the words of `WORDS` that it says, in order."""

    samples: Samples
    words: tuple[str, ...]

    @property
    def is_alone(self) -> bool:
        """Whether it is one word and no more."""
        return len(self.words) == 1 and len(self.samples) < 1.1 * RATE_HZ


def find_words(text: str) -> tuple[str, ...]:
    """The words of `WORDS` in a transcript, whether it spells them or writes them as digits and signs."""
    spelled = re.sub(r"[0-9*#]", lambda found: f" {_KEYS[found[0]]} ", text.lower())
    return tuple(word for word in re.findall(r"[a-z]+", spelled) if word in WORDS)


def load_prompts(half: Half) -> list[Prompt]:
    """Read one half: of the prompts with words, from many to few, and of those without, every second one."""
    import soundfile

    manifest: Path = locate_builtin(find_dataset(DATASET), ("text",))
    prompts = []
    for text in manifest.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        samples, _ = soundfile.read(manifest.parent / line["audio"], dtype="float32")
        if len(samples) <= LONGEST_S * RATE_HZ:
            prompts.append(Prompt(samples, find_words(line["text"])))
    longer = sorted((one for one in prompts if not one.is_alone), key=lambda one: -len(one.words))
    alone = [one for one in prompts if one.is_alone]
    return [*longer[half == "test" :: 2], *(alone if half == "train" else ())]

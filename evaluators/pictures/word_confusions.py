"""Which keyword was heard where another was said, from labels and detections with their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from evaluators.chart_records import ConfusionMatrix, name_class
from evaluators.pictures.class_charts import draw_confusion
from evaluators.pictures.rate_curves import Floats

NOTHING = "(nothing)"
_NOTE = (
    "A detection that is right belongs to its keyword. A keyword that is left belongs with the first detection of "
    "another word within its time, or else it was missed; detections that are left were of nothing."
)


class Spoken(Protocol):
    """A labelled keyword."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def word(self) -> str: ...


Clip = tuple[Sequence[Spoken], Mapping[str, Floats]]
"""what was said, in order of start, and of each word when it was detected"""


def match_right(spoken: Sequence[Spoken], times_s: Floats, tolerance_s: float) -> list[tuple[int, int]]:
    """The places of keywords and of detections that are right, all of one word, as many as can be.

    Keywords of one word are in order of start and end, so the first that fits is best.
    """
    right, waiting = [], 0
    for place, time_s in enumerate(times_s):
        while waiting < len(spoken) and spoken[waiting].end_s + tolerance_s < time_s:
            waiting += 1
        if waiting < len(spoken) and spoken[waiting].start_s - tolerance_s <= time_s:
            right.append((waiting, place))
            waiting += 1
    return right


def draw_word_confusion(clips: Sequence[Clip], words: Sequence[str], tolerance_s: float) -> ConfusionMatrix | None:
    """The matrix of keywords and of nothing; none where there is neither a keyword nor a detection.

    Args:
        clips: What was said and what was detected.
        words: The keywords.
        tolerance_s: How far before a keyword's start, or after its end, a detection may fall.
    """
    columns = {word: column for column, word in enumerate(words)}
    nothing = len(words)
    cells: list[tuple[int, ...]] = []
    for spoken, detected in clips:
        for said, heard in _pair(spoken, detected, tolerance_s):
            cells.append(tuple(nothing if word is None else columns[word] for word in (said, heard)))
    if not cells:
        return None
    labelled, decided = np.array(cells).T
    matrix = draw_confusion(labelled, decided, [*map(name_class, words), NOTHING])
    return matrix.model_copy(update={"note": _NOTE})


def _pair(
    spoken: Sequence[Spoken], detected: Mapping[str, Floats], tolerance_s: float
) -> list[tuple[str | None, str | None]]:
    """What was said with what was heard; none is nothing."""
    missed: list[Spoken] = []
    false: list[tuple[float, str]] = []
    pairs: list[tuple[str | None, str | None]] = []
    for word, times_s in detected.items():
        same = [one for one in spoken if one.word == word]
        right = match_right(same, times_s, tolerance_s)
        pairs += [(word, word)] * len(right)
        found, used = ({pair[side] for pair in right} for side in (0, 1))
        missed += [one for place, one in enumerate(same) if place not in found]
        false += [(float(time_s), word) for place, time_s in enumerate(times_s) if place not in used]
    false.sort()
    for one in sorted(missed, key=lambda each: each.start_s):
        place = next(
            (at for at, (time_s, word) in enumerate(false) if _is_within(time_s, word, one, tolerance_s)), None
        )
        pairs.append((one.word, None if place is None else false.pop(place)[1]))
    return pairs + [(None, word) for _, word in false]


def _is_within(time_s: float, word: str, one: Spoken, tolerance_s: float) -> bool:
    return word != one.word and one.start_s - tolerance_s <= time_s <= one.end_s + tolerance_s

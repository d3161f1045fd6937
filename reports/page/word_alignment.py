"""What was said beside what was understood, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["same", "substituted", "inserted", "deleted"]
MOST_WORDS = 1000
"""of either side that are laid beside each other: the table of all pairs would take seconds"""


@dataclass(frozen=True)
class Step:
    """A word of either side, or one of each."""

    kind: Kind
    reference: str
    """empty where the word was inserted"""
    estimate: str
    """empty where it was deleted"""


@dataclass(frozen=True)
class WordAlignment:
    """The fewest edits that make the estimate of the reference."""

    steps: tuple[Step, ...]
    left_out: int
    """steps that are not shown"""
    substituted: int
    inserted: int
    deleted: int
    is_cut: bool
    """whether the texts go on after what was compared"""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.substituted or self.inserted or self.deleted)


def align_words(reference: str, estimate: str, *, most_steps: int = 100) -> WordAlignment:
    """Lay two texts beside each other by Levenshtein's distance of their words.

    Of ways with as few edits the one is taken that jiwer takes, so that its counts are shown.

    Args:
        reference: What was said.
        estimate: What was understood.
        most_steps: How many steps are kept; all count.
    """
    said, heard = reference.split(), estimate.split()
    steps = _align(said[:MOST_WORDS], heard[:MOST_WORDS])
    kinds = [step.kind for step in steps]
    return WordAlignment(
        steps=tuple(steps[:most_steps]),
        left_out=max(0, len(steps) - most_steps),
        substituted=kinds.count("substituted"),
        inserted=kinds.count("inserted"),
        deleted=kinds.count("deleted"),
        is_cut=max(len(said), len(heard)) > MOST_WORDS,
    )


def _align(said: Sequence[str], heard: Sequence[str]) -> list[Step]:
    before = _count_common(said, heard)
    after = _count_common(said[before:][::-1], heard[before:][::-1])
    middle = _align_middle(said[before : len(said) - after], heard[before : len(heard) - after])
    same = [Step("same", word, word) for word in (*said[:before], *said[len(said) - after :])]
    return [*same[:before], *middle, *same[before:]]


def _count_common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words both begin with."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _align_middle(said: Sequence[str], heard: Sequence[str]) -> list[Step]:
    distances = _fill(said, heard)
    steps: list[Step] = []
    column, row = len(said), len(heard)
    while column and row:
        if distances[row, column] == distances[row, column - 1] + 1:
            column -= 1
            steps.append(Step("deleted", said[column], ""))
            continue
        row -= 1
        if row and distances[row, column] == distances[row, column - 1] - 1:
            steps.append(Step("inserted", "", heard[row]))
        else:
            column -= 1
            kind: Kind = "same" if said[column] == heard[row] else "substituted"
            steps.append(Step(kind, said[column], heard[row]))
    steps += [Step("deleted", word, "") for word in reversed(said[:column])]
    steps += [Step("inserted", "", word) for word in reversed(heard[:row])]
    return steps[::-1]


def _fill(said: Sequence[str], heard: Sequence[str]) -> np.ndarray:
    """Edits between the first words of both, `(heard + 1, said + 1)`."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys((*said, *heard)))}
    columns = np.array([numbers[word] for word in said], np.int32)
    across = np.arange(len(said) + 1, dtype=np.int32)
    distances = np.empty((len(heard) + 1, len(said) + 1), np.int32)
    distances[0] = across
    for row, word in enumerate(heard, 1):
        above = distances[row - 1]
        best = np.append(row, np.minimum(above[1:] + 1, above[:-1] + (columns != numbers[word])))
        # A word deleted costs one more than the place before it, all along the row.
        distances[row] = np.minimum.accumulate(best - across) + across
    return distances

"""Decisions that one run of a model takes otherwise than another: notes gained or lost, a class switched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from evaluators.core_records import MOST_EXAMPLES, Flips


class FlipCounter:
    """Compares decisions clip by clip."""

    def __init__(self) -> None:
        self._decisions = self._gained = self._lost = 0
        self._examples: list[str] = []

    def add(self, clip: str, before: Iterable[str], after: Iterable[str]) -> None:
        """Take in one clip.

        Args:
            clip: How examples name it.
            before: What is decided, as a task lists it.
            after: The same of the other run.
        """
        first, second = Counter(before), Counter(after)
        gained, lost = second - first, first - second
        self._decisions += first.total()
        self._gained, self._lost = self._gained + gained.total(), self._lost + lost.total()
        self._examples += [f"{clip}: + {one}" for one in sorted(gained)]
        self._examples += [f"{clip}: - {one}" for one in sorted(lost)]

    def result(self) -> Flips:
        """What was found so far."""
        return Flips(decisions=self._decisions, gained=self._gained, lost=self._lost, examples=_shorten(self._examples))


def _shorten(examples: Sequence[str]) -> tuple[str, ...]:
    return tuple(one[:300] for one in examples[:MOST_EXAMPLES])

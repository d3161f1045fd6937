"""Clips drawn with replacement, as counts: what is computed of the clips themselves need not be computed a draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Pairs = Sequence[tuple[Any, Any]]
"""labels and estimate of each clip, as `Task.score_dataset` gets them"""


class DrawnClips(Generic[T]):
    """Keeps what was prepared of a dataset's clips, and says of each draw how often it holds which clip.

    A clip is told by its estimate, which is the same object in every draw: two clips with equal estimates are two.
    """

    def __init__(self, prepare: Callable[[Pairs], T]) -> None:
        """`prepare` is called with each clip once, at the first draw that holds a clip not seen before."""
        self._prepare = prepare
        self._pairs: Pairs = ()  # held, since an object's identity is its own only as long as it lives
        self._places: dict[int, int] = {}
        self._prepared: T | None = None

    def count(self, pairs: Pairs) -> tuple[T, npt.NDArray[np.float64]]:
        """What was prepared, and of each clip in it how often the draw holds it."""
        if self._prepared is None or any(id(estimate) not in self._places for _, estimate in pairs):
            self._pairs = list({id(pair[1]): pair for pair in pairs}.values())
            self._places = {id(estimate): place for place, (_, estimate) in enumerate(self._pairs)}
            self._prepared = self._prepare(self._pairs)
        places = [self._places[id(estimate)] for _, estimate in pairs]
        return self._prepared, np.bincount(places, minlength=len(self._pairs)).astype(np.float64)


def find_ties(ranked: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Of values in order along the last axis: whether each is the last of those equal to it."""
    last = np.ones(ranked.shape, np.bool_)
    last[..., :-1] = ranked[..., 1:] != ranked[..., :-1]
    return last

"""Which clips a reader should see first."""

from __future__ import annotations

from collections.abc import Sequence

from evaluators.score import Score


def order_by_loss(reference: Score | None, estimates: Sequence[Score | None]) -> tuple[float, float]:
    """A clip's place when the largest loss against the source model comes first, then the worst score.

    Args:
        reference: The source model's score on the clip.
        estimates: Each bundle's score.
    """
    own = None if reference is None else reference.goodness
    found = [score.goodness for score in estimates if score is not None]
    known = [goodness for goodness in found if goodness is not None]
    fall = min(known) - own if known and own is not None else 0.0
    return min(fall, 0.0), min([*known, *([] if own is None else [own])], default=float("inf"))

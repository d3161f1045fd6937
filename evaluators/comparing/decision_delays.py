"""How much later one side's decisions come than the other's: events of one label matched one to one in time.

A decision is the start of a span or of a note that the task draws of an estimate (`Task.draw`), its label or pitch with
it. Matching takes as many pairs as can be, and of those ways the one with the least time between pairs in sum, so that
a constant delay is found as one as long as it is shorter than half the distance of decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluators.picture_records import Pictures

FARTHEST_S = 1.0
"""two decisions that are farther apart are not of the same event"""
_MOST_DECISIONS = 4000
"""of one label: the matching takes their product"""

Decisions = dict[str, npt.NDArray[np.float64]]
"""label → times in seconds, rising"""


@dataclass(frozen=True)
class Delays:
    """What came of a match.

    Attributes:
        delays_s: Of each pair, the estimate's time less the reference's.
        reference_alone: Decisions of the reference without a partner.
        estimate_alone: The same of the estimate.
    """

    delays_s: npt.NDArray[np.float64]
    reference_alone: int
    estimate_alone: int


def list_decisions(pictures: Pictures) -> Decisions | None:
    """The decisions that a task draws; none where it draws neither spans nor notes."""
    if pictures.spans is None and pictures.events is None:
        return None
    found: dict[str, list[float]] = {}
    for span in pictures.spans or ():
        found.setdefault(span.label, []).append(span.start_s)
    for note in pictures.events or ():
        found.setdefault(f"midi {note.pitch_midi}", []).append(note.onset_s)
    return {label: np.sort(np.asarray(times_s)) for label, times_s in found.items()}


def match_decisions(reference: Decisions, estimate: Decisions, *, within_s: float = FARTHEST_S) -> Delays:
    """Match decisions label by label.

    Args:
        reference: The source model's.
        estimate: The bundle's.
        within_s: See `FARTHEST_S`.
    """
    delays: list[npt.NDArray[np.float64]] = []
    left = right = 0
    nothing = np.zeros(0)
    for label in sorted({*reference, *estimate}):
        first, second = reference.get(label, nothing), estimate.get(label, nothing)
        found = _match(first[:_MOST_DECISIONS], second[:_MOST_DECISIONS], within_s)
        delays.append(found)
        left, right = left + len(first) - len(found), right + len(second) - len(found)
    return Delays(np.concatenate(delays) if delays else nothing, left, right)


def _match(
    first: Sequence[float] | npt.NDArray[np.float64], second: Sequence[float] | npt.NDArray[np.float64], within_s: float
) -> npt.NDArray[np.float64]:
    from scipy.optimize import linear_sum_assignment

    if not len(first) or not len(second):
        return np.zeros(0)
    apart = np.subtract.outer(np.asarray(second), np.asarray(first)).T
    distance = np.abs(apart)
    # A pair that is too far apart costs more than all that are near can save.
    far = within_s * (min(apart.shape) + 1)
    rows, columns = linear_sum_assignment(np.where(distance <= within_s, distance, far))
    near = distance[rows, columns] <= within_s
    return np.asarray(apart[rows, columns][near])

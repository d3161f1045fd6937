"""How two sides agree on when somebody speaks: by time, and by stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluators.comparing.matching import count_matches
from evaluators.decoding.activations import Frames, SegmentRules, Segments, Values, find_segments

_ROUNDING_S = 1e-6
"""less time than that is none"""


@dataclass(frozen=True, eq=False)
class Speech:
    """Stretches of speech, as labels or as an estimate."""

    segments: Segments
    """in order, none touching another"""
    duration_s: float | None = None
    """of the clip; the labels know it"""
    activation: tuple[Values, Frames] | None = None
    """of an estimate, what the stretches were made of: the probability, and the frames it is of"""


class Tally(NamedTuple):
    """What one clip adds to the sums over all."""

    hit_s: float
    missed_s: float
    false_s: float
    silence_s: float
    """without labelled speech"""
    labelled: int
    found: int
    matched: int
    """stretches that are found by start and end"""
    delays_s: tuple[float, ...]
    """of the labelled stretches in which speech is found"""


def find_duration(labels: Speech) -> float:
    """The clip's length, in seconds."""
    assert labels.duration_s is not None, "labels know the clip's length"
    return labels.duration_s


def keep_within(segments: Segments, duration_s: float) -> Segments:
    """What of stretches lies within a clip."""
    return tuple(
        (max(start, 0.0), min(end, duration_s))
        for start, end in segments
        if min(end, duration_s) - max(start, 0.0) > _ROUNDING_S
    )


def tally_speech(labels: Speech, estimate: Speech) -> Tally:
    """Compare one clip's stretches; those of the estimate count only within the clip."""
    duration_s = find_duration(labels)
    found = keep_within(estimate.segments, duration_s)
    labelled_s, found_s = (sum(end - start for start, end in side) for side in (labels.segments, found))
    hit_s, delays_s = 0.0, []
    first = 0
    for start, end in labels.segments:
        while first < len(found) and found[first][1] <= start:
            first += 1
        heard_s = None
        for other_start, other_end in found[first:]:
            if other_start >= end:
                break
            hit_s += min(end, other_end) - max(start, other_start)
            heard_s = max(other_start, start) if heard_s is None else heard_s
        if heard_s is not None:
            delays_s.append(heard_s - start)
    return Tally(
        hit_s=hit_s,
        missed_s=_at_least_none(labelled_s - hit_s),
        false_s=_at_least_none(found_s - hit_s),
        silence_s=_at_least_none(duration_s - labelled_s),
        labelled=len(labels.segments),
        found=len(found),
        matched=count_matches(labels.segments, found),
        delays_s=tuple(delays_s),
    )


def sweep_speech(labels: Speech, estimate: Speech, rules: Sequence[SegmentRules]) -> npt.NDArray[np.float64]:
    """Found time that is speech, and all found time, by each rule: `(2, rules)`."""
    assert estimate.activation is not None, "what was decoded knows what it was made of"
    values, frames = estimate.activation
    edges_s = np.array([0.0, *(edge for segment in labels.segments for edge in segment)])
    # Speech up to each edge: it grows along a labelled stretch, and not between two.
    speech_s = np.append(0.0, (np.diff(edges_s) * (np.arange(len(edges_s) - 1) % 2)).cumsum())
    swept = []
    for rule in rules:
        segments = np.array(find_segments(values, frames, rule)).reshape(-1, 2).clip(0, find_duration(labels))
        starts_s, ends_s = np.interp(segments, edges_s, speech_s).T
        swept.append(((ends_s - starts_s).sum(), np.diff(segments, axis=1).sum()))
    return np.array(swept).T


def _at_least_none(seconds: float) -> float:
    """A difference of sums, in which rounding is no time."""
    return seconds if seconds > _ROUNDING_S else 0.0

"""Stretches of time held against labelled ones: how many of them are found."""

from __future__ import annotations

import numpy as np

from evaluators.decoding.activations import Segments

COLLAR_S = 0.2
OFFSET_RATIO = 0.2

_ANY_HZ = 440.0


def count_matches(labelled: Segments, found: Segments) -> int:
    """How many pairs can be made, each stretch in one at most, of those that start and end nearly alike.

    They start within 200 ms, and end within 200 ms, or within a fifth of the labelled length where that is more. The
    pairs are those of `mir_eval.transcription.match_notes`, with all notes of one pitch: as many as can be made, from
    distances rounded to 0.1 ms. Source: event-based F1 of Mesaros, Heittola and Virtanen, "Metrics for Polyphonic
    Sound Event Detection", Applied Sciences 6(6), 2016.

    Args:
        labelled: Start and end in seconds.
        found: The same.
    """
    if not labelled or not found:
        return 0
    import mir_eval.transcription

    return len(
        mir_eval.transcription.match_notes(
            np.array(labelled),
            np.full(len(labelled), _ANY_HZ),
            np.array(found),
            np.full(len(found), _ANY_HZ),
            onset_tolerance=COLLAR_S,
            offset_ratio=OFFSET_RATIO,
            offset_min_tolerance=COLLAR_S,
        )
    )

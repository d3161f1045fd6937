"""Note events out of note and onset activations, by the algorithm Basic Pitch publishes.

Onset peaks are followed forwards until the pitch has been quiet for a while; then, strongest first, whatever energy is
left over is followed both ways (the "melodia trick"). Every event takes the energy of its own pitch and of the two
neighbouring pitches with it.

Source: Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and Multipitch
Estimation", ICASSP 2022, section 2.3, and the behaviour of `basic_pitch/note_creation.py` in basic-pitch 0.4.0, with
which events are the same. Deviations: where activations never rise, upstream divides 0 by 0 and loses every onset, here
none is inferred and the model's own onsets stand; amplitudes are averaged in float64; fewer than three frames hold no
event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Activations = npt.NDArray[np.float64]

_INFERENCE_FRAMES = 2  # an inferred onset is a rise against each of so many frames before it


@dataclass(frozen=True)
class NoteRules:
    """The thresholds of note creation; the defaults are Basic Pitch's."""

    onset_threshold: float = 0.5
    frame_threshold: float = 0.3
    minimum_frames: int = 11
    """a note must be longer than so many frames; 127.70 ms at 22050 / 256 frames per second"""
    energy_tolerance_frames: int = 11
    """a note ends when so many frames in a row lie below frame_threshold"""


@dataclass(frozen=True)
class NoteEvent:
    """A note, in frames and columns of the activations."""

    start_frame: int
    end_frame: int
    """the first frame after the note"""
    pitch_index: int
    amplitude: float
    """mean activation of the note's frames"""


def create_notes(note: npt.NDArray[np.floating], onset: npt.NDArray[np.floating], rules: NoteRules) -> list[NoteEvent]:
    """Find the note events in a clip's activations.

    Args:
        note: Activation of each pitch, `(frames, pitches)`, finite. Not modified.
        onset: Onset activation, same shape. Not modified.
        rules: The thresholds; `frame_threshold` must not be negative.

    Returns:
        Events in the order they were found: onset peaks from last to first, then left-over energy, strongest first.
    """
    frames = note.astype(np.float64)
    if len(frames) < 3:
        return []
    remaining = frames.copy()
    events = []
    for start, pitch in _onset_peaks(infer_onsets(frames, onset.astype(np.float64)), rules.onset_threshold):
        end = _follow(remaining[start + 1 : -1, pitch], rules)
        end_frame = start + 1 + end.steps - end.quiet
        if end_frame - start > rules.minimum_frames:
            _silence(remaining, start, end_frame, pitch)
            events.append(_event(frames, start, end_frame, pitch))
    return events + _left_over(frames, remaining, rules)


def infer_onsets(note: Activations, onset: Activations) -> Activations:
    """Onsets, with rises of the note activation counted as onsets too.

    A rise is the smaller of the differences to the last and the last but one frame, scaled so that the largest rise
    equals the largest onset; the larger of rise and onset counts.
    """
    rises = [note[_INFERENCE_FRAMES:] - note[_INFERENCE_FRAMES - n : -n] for n in range(1, _INFERENCE_FRAMES + 1)]
    rise = np.maximum(np.min(rises, axis=0), 0)
    if not rise.any():
        return onset.copy()
    inferred = onset.copy()
    inferred[_INFERENCE_FRAMES:] = np.maximum(onset[_INFERENCE_FRAMES:], onset.max() * rise / rise.max())
    return inferred


@dataclass(frozen=True)
class _Run:
    steps: int
    """frames gone over"""
    quiet: int
    """quiet frames at the end of them"""


def _follow(activations: Activations, rules: NoteRules) -> _Run:
    """Go along until `energy_tolerance_frames` in a row lie below the threshold, or to the end."""
    # Notes are short and clips may be long: look at twice as much each time, so that no step reads the whole clip.
    tolerance = rules.energy_tolerance_frames
    length = min(len(activations), 16 * tolerance)
    while True:
        loud = np.flatnonzero(activations[:length] >= rules.frame_threshold)
        edges = np.concatenate(([-1], loud, [length]))
        gaps = np.diff(edges) - 1
        long_gaps = np.flatnonzero(gaps >= tolerance)
        if len(long_gaps):
            return _Run(int(edges[long_gaps[0]]) + 1 + tolerance, tolerance)
        if length == len(activations):
            return _Run(length, int(gaps[-1]))
        length = min(len(activations), 2 * length)


def _onset_peaks(onset: Activations, threshold: float) -> list[tuple[int, int]]:
    """(frame, pitch) of local maxima in time, last first; the first and last frame are none."""
    middle = onset[1:-1]
    peaks = (middle > onset[:-2]) & (middle > onset[2:]) & (middle >= threshold)
    rows, pitches = np.nonzero(peaks)
    return [(int(row) + 1, int(pitch)) for row, pitch in zip(rows[::-1], pitches[::-1], strict=True)]


def _left_over(frames: Activations, remaining: Activations, rules: NoteRules) -> list[NoteEvent]:
    """Events around the strongest energy left, again and again until none is above the threshold."""
    # Energy is only ever set to zero, so the order of strength can be settled once.
    rows, pitches = np.nonzero(remaining > rules.frame_threshold)
    order = np.argsort(-remaining[rows, pitches], kind="stable")
    events = []
    for middle, pitch in zip(rows[order].tolist(), pitches[order].tolist(), strict=True):
        if remaining[middle, pitch] == 0:
            continue
        forward = _follow(remaining[middle + 1 : -1, pitch], rules)
        backward = _follow(remaining[1:middle, pitch][::-1], rules)
        remaining[middle, pitch] = 0
        _silence(remaining, middle + 1, middle + 1 + forward.steps, pitch)
        _silence(remaining, middle - backward.steps, middle, pitch)
        start = middle - backward.steps + backward.quiet
        end = middle + forward.steps - forward.quiet
        if end - start > rules.minimum_frames:
            events.append(_event(frames, start, end, pitch))
    return events


def _silence(remaining: Activations, start: int, end: int, pitch: int) -> None:
    remaining[start:end, max(pitch - 1, 0) : pitch + 2] = 0


def _event(frames: Activations, start: int, end: int, pitch: int) -> NoteEvent:
    return NoteEvent(start, end, pitch, float(frames[start:end, pitch].mean()))

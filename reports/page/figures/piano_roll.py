"""The notes of a clip: what was played as outlines, what the bundle heard filled in."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.picture_records import Note
from reports.page.figures.scale import Scale, stretch

WIDTH, HEIGHT = 340, 92
_MOST_NOTES = 400
_LEAST_SEMITONES = 14


@dataclass(frozen=True)
class PianoRoll:
    """Two SVG paths, time from left to right, pitch from the bottom up."""

    reference: str
    estimate: str
    lowest_midi: int
    highest_midi: int
    reference_count: int
    estimate_count: int
    left_out: int
    """notes that are not drawn"""


def draw_piano_roll(reference: tuple[Note, ...], estimate: tuple[Note, ...], duration_s: float) -> PianoRoll | None:
    """The roll, or none where there is no note at all."""
    pitches = [note.pitch_midi for note in (*reference, *estimate)]
    if not pitches or duration_s <= 0:
        return None
    lowest, highest = min(pitches), max(pitches)
    missing = max(0, _LEAST_SEMITONES - (highest - lowest))
    time = stretch(0, duration_s, start=1, end=WIDTH - 1)
    pitch = Scale(lowest - missing / 2 - 0.5, highest + missing / 2 + 0.5, HEIGHT - 2, 2)
    return PianoRoll(
        reference=_path(reference[:_MOST_NOTES], time, pitch),
        estimate=_path(estimate[:_MOST_NOTES], time, pitch),
        lowest_midi=lowest,
        highest_midi=highest,
        reference_count=len(reference),
        estimate_count=len(estimate),
        left_out=max(0, len(reference) - _MOST_NOTES) + max(0, len(estimate) - _MOST_NOTES),
    )


def _path(notes: tuple[Note, ...], time: Scale, pitch: Scale) -> str:
    parts = []
    for note in notes:
        left, right = time.place(note.onset_s), time.place(note.offset_s)
        bottom, top = pitch.place(note.pitch_midi - 0.5), pitch.place(note.pitch_midi + 0.5)
        width, height = max(right - left, 0.8), max(bottom - top, 1.0)
        parts.append(f"M{left:g} {top:g}h{width:.3g}v{height:.3g}h-{width:.3g}z")
    return "".join(parts)

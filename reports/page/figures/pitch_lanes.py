"""What each side of a clip plays, over time and pitch: notes as bars, a pitch as a line, all lanes on one scale.

The page's script plays what is drawn here: it reads the paths, so that what is heard is what is seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.picture_records import Curve, Note
from reports.page.figures.pitch_curve import NOTES, to_midi
from reports.page.figures.scale import Scale, Tick, stretch

WIDTH, HEIGHT = 1000, 640
"""of a lane's drawing, which is stretched to the page; a tenth is the finest step: 1 ms of 8 s, 1 cent of 5 octaves"""
LANE_HEIGHT = 72
"""in pixels, of a lane on the page"""
_MOST_NOTES = 400
_LEAST_SEMITONES = 14
_STEPS = (1, 2, 3, 4, 6, 12, 24, 48)
_MOST_TICKS = 4


@dataclass(frozen=True)
class PitchLanes:
    """A path for each side, and what the height means.

    Attributes:
        low_midi: At the bottom edge.
        high_midi: At the top edge.
        paths: SVG, in the sides' order; empty where one has nothing.
        ticks: Names of pitches, places in pixels of a lane.
        counts: Notes of each side; empty for pitches.
        left_out: Notes of all sides that are not drawn.
    """

    low_midi: float
    high_midi: float
    paths: tuple[str, ...]
    ticks: tuple[Tick, ...]
    counts: tuple[int, ...] = ()
    left_out: int = 0


def draw_note_lanes(sides: Sequence[Sequence[Note]], duration_s: float) -> PitchLanes | None:
    """A lane of bars for each side, or none where there is no note at all.

    Args:
        sides: The notes of each.
        duration_s: What the width stands for.
    """
    pitches = [note.pitch_midi for notes in sides for note in notes]
    if not pitches or duration_s <= 0:
        return None
    low, high = _widen(min(pitches) - 0.5, max(pitches) + 0.5)
    time, pitch = stretch(0, duration_s, start=0, end=WIDTH), Scale(low, high, HEIGHT, 0)
    return PitchLanes(
        low_midi=low,
        high_midi=high,
        paths=tuple(_draw_notes(notes[:_MOST_NOTES], time, pitch) for notes in sides),
        ticks=_name_pitches(low, high),
        counts=tuple(len(notes) for notes in sides),
        left_out=sum(max(0, len(notes) - _MOST_NOTES) for notes in sides),
    )


def draw_pitch_lanes(sides: Sequence[Curve | None], duration_s: float) -> PitchLanes | None:
    """A lane with a line for each side, which breaks where there is no pitch; none where nothing has one.

    Args:
        sides: The curve of each; None where one has none.
        duration_s: What the width stands for.
    """
    midi = [[] if curve is None else to_midi(curve) for curve in sides]
    found = [value for values in midi for value in values if value is not None]
    if not found or duration_s <= 0:
        return None
    low, high = _widen(min(found) - 1, max(found) + 1)
    time, pitch = stretch(0, duration_s, start=0, end=WIDTH), Scale(low, high, HEIGHT, 0)
    paths = tuple(
        "" if curve is None else _draw_line(curve, values, time, pitch)
        for curve, values in zip(sides, midi, strict=True)
    )
    return PitchLanes(low, high, paths, _name_pitches(low, high))


def _widen(low: float, high: float) -> tuple[float, float]:
    missing = max(0.0, _LEAST_SEMITONES - (high - low))
    return low - missing / 2, high + missing / 2


def _draw_notes(notes: Sequence[Note], time: Scale, pitch: Scale) -> str:
    parts = []
    for note in notes:
        left, right = time.place(note.onset_s), time.place(note.offset_s)
        bottom, top = pitch.place(note.pitch_midi - 0.5), pitch.place(note.pitch_midi + 0.5)
        width = max(right - left, 1.0)
        parts.append(f"M{left:g} {top:g}h{width:.4g}v{bottom - top:.4g}h-{width:.4g}z")
    return "".join(parts)


def _draw_line(curve: Curve, values: Sequence[float | None], time: Scale, pitch: Scale) -> str:
    parts, pen = [], "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{time.place(curve.start_s + number * curve.step_s):g} {pitch.place(value):g}")
        pen = "L"
    return "".join(parts)


def _name_pitches(low: float, high: float) -> tuple[Tick, ...]:
    scale = Scale(low, high, LANE_HEIGHT, 0)
    step = next((step for step in _STEPS if (high - low) / step <= _MOST_TICKS), _STEPS[-1])
    numbers = (number for number in range(math.ceil(low), math.floor(high) + 1) if number % step == 0)
    return tuple(Tick(scale.place(number), f"{NOTES[number % 12]}{number // 12 - 1}") for number in numbers)

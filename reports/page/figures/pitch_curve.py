"""A pitch over a clip: in Hz on an axis of semitones, and below it how far it lies from the labels, in cents."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluators.picture_records import Curve
from reports.page.figures.scale import Scale, Tick, stretch

WIDTH, HEIGHT, LOW_HEIGHT = 480, 150, 72
RANGE_CENTS = 100.0
TOLERANCE_CENTS = 50.0
"""which raw pitch accuracy allows. Source: Salamon et al., "Melody Extraction from Polyphonic Music Signals", 2014"""
LEFT = 62
"""room for the notes' names"""

NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B")
_A4_HZ, _A4_MIDI = 440.0, 69
_LEAST_HZ, _MOST_HZ = 10.0, 20_000.0
_LEAST_SEMITONES = 6.0
_STEPS = (1, 2, 3, 4, 6, 12, 24, 48)
_MOST_LINES = 7


@dataclass(frozen=True)
class PitchCurve:
    """SVG paths over time."""

    label: str
    """empty where the clip has no labels"""
    source: str
    estimate: str
    notes: tuple[Tick, ...]
    """lines of notes, with name and frequency"""
    source_error: str
    """the source's difference from the labels; empty without labels"""
    error: str
    against: str
    """what the bundle's difference is from: labels or source"""
    beyond: int
    """values of the bundle farther away than the figure shows, at its edges"""
    compared: int
    """values where both have a pitch"""
    within: int
    """of those, how many are within 50 cents"""

    @property
    def band(self) -> tuple[float, float]:
        """Top and bottom of what is within 50 cents."""
        return _cents().place(TOLERANCE_CENTS), _cents().place(-TOLERANCE_CENTS)


def draw_pitch_curve(label: Curve | None, source: Curve, estimate: Curve, duration_s: float) -> PitchCurve | None:
    """The figure, or none where nothing has a pitch.

    Args:
        label: The labelled pitch, where there is one.
        source: The source model's.
        estimate: The bundle's.
        duration_s: The clip's length.
    """
    midi = {curve: to_midi(curve) for curve in filter(None, (label, source, estimate))}
    found = [value for values in midi.values() for value in values if value is not None]
    if not found or duration_s <= 0:
        return None
    time = stretch(0, duration_s, start=LEFT, end=WIDTH - 1)
    middle, reach = (min(found) + max(found)) / 2, max(max(found) - min(found) + 1, _LEAST_SEMITONES) / 2
    height = Scale(middle - reach, middle + reach, HEIGHT - 3, 3)
    against = label if label is not None else source
    errors = _subtract(against, midi[against], estimate, midi[estimate])
    compared = [error for error in errors if error is not None]
    return PitchCurve(
        label="" if label is None else _path(label, midi[label], time, height),
        source=_path(source, midi[source], time, height),
        estimate=_path(estimate, midi[estimate], time, height),
        notes=_mark_notes(height),
        source_error=""
        if label is None
        else _path(source, _subtract(label, midi[label], source, midi[source]), time, _cents()),
        error=_path(estimate, errors, time, _cents()),
        against="labels" if label is not None else "source",
        beyond=sum(abs(error) > RANGE_CENTS for error in compared),
        compared=len(compared),
        within=sum(abs(error) <= TOLERANCE_CENTS for error in compared),
    )


def _cents() -> Scale:
    return Scale(-RANGE_CENTS, RANGE_CENTS, LOW_HEIGHT - 2, 2)


def to_midi(curve: Curve) -> list[float | None]:
    """Semitones; a stranger's frequency may be anything."""
    return [
        None if hz is None or hz <= 0 else _A4_MIDI + 12 * math.log2(min(max(hz, _LEAST_HZ), _MOST_HZ) / _A4_HZ)
        for hz in curve.values
    ]


def _subtract(
    reference: Curve, reference_midi: list[float | None], curve: Curve, midi: list[float | None]
) -> list[float | None]:
    """In cents, at the curve's times, from the reference's value that is nearest in time."""
    found: list[float | None] = []
    for number, value in enumerate(midi):
        time_s = curve.start_s + number * curve.step_s
        place = (time_s - reference.start_s) / reference.step_s if reference.step_s > 0 else 0.0
        nearest = round(place) if -0.75 <= place <= len(reference_midi) - 0.25 else None
        other = None if nearest is None else reference_midi[min(max(nearest, 0), len(reference_midi) - 1)]
        found.append(None if value is None or other is None else 100 * (value - other))
    return found


def _mark_notes(height: Scale) -> tuple[Tick, ...]:
    step = next((step for step in _STEPS if (height.high - height.low) / step <= _MOST_LINES), _STEPS[-1])
    numbers = range(math.ceil(height.low), math.floor(height.high) + 1)
    return tuple(Tick(height.place(number), _name(number)) for number in numbers if (number - _A4_MIDI) % step == 0)


def _name(midi: int) -> str:
    hz = _A4_HZ * 2 ** ((midi - _A4_MIDI) / 12)
    return f"{NOTES[midi % 12]}{midi // 12 - 1} {hz:.0f} Hz"


def _path(curve: Curve, values: list[float | None], time: Scale, height: Scale) -> str:
    """A line that breaks where there is no pitch; a single value is a dot."""
    parts, pen = [], "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        place = f"{time.place(curve.start_s + number * curve.step_s):g} {height.place(value):g}"
        parts.append(f"M{place}h0.01" if pen == "M" else f"L{place}")
        pen = "L"
    return "".join(parts)

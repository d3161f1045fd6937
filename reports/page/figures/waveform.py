"""A waveform's outline, time from left to right, silence in the middle."""

from __future__ import annotations

import base64

from evaluators.picture_records import Envelope
from reports.page.figures.scale import Scale, stretch

WIDTH, HEIGHT = 480, 40


def find_peak(envelope: Envelope) -> int:
    """The largest level of an outline, 1 to 128."""
    return max(1, *map(abs, _levels(envelope)))


def draw_waveform(envelope: Envelope, duration_s: float, longest_s: float, peak: int) -> str:
    """The outline as one SVG path, filled.

    Args:
        envelope: Of the sound.
        duration_s: Its length.
        longest_s: What the figure's width stands for: the longest of all sound beside it.
        peak: What half of its height stands for: the largest level of all sound beside it.
    """
    levels = _levels(envelope)
    end = stretch(0, longest_s, start=0, end=WIDTH).place(duration_s)
    step = end / envelope.columns
    height = Scale(-peak, peak, HEIGHT - 1, 1)
    # Silence is a line, not nothing.
    tops = [min(height.place(most), HEIGHT / 2 - 0.4) for most in levels[1::2]]
    bottoms = [max(height.place(least), HEIGHT / 2 + 0.4) for least in levels[::2]]
    there = [f"{number * step:.1f} {place:g}" for number, place in enumerate(tops)]
    back = [f"{number * step:.1f} {place:g}" for number, place in reversed(list(enumerate(bottoms)))]
    return f"M{'L'.join([*there, f'{end:g} {tops[-1]:g}', f'{end:g} {bottoms[-1]:g}', *back])}z"


def _levels(envelope: Envelope) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in base64.b64decode(envelope.levels)]

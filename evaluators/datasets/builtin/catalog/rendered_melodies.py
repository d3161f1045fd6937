"""Melodies of one instrument, composed from a seed on a grid of beats: notes, pitch and beats are exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic

from evaluators.datasets.builtin.collection import Collection, CollectionOptions, LabelledClip
from evaluators.datasets.builtin.rendering import (
    CREDIT,
    SAMPLE_RATE_HZ,
    SOUNDFONT,
    SYNTHESISER,
    TAIL_S,
    PlayedNote,
    render,
    unpack_soundfont,
)

INSTRUMENTS: tuple[tuple[str, int, int, int], ...] = (
    ("piano", 0, 48, 84),
    ("violin", 40, 57, 84),
    ("clarinet", 71, 52, 80),
    ("guitar", 24, 45, 72),
    ("recorder", 74, 62, 86),
    ("cello", 42, 40, 64),
    ("trumpet", 56, 58, 80),
    ("vibraphone", 11, 60, 84),
    ("oboe", 68, 60, 84),
    ("bassoon", 70, 40, 64),
)
"""name, General MIDI program, lowest and highest note. Where the SoundFont was measured within 10 cents of equal
temperament over the range, vibrato included (autocorrelation over 0.1 s): its flute, choir and horn are not"""

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_LEAD_S = 0.25
_BEATS = 16
_LENGTHS = (0.5, 0.5, 1.0, 1.0, 1.5, 2.0)
"""of a note and what follows it, in beats"""
_REST_SHARE = 0.1
_HELD = 0.9
"""how much of its length a note sounds"""
_PITCH_HOP_S = 0.01
_A4_HZ, _A4_MIDI = 440.0, 69


class MelodyOptions(CollectionOptions):
    """What is composed."""

    clips: Annotated[int, pydantic.Field(ge=1, le=10_000)] | None = None
    """how many are composed; default: 40"""
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**32)] = 0
    """what they are composed from"""


class RenderedMelodies(Collection):
    """Four bars each, in a tempo of its own."""

    Options = MelodyOptions
    summary = "melodies of one instrument, composed and rendered: exact notes, pitch and beats, 22.05 kHz"
    labels = ("notes", "pitch", "beats", "tags")
    rules = (
        "all are what was composed: a note ends where its key is let go, though its sound may ring on; pitch is equal "
        "temperament at 440 Hz, every 10 ms; tags are the instrument"
    )
    clips = 40
    minutes = 6.4
    licence = "GPL-2.0-only"
    attribution = f"melodies composed by testpress, rendered with the {CREDIT}"
    needs = SYNTHESISER
    archives = (SOUNDFONT,)

    def make_clips(self, options: MelodyOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        with unpack_soundfont(archives[SOUNDFONT.package]) as font:
            for index in range(options.clips or self.clips):
                name, program, lowest, highest = INSTRUMENTS[index % len(INSTRUMENTS)]
                beat_s, notes = compose(lowest, highest, np.random.default_rng([options.seed, index]))
                length_s = _LEAD_S + _BEATS * beat_s + TAIL_S
                samples = render(notes, {0: program}, font, length_s)
                labels = {**_label(notes, length_s, beat_s), "tags": [name]}
                yield LabelledClip(f"{index:04d}-{name}", samples, SAMPLE_RATE_HZ, labels)


def compose(lowest: int, highest: int, random: np.random.Generator) -> tuple[float, list[PlayedNote]]:
    """A melody: seconds a beat, and its notes, one at a time, on halves of beats.

    Args:
        lowest: The lowest note that may be taken.
        highest: The highest one.
        random: What it is drawn from.
    """
    beat_s = 60.0 / int(random.integers(72, 145))
    root, scale = int(random.integers(12)), _SCALES[int(random.integers(len(_SCALES)))]
    pitches = [pitch for pitch in range(lowest, highest + 1) if (pitch - root) % 12 in scale]
    step, beat = int(random.integers(len(pitches))), 0.0
    notes: list[PlayedNote] = []
    while beat < _BEATS:
        length = min(float(random.choice(_LENGTHS)), _BEATS - beat)
        if not notes or random.random() >= _REST_SHARE:
            onset_s = _LEAD_S + beat * beat_s
            velocity = int(random.integers(70, 115))
            notes.append(PlayedNote(onset_s, onset_s + _HELD * length * beat_s, pitches[step], velocity))
        moved = step + int(random.choice((-3, -2, -1, 1, 2, 3)))
        step = moved if 0 <= moved < len(pitches) else len(pitches) // 2
        beat += length
    return beat_s, notes


def _label(notes: Sequence[PlayedNote], length_s: float, beat_s: float) -> dict[str, Any]:
    times_s = np.arange(0.0, length_s, _PITCH_HOP_S)
    pitch_hz = np.zeros(len(times_s))
    for note in notes:
        sounding = (times_s >= note.onset_s) & (times_s < note.offset_s)
        pitch_hz[sounding] = _A4_HZ * 2 ** ((note.pitch - _A4_MIDI) / 12)
    return {
        "notes": [[round(note.onset_s, 6), round(note.offset_s, 6), note.pitch] for note in notes],
        "pitch": [[round(float(t), 6), round(float(hz), 3)] for t, hz in zip(times_s, pitch_hz, strict=True)],
        "beats": [round(_LEAD_S + beat * beat_s, 6) for beat in range(_BEATS)],
    }


COLLECTION = RenderedMelodies

"""Pieces of a game's music for several instruments, rendered from MIDI: every note is known."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import pydantic

from evaluators.datasets.builtin.collection import Collection, CollectionOptions, LabelledClip, read_folder, take
from evaluators.datasets.builtin.rendering import (
    CREDIT,
    SAMPLE_RATE_HZ,
    SOUNDFONT,
    SYNTHESISER,
    TAIL_S,
    PlayedNote,
    keep_apart,
    render,
    unpack_soundfont,
)
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive

_ARCHIVE = Archive(
    registry="debian",
    package="openttd-openmsx",
    version="0.4.2-1",
    file="openttd-openmsx_0.4.2-1_all.deb",
    sha256="1a728a4ac37a1c614de1f597d3024caa7f54ce93d28f5b979b5758305b916a54",
    size_bytes=96384,
)
_FOLDER = "usr/share/games/openttd/baseset/openmsx"
_LEAD_S = 0.1
_REST_S = 0.03
_LEAST_S = 0.03
"""a shorter note is neither played nor labelled: nobody would hear its pitch"""
_LOWEST, _HIGHEST = 21, 108
"""of a piano; what lies outside is neither played nor labelled"""
_PERCUSSION = 9
"""the channel that General MIDI gives to percussion"""


class PieceOptions(CollectionOptions):
    """How much of each piece."""

    seconds: Annotated[float, pydantic.Field(ge=2, le=240)] = 20.0
    """from each piece's first note on"""


class RenderedPieces(Collection):
    """Jazz, rock and film-like music for four to fourteen instruments."""

    Options = PieceOptions
    summary = "31 pieces of game music for several instruments, rendered from MIDI: exact notes, 22.05 kHz"
    labels = ("notes", "tags")
    rules = (
        "notes are what was played: percussion, bends and controllers are not, nor a note whose pitch sounds already "
        "in another instrument; tags are how many instruments play"
    )
    clips = 31
    minutes = 10.6
    licence = "GPL-2.0-only"
    attribution = f"OpenMSX 0.4.2, by the authors that ATTRIBUTION.txt names, rendered with the {CREDIT}"
    notices = ("usr/share/doc/openttd-openmsx/readme.txt.gz",)
    needs = {**SYNTHESISER, "pretty_midi": 'pip install "testpress[example]"'}
    archives = (_ARCHIVE, SOUNDFONT)

    def make_clips(self, options: PieceOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        pieces = read_folder(archives[_ARCHIVE.package], _FOLDER, ".mid")
        with unpack_soundfont(archives[SOUNDFONT.package]) as font:
            for name in take(list(pieces), options):
                notes, programs = read_piece(pieces[name], name, options.seconds)
                length_s = max(note.offset_s for note in notes) + TAIL_S
                samples = render(notes, programs, font, length_s)
                labels = [[round(note.onset_s, 6), round(note.offset_s, 6), note.pitch] for note in notes]
                playing = len({note.channel for note in notes})
                tags = [f"{playing} instruments" if playing > 1 else "1 instrument"]
                yield LabelledClip(name, samples, SAMPLE_RATE_HZ, {"notes": labels, "tags": tags})


def read_piece(data: bytes, name: str, seconds: float) -> tuple[list[PlayedNote], dict[int, int]]:
    """The notes of a MIDI file that are played, from its first one on, and the program of each channel.

    Args:
        data: The file.
        name: How messages name it.
        seconds: How much of it; a note that goes on is let go there.

    Raises:
        EvaluationError: It cannot be read, or nothing of it can be played.
    """
    import pretty_midi

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes outside the first track, which are read all the same
            midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    except (OSError, ValueError, KeyError, IndexError, EOFError) as fault:
        raise EvaluationError(f"{name}: cannot be read as MIDI: {fault}") from None
    parts = [part for part in midi.instruments if not part.is_drum]
    channels = [channel for channel in range(16) if channel != _PERCUSSION]
    programs = sorted({part.program for part in parts})[: len(channels)]
    by_program = dict(zip(programs, channels, strict=False))
    found = [(note, by_program[part.program]) for part in parts if part.program in by_program for note in part.notes]
    found = [(note, channel) for note, channel in found if _LOWEST <= note.pitch <= _HIGHEST]
    start_s = min((note.start for note, _ in found), default=0.0) - _LEAD_S
    notes = [
        PlayedNote(note.start - start_s, min(note.end - start_s, seconds), note.pitch, max(note.velocity, 1), channel)
        for note, channel in found
        if note.start - start_s < seconds
    ]
    kept = keep_apart([note for note in notes if note.offset_s - note.onset_s >= _LEAST_S], _REST_S)
    if not kept:
        raise EvaluationError(f"{name}: holds no note that can be played")
    return kept, {by_program[program]: program for program in programs}


COLLECTION = RenderedPieces

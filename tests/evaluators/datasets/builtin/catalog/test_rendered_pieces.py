from __future__ import annotations

import io

import pytest

from evaluators.datasets.builtin.catalog.rendered_pieces import read_piece
from evaluators.errors import EvaluationError

pretty_midi = pytest.importorskip("pretty_midi")


def _midi(*parts: tuple[int, bool, list[tuple[float, float, int]]]) -> bytes:
    """Parts: program, whether it is percussion, notes (start, end, pitch)."""
    midi, stream = pretty_midi.PrettyMIDI(), io.BytesIO()
    for program, is_drum, notes in parts:
        part = pretty_midi.Instrument(program, is_drum)
        part.notes = [pretty_midi.Note(90, pitch, start, end) for start, end, pitch in notes]
        midi.instruments.append(part)
    midi.write(stream)
    return stream.getvalue()


def test_what_cannot_be_labelled_is_not_played() -> None:
    melody = [(2.0, 3.0, 60), (3.5, 3.51, 62), (4.0, 5.0, 12), (8.0, 99.0, 64), (50.0, 51.0, 65)]
    data = _midi((0, False, melody), (40, False, [(2.5, 3.0, 60), (2.5, 3.0, 67)]), (0, True, [(2.0, 3.0, 38)]))
    notes, programs = read_piece(data, "x", 10.0)
    rows = [(round(n.onset_s, 2), round(n.offset_s, 2), n.pitch, programs[n.channel]) for n in notes]
    assert rows == [(0.1, 1.1, 60, 0), (0.6, 1.1, 67, 40), (6.1, 10.0, 64, 0)]


def test_no_channel_is_percussion() -> None:
    parts = [(program, False, [(1.0, 2.0, 40 + program)]) for program in range(15)]
    _, programs = read_piece(_midi(*parts), "x", 10.0)
    assert 9 not in programs
    assert len(programs) == 15


@pytest.mark.parametrize("data", [b"", b"no MIDI", _midi()[:20], _midi((0, True, [(0.0, 1.0, 38)]))])
def test_what_is_no_piece_is_one_message(data: bytes) -> None:
    with pytest.raises(EvaluationError, match=r"x: (cannot be read as MIDI|holds no note that can be played)"):
        read_piece(data, "x", 10.0)

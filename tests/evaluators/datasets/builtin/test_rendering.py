from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.datasets.builtin.rendering import PlayedNote, keep_apart, unpack_soundfont
from evaluators.errors import EvaluationError
from tests.evaluators.datasets.builtin.fake_archives import write_wheel


def test_a_pitch_that_sounds_already_is_left_out_in_any_channel() -> None:
    notes = [
        PlayedNote(1.0, 2.0, 60, 90, 0),
        PlayedNote(1.5, 2.5, 60, 90, 1),
        PlayedNote(2.02, 2.5, 60, 90, 1),
        PlayedNote(2.1, 2.5, 60, 90, 1),
        PlayedNote(1.5, 2.5, 61, 90, 1),
    ]
    assert keep_apart(notes, rest_s=0.05) == [notes[0], notes[4], notes[3]]


def test_the_soundfont_is_a_file_while_it_is_needed(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "p.whl", {"pretty_midi/TimGM6mb.sf2": b"font", "pretty_midi/x.py": b"raise"})
    with unpack_soundfont(wheel) as font:
        assert font.read_bytes() == b"font"
    assert not font.exists()
    empty = write_wheel(tmp_path / "q.whl", {})
    with pytest.raises(EvaluationError, match=r"holds no pretty_midi/TimGM6mb\.sf2"), unpack_soundfont(empty):
        pass

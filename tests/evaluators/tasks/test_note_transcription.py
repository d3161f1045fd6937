from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.picture_records import Note
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.tasks.note_transcription import NoteOptions, NoteTranscription
from evaluators.windows import Stitched

TASK = NoteTranscription()

FRAME_S = 256 / 22050


def _note(onset_s: float, offset_s: float, pitch: int) -> Note:
    return Note(onset_s=onset_s, offset_s=offset_s, pitch_midi=pitch)


def _outputs(note: np.ndarray, onset: np.ndarray) -> dict[str, Stitched]:
    return {
        "note": Stitched(note, np.arange(len(note)) * FRAME_S),
        "onset": Stitched(onset, np.arange(len(onset)) * FRAME_S),
    }


def _values(reference: list[Note], estimate: list[Note]) -> dict[str, float | None]:
    found = TASK.score(reference, estimate)
    return {name: None if isinstance(value, Absent) else value for name, value in found.items()}


def test_labels_are_sorted_notes() -> None:
    line = {"notes": [[1.0, 2, 60], [0.5, 1.5, 64], [0, 2.0, 108], [0.5, 0.6, 21]]}
    assert TASK.parse_labels(line, ClipContext(2.0, "x")) == (
        _note(0.0, 2.0, 108),
        _note(0.5, 0.6, 21),
        _note(0.5, 1.5, 64),
        _note(1.0, 2.0, 60),
    )


def test_no_notes_is_a_label_too() -> None:
    assert TASK.parse_labels({"notes": []}, ClipContext(2.0, "x")) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 1, 60], "-0.1 s to 1 s lies outside the clip, which is 2 s long"),
        ([0, 2.1, 60], "0 s to 2.1 s lies outside the clip, which is 2 s long"),
        ([1, 1, 60], "offset 1 s must come after onset 1 s"),
        ([1, 0.5, 60], "offset 0.5 s must come after onset 1 s"),
        ([0, 1, 20], "pitch 20 must be a whole MIDI number from 21 (A0) to 108 (C8)"),
        ([0, 1, 109], "pitch 109 must be a whole MIDI number from 21 (A0) to 108 (C8)"),
        ([0, 1, 60.5], "pitch 60.5 must be a whole MIDI number from 21 (A0) to 108 (C8)"),
        ([0, 1], "must be [onset_s, offset_s, midi], three numbers; found [0, 1]"),
        ([0, 1, "60"], "must be [onset_s, offset_s, midi], three numbers; found [0, 1, '60']"),
        ([0, True, 60], "must be [onset_s, offset_s, midi], three numbers; found [0, True, 60]"),
        ([0, float("nan"), 60], "must be [onset_s, offset_s, midi], three numbers; found [0, nan, 60]"),
        ({"onset": 0}, "must be [onset_s, offset_s, midi], three numbers; found {'onset': 0}"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"notes": [[0, 1, 60], row]}, ClipContext(2.0, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: notes[1]: {message}"


def test_all_bad_labels_are_listed() -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"notes": [[1, 0, 60], [0, 1, 60], [0, 1, 5]]}, ClipContext(2.0, "n.jsonl:3"))
    assert [line.split(":")[2].strip() for line in str(caught.value).split("\n")] == ["notes[0]", "notes[2]"]


def test_notes_must_be_a_list() -> None:
    with pytest.raises(EvaluationError, match=r"x: notes must be a list of \[onset_s, offset_s, midi\]; found 'a'"):
        TASK.parse_labels({"notes": "a"}, ClipContext(2.0, "x"))


def test_decode_gives_pitches_and_frame_times() -> None:
    note, onset = np.zeros((200, 88), np.float32), np.zeros((200, 88), np.float32)
    note[100:150, 39] = note[20:60, 0] = note[20:60, 87] = 0.8
    onset[100, 39] = onset[20, 0] = onset[20, 87] = 0.9
    assert TASK.decode(_outputs(note, onset)) == (
        _note(20 * FRAME_S, 60 * FRAME_S, 21),
        _note(20 * FRAME_S, 60 * FRAME_S, 108),
        _note(100 * FRAME_S, 150 * FRAME_S, 60),
    )


def test_no_note_begins_before_the_clip() -> None:
    note, onset = np.zeros((200, 88), np.float32), np.zeros((200, 88), np.float32)
    note[2:60, 39] = 0.8
    onset[2, 39] = 0.9
    times_s = np.arange(200) * FRAME_S - 0.1
    (found,) = TASK.decode({"note": Stitched(note, times_s), "onset": Stitched(onset, times_s)})
    assert (found.onset_s, found.offset_s) == (0.0, pytest.approx(60 * FRAME_S - 0.1))


@pytest.mark.parametrize(("length", "found"), [(11, 0), (12, 1)])
def test_minimum_note_length_is_11_frames_of_basic_pitch(length: int, found: int) -> None:
    note, onset = np.zeros((200, 88), np.float32), np.zeros((200, 88), np.float32)
    note[20 : 20 + length, 30] = 0.8
    onset[20, 30] = 0.9
    assert len(TASK.decode(_outputs(note, onset))) == found


def test_thresholds_can_be_set() -> None:
    note, onset = np.zeros((200, 88), np.float32), np.zeros((200, 88), np.float32)
    note[20:60, 30] = 0.8
    onset[20, 30] = 0.9
    assert NoteTranscription(NoteOptions(frame_threshold=0.85)).decode(_outputs(note, onset)) == ()


@pytest.mark.parametrize("frames", [0, 1])
def test_decode_of_next_to_nothing(frames: int) -> None:
    assert TASK.decode(_outputs(np.ones((frames, 88)), np.ones((frames, 88)))) == ()


def _bad_outputs() -> dict[str, tuple[dict[str, Stitched], str]]:
    good = np.zeros((20, 88), np.float32)
    hole = good.copy()
    hole[7, 3] = np.nan
    complete = _outputs(good, good)
    return {
        "missing": ({"note": complete["note"]}, "note transcription needs the output 'onset'; the model has note"),
        "none": ({}, "note transcription needs the output 'note'; the model has none"),
        "pitches": (
            _outputs(good, good[:, :80]),
            r"output 'onset' must be (frames, 88), one column a piano key; found (20, 80)",
        ),
        "axes": (
            _outputs(good[None], good),
            r"output 'note' must be (frames, 88), one column a piano key; found (1, 20, 88)",
        ),
        "frames": (_outputs(good, good[:10]), "outputs note (20, 88) and onset (10, 88) must have the same shape"),
        "kind": (
            {**complete, "note": Stitched(good, np.zeros(1), "clip")},
            'output \'note\' is of kind "clip"; right is "frames" or "window"',
        ),
        "nan": (_outputs(good, hole), "output 'onset' is not finite, first at 0.081 s"),
    }


@pytest.mark.parametrize("case", _bad_outputs())
def test_decode_refuses(case: str) -> None:
    outputs, message = _bad_outputs()[case]
    with pytest.raises(EvaluationError) as caught:
        TASK.decode(outputs)
    assert str(caught.value) == message


REFERENCE = [_note(0.0, 1.0, 60), _note(1.0, 2.0, 64)]


@pytest.mark.parametrize(
    ("estimate", "f1", "precision", "recall", "with_offset_f1"),
    # By hand: onset within 50 ms, pitch within 50 cents, offset within max(50 ms, 0.2 x length) = 200 ms.
    [
        (REFERENCE, 1, 1, 1, 1),
        ([_note(0.049, 1.0, 60), _note(1.0, 2.199, 64)], 1, 1, 1, 1),
        ([_note(0.051, 1.0, 60), _note(1.0, 2.0, 64)], 0.5, 0.5, 0.5, 0.5),
        ([_note(0.0, 1.0, 61), _note(1.0, 2.0, 64)], 0.5, 0.5, 0.5, 0.5),
        ([_note(0.0, 1.201, 60), _note(1.0, 2.0, 64)], 1, 1, 1, 0.5),
        ([_note(0.0, 1.0, 60)], 2 / 3, 1, 0.5, 2 / 3),
        ([*REFERENCE, _note(0.0, 1.0, 60), _note(0.0, 1.0, 72)], 2 / 3, 0.5, 1, 2 / 3),
    ],
)
def test_scores(estimate: list[Note], f1: float, precision: float, recall: float, with_offset_f1: float) -> None:
    found = _values(REFERENCE, estimate)
    expected = {
        "note_f1": f1,
        "note_precision": precision,
        "note_recall": recall,
        "note_with_offset_f1": with_offset_f1,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


# The first 8 s of a fixture of mir_eval's (03), pitches rounded to whole numbers, and what mir_eval 0.8.2 says of them.
FIXTURE = [
    (2.78, 3.81, 75), (2.79, 3.19, 35), (3.19, 3.79, 66), (3.74, 4.11, 54), (3.75, 4.33, 76), (4.09, 4.44, 66),
    (4.25, 4.48, 75), (4.43, 4.89, 64), (4.44, 4.89, 58), (4.44, 5.28, 73), (4.85, 5.22, 66), (5.19, 5.93, 75),
    (5.22, 5.55, 54), (5.54, 5.89, 66), (5.88, 6.31, 63), (5.88, 7.07, 71), (5.89, 6.34, 59), (6.29, 6.75, 66),
    (6.74, 7.36, 54), (7.0, 7.32, 75), (7.25, 7.53, 83), (7.31, 7.7, 66), (7.44, 7.72, 80), (7.63, 9.04, 78),
    (7.68, 8.1, 61), (7.69, 8.13, 58),
]  # fmt: skip
FOUND = [
    (2.61, 2.81, 75), (3.35, 3.7, 66), (3.63, 4.02, 76), (3.72, 3.93, 54), (4.07, 4.56, 66), (4.23, 4.51, 75),
    (4.47, 5.0, 73), (4.51, 5.0, 64), (4.88, 5.25, 66), (5.14, 5.37, 75), (5.16, 5.55, 54), (5.56, 6.04, 66),
    (5.91, 6.32, 71), (6.12, 6.25, 59), (6.3, 6.46, 59), (6.51, 6.6, 59), (6.6, 6.69, 66), (6.93, 7.32, 54),
    (7.07, 7.16, 75), (7.28, 7.39, 83), (7.37, 7.74, 66), (7.44, 7.67, 80), (7.65, 7.92, 78),
]  # fmt: skip


def test_scores_of_a_fixture_of_mir_evals() -> None:
    found = _values([_note(*row) for row in FIXTURE], [_note(*row) for row in FOUND])
    assert found == pytest.approx(
        {
            "note_f1": 0.4489795918,
            "note_precision": 0.4782608696,
            "note_recall": 0.4230769231,
            "note_with_offset_f1": 0.1224489796,
            "note_with_offset_precision": 0.1304347826,
            "note_with_offset_recall": 0.1153846154,
        },
        abs=1e-9,
    )


def test_short_notes_offsets_have_50_ms() -> None:
    reference = [_note(0.0, 0.1, 60)]
    assert _values(reference, [_note(0.0, 0.149, 60)])["note_with_offset_f1"] == 1
    assert _values(reference, [_note(0.0, 0.151, 60)])["note_with_offset_f1"] == 0


@pytest.mark.parametrize(
    ("reference", "estimate", "f1", "precision", "recall", "reasons"),
    [
        ([], [], None, None, None, {"no labelled and no estimated note"}),
        ([], REFERENCE, 0, 0, None, {None, "no labelled note"}),
        (REFERENCE, [], 0, None, 0, {None, "no estimated note"}),
    ],
)
def test_an_empty_side(reference: Any, estimate: Any, f1: Any, precision: Any, recall: Any, reasons: Any) -> None:
    found = _values(reference, estimate)
    for prefix in ("note", "note_with_offset"):
        assert [found[f"{prefix}_{name}"] for name in ("f1", "precision", "recall")] == [f1, precision, recall]
    scores = make_scores(TASK, TASK.score(reference, estimate), "clip", basis="emulated")
    assert {score.reason for score in scores.values()} == reasons


@st.composite
def _notes(draw: st.DrawFn) -> list[Note]:
    rows = draw(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200), st.integers(21, 108)), max_size=12))
    return [_note(start / 100, (start + length) / 100, pitch) for start, length, pitch in rows]


@settings(deadline=None)  # cores are shared
@given(reference=_notes(), estimate=_notes())
def test_scores_are_complete_and_symmetric(reference: list[Note], estimate: list[Note]) -> None:
    forth, back = _values(reference, estimate), _values(estimate, reference)
    assert set(forth) == set(TASK.metrics)
    assert all(value is None or 0 <= value <= 1 for value in forth.values())
    # Only without offsets: their tolerance follows the length of the labelled note.
    assert forth["note_precision"] == pytest.approx(back["note_recall"]) or forth["note_precision"] is None
    assert forth["note_f1"] == pytest.approx(back["note_f1"]) or forth["note_f1"] is None


def test_notes_are_drawn_as_events() -> None:
    assert TASK.draw(tuple(REFERENCE)).events == tuple(REFERENCE)

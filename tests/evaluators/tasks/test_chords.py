from __future__ import annotations

import warnings
from typing import Any

import mir_eval.chord
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.chords import CLASSES, Chord, ChordOptions, Chords
from evaluators.windows import Stitched

TASK = Chords()
SMALL = Chords(ChordOptions(classes=("C:maj", "A:min", "N")))
FRAME_S = 0.5
RULES = ("majmin", "root", "mirex", "thirds", "triads", "sevenths", "tetrads", "majmin_inv", "sevenths_inv")


def _outputs(values: Any, start_s: float = 0.0) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"chords": Stitched(array, np.arange(len(array)) * FRAME_S + start_s)}


def _chords(*rows: tuple[float, float, str]) -> tuple[Chord, ...]:
    return tuple(Chord(*row) for row in rows)


def _values(labels: Any, estimate: Any) -> dict[str, float | str]:
    found = TASK.score(labels, estimate)
    make_scores(TASK, found, "clip", basis="emulated")
    return {name: value.reason if isinstance(value, Absent) else float(value) for name, value in found.items()}


def _parse(*rows: Any, task: Chords = TASK) -> tuple[Chord, ...]:
    labels: tuple[Chord, ...] = task.parse_labels({"chords": list(rows)}, ClipContext(4.0, "c.jsonl:3"))
    return labels


def test_labels_are_chords() -> None:
    rows = ([0, 1, "C:maj"], [1, 1.5, "F#:min7/b3"], [2, 4.0, "N"])
    assert _parse(*rows) == _chords((0, 1, "C:maj"), (1, 1.5, "F#:min7/b3"), (2, 4, "N"))
    assert _parse() == ()


def test_a_label_may_begin_a_rounding_before_the_last_one_ends() -> None:
    assert _parse([0, 1.0004, "C"], [1, 2, "G:7"]) == _chords((0, 1.0004, "C"), (1.0004, 2, "G:7"))


FORM = "must be [start_s, end_s, chord]"
RIGHT = (
    "must name a chord in Harte's writing, for example 'C:maj', 'F#:min7', 'Bb:7/3', N where there is none, X where it "
    "is unknown"
)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 1, "C"], "-0.1 s to 1 s lies outside the clip, which is 4 s long"),
        ([2, 4.1, "C"], "2 s to 4.1 s lies outside the clip, which is 4 s long"),
        ([1, 1, "C"], "end 1 s must come after start 1 s"),
        ([0.9, 2, "C"], "0.9 s to 2 s overlaps the chord before it, 0.5 s to 1 s"),
        ([0, 0.5, "C"], "0 s to 0.5 s overlaps the chord before it, 0.5 s to 1 s"),
        ([1, 2, "Cmaj"], f"{RIGHT}; found 'Cmaj'"),
        ([1, 2, "H:maj"], f"{RIGHT}; found 'H:maj'"),
        ([1, 2, "C:aug7"], f"{RIGHT}; found 'C:aug7'"),
        ([1, 2, "C:maj\n"], f"{RIGHT}; found 'C:maj\\n'"),
        ([1, 2, "C" + "b" * 60], f"{RIGHT}; found 'C{'b' * 58}…"),
        ([1, 2, 3], f"{RIGHT}; found 3"),
        ([1, "2", "C"], f"{FORM}; found [1, '2', 'C']"),
        ([1, 2], f"{FORM}; found [1, 2]"),
        ({"start": 1}, f"{FORM}; found {{'start': 1}}"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        _parse([0.5, 1, "C"], row, [3, 4, "C"])
    assert str(caught.value) == f"c.jsonl:3: chords[1]: {message}"


def test_chords_must_be_a_list() -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"chords": "C"}, ClipContext(4.0, "x"))
    assert str(caught.value) == "x: chords must be a list of [start_s, end_s, chord]; found 'C'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["C", "Am"]}, "'Am' is no chord; right is a chord in Harte's writing"),
        ({"classes": ["C", "N", "C"]}, "names C more than once; right is a chord a column"),
        ({"classes": ["C"]}, "classes"),
    ],
)
def test_bad_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task("chords", options)
    assert message in str(caught.value)


def test_decode_joins_equal_frames() -> None:
    frames = [[0.9, 0, 0.1], [0.6, 0.3, 0.1], [0, 0.2, 0.1], [0.4, 0.4, 0.2], [0, 0, 5]]
    assert SMALL.decode(_outputs(frames, start_s=-0.5)) == _chords(
        (-0.5, 0.5, "C:maj"), (0.5, 1.0, "A:min"), (1.0, 1.5, "C:maj"), (1.5, 2.0, "N")
    )


def test_the_only_frame_goes_on() -> None:
    (chord,) = SMALL.decode(_outputs([[0, 1, 0]]))
    assert chord == (0, float("inf"), "A:min")
    assert _values(_chords((0, 3, "A:min")), (chord,))["chord_majmin"] == 1
    (span,) = SMALL.draw((chord,)).spans or ()
    assert (span.start_s, span.end_s) == (0, 0)
    assert SMALL.decode(_outputs(np.zeros((0, 3)))) == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 3)), "output 'chords' has 3 columns where task.options.classes names 25 chords"),
        (np.zeros(4), "output 'chords' has 1 columns where task.options.classes names 25 chords"),
        (np.zeros((2, 4, 25)), "output 'chords' must be (frames,) or (frames, columns); found (2, 4, 25)"),
        (np.full((4, 25), np.inf), "output 'chords' is not finite, first at 0.000 s"),
    ],
)
def test_decode_refuses(values: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.decode(_outputs(values))
    assert str(caught.value) == message


# By hand: 4 s, of which the estimate has 1 s of C for a C7, 1 s of Am for a C, and the rest right.
def test_scores_by_hand() -> None:
    labels = _chords((0, 1, "C:7"), (1, 2, "C"), (2, 3, "G:sus4"), (3, 4, "N"))
    estimate = _chords((0, 1, "C:maj"), (1, 2, "A:min"), (2, 3, "G:sus4"), (3, 4, "N"))
    values = _values(labels, estimate)
    assert values == {
        "chord_majmin": pytest.approx(2 / 3),  # a suspended chord is neither
        "chord_root": pytest.approx(3 / 4),
        "chord_mirex": pytest.approx(3 / 4),  # C and A minor share two notes
        "chord_thirds": pytest.approx(3 / 4),
        "chord_triads": pytest.approx(3 / 4),
        "chord_sevenths": pytest.approx(1 / 3),
        "chord_tetrads": pytest.approx(2 / 4),
        "chord_majmin_inv": pytest.approx(2 / 3),
        "chord_sevenths_inv": pytest.approx(1 / 3),
        "chord_overseg": 1,
        "chord_underseg": 1,
        "chord_seg": 1,
    }


def test_segmentation_by_hand() -> None:
    whole, halves = _chords((0, 4, "C")), _chords((0, 2, "C"), (2, 4, "G"))
    cut, joined = _values(whole, halves), _values(halves, whole)
    assert [cut[f"chord_{name}"] for name in ("overseg", "underseg", "seg")] == [0.5, 1, 0.5]
    assert [joined[f"chord_{name}"] for name in ("overseg", "underseg", "seg")] == [1, 0.5, 0.5]


# The beginnings of mir_eval's fixtures 01, with times rounded, and what mir_eval 0.8.2 says of them.
REFERENCE = _chords(
    (0, 1.735, "N"),
    (1.735, 6.29, "N"),
    (6.29, 37.413, "C:min(*b3)"),
    (37.413, 60.022, "C:min(*b3)"),
    (60.022, 61.49, "Bb"),
    (61.49, 62.011, "C:min(*b3)"),
    (62.011, 63.393, "Bb"),
    (63.393, 63.931, "C:min(*b3)"),
    (63.931, 65.277, "Bb"),
)
ESTIMATE = _chords(
    (0, 2.212, "N"),
    (2.212, 6.452, "G:maj"),
    (6.452, 12.884, "C:min"),
    (12.884, 14.68, "Bb:min"),
    (14.68, 26.776, "C:min"),
    (26.776, 27.284, "Bb:maj"),
    (27.284, 34.932, "C:min"),
    (34.932, 37.32, "Bb:maj"),
    (37.32, 51.128, "C:min"),
    (51.128, 59.996, "C:maj"),
    (59.996, 60.244, "F:maj"),
    (60.244, 61.556, "Bb:maj"),
    (61.556, 63.842, "C:maj"),
    (63.842, 66.956, "Bb:maj"),
)


def test_scores_of_a_fixture_of_mir_evals() -> None:
    assert _values(REFERENCE, ESTIMATE) == pytest.approx(STORED, abs=1e-9)


STORED = {
    "chord_majmin": 0.4581346557,
    "chord_root": 0.8358227247,
    "chord_mirex": 0.4581346557,
    "chord_thirds": 0.2232945754,
    "chord_triads": 0.0735940684,
    "chord_sevenths": 0.4581346557,
    "chord_tetrads": 0.0735940684,
    "chord_majmin_inv": 0.4581346557,
    "chord_sevenths_inv": 0.4581346557,
    "chord_overseg": 0.3487292615,
    "chord_underseg": 0.9808967937,
    "chord_seg": 0.3487292615,
}


@st.composite
def _pieces(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[Chord, ...]:
    edges = draw(st.lists(st.integers(1, 80), min_size=1, max_size=8, unique=True).map(sorted))
    starts = [0, *edges[:-1]]
    return tuple(
        Chord(start / 10, end / 10, draw(st.sampled_from(names))) for start, end in zip(starts, edges, strict=True)
    )


_NAMES = ("C", "C:min", "C:7", "A:min7", "G:maj/3", "G:sus4", "F#:dim", "N", "X", "B:maj9", "Eb:(1,5)", "D:5")


@settings(max_examples=40, deadline=None)
@given(_pieces(_NAMES), _pieces((*CLASSES, "C:7", "G:maj/3")))
def test_scores_are_mir_evals(labels: tuple[Chord, ...], estimate: tuple[Chord, ...]) -> None:
    # mir_eval makes an interval of no length of one that begins where the labels end, and then refuses it.
    cut = [one for one in estimate if one.start_s < labels[-1].end_s]
    sides = [(np.array([one[:2] for one in side]), [one.name for one in side]) for side in (labels, cut)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mir_eval.chord.evaluate(*sides[0], *sides[1])
    for name, value in _values(labels, estimate).items():
        other = theirs[name.removeprefix("chord_")]
        if isinstance(value, str):
            assert (value, other) == ("the clip's labels have no chord that this rule compares", 0)
        else:
            assert value == pytest.approx(other, abs=1e-9)
            assert -1e-9 <= value <= 1 + 1e-9


@settings(max_examples=20, deadline=None)
@given(_pieces(CLASSES))
def test_a_perfect_estimate_is_perfect(labels: tuple[Chord, ...]) -> None:
    assert list(_values(labels, labels).values()) == pytest.approx([1] * len(TASK.metrics))


def test_empty_sides() -> None:
    labels = _chords((0, 1, "C"), (1, 2, "N"))
    assert set(_values((), labels).values()) == {"no labelled chord"}
    assert _values(labels, ())["chord_majmin"] == 0.5  # no chord throughout


def test_time_without_a_label_is_not_scored() -> None:
    gap = _chords((1, 2, "C"), (3, 4, "G"))
    wrong = _chords((0, 1, "A"), (1, 2, "C"), (2, 3, "B"), (3, 4, "G"), (4, 9, "D"))
    assert _values(gap, wrong)["chord_root"] == 1
    assert [_values(gap, side)["chord_majmin"] for side in (wrong[1:2], wrong[3:4])] == [0.5, 0.5]


def test_unknown_chords_alone_have_no_score() -> None:
    values = _values(_chords((0, 2, "X")), _chords((0, 2, "C")))
    assert {values[f"chord_{rule}"] for rule in RULES} == {"the clip's labels have no chord that this rule compares"}
    assert values["chord_seg"] == 1


def test_chords_are_drawn_as_spans() -> None:
    spans = TASK.draw(REFERENCE).spans or ()
    assert [(span.start_s, span.end_s, span.label) for span in spans] == list(REFERENCE)

from __future__ import annotations

import warnings
from typing import Any

import mir_eval.beat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.beat import Beat, BeatOptions
from evaluators.windows import Stitched

WHOLE = Beat(BeatOptions(skipped_s=0.0))
MIR_EVAL = {
    "beat_f1": "F-measure",
    "beat_cemgil": "Cemgil",
    "beat_cmlc": "Correct Metric Level Continuous",
    "beat_cmlt": "Correct Metric Level Total",
    "beat_amlc": "Any Metric Level Continuous",
    "beat_amlt": "Any Metric Level Total",
    "beat_p_score": "P-score",
    "beat_information_gain": "Information gain",
}
OF_INTERVALS = tuple(MIR_EVAL)[2:]


def _values(task: Beat, reference: Any, estimate: Any) -> dict[str, float | None]:
    found = task.score(tuple(reference), tuple(estimate))
    make_scores(task, found, "clip", basis="emulated")
    return {name: None if isinstance(value, Absent) else value for name, value in found.items()}


def _outputs(values: Any, frame_s: float = 0.02, start_s: float = 0.0) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"beat": Stitched(array, np.arange(len(array)) * frame_s + start_s)}


# Twelve seconds of two fixtures of mir_eval's (04 and 06), times rounded to ms, and what mir_eval 0.8.2 says of them.
FIXTURES = [
    (
        (
            "4.406 4.824 5.242 5.706 6.124 6.542 6.96 7.425 7.889 8.261 8.725 9.143 9.561 9.979 10.443 10.861 11.326 "
            "11.79 12.208 12.626 13.044 13.462 13.88 14.344 14.809 15.227 15.645"
        ),
        (
            "4.415 4.827 5.251 5.666 6.087 6.545 6.96 7.422 7.869 8.31 8.725 9.12 9.558 10.019 10.443 10.899 11.456 "
            "11.889 12.333 12.727 13.067 13.468 13.897 14.356 14.759 15.206 15.653"
        ),
        (0.84, 0.7114723816, 0.28, 0.76, 0.28, 0.76, 0.84, 0.3658660133),
    ),
    (
        (
            "4.499 5.103 5.706 6.264 6.775 7.332 7.843 8.354 8.864 9.375 9.886 10.35 10.908 11.419 11.976 12.487 "
            "13.044 13.508 14.019 14.53 15.087 15.598"
        ),
        (
            "4.058 4.653 5.216 5.689 6.069 6.592 7.16 7.648 8.139 8.67 9.207 9.729 10.231 10.762 11.294 11.825 12.309 "
            "13.021 13.563 14.092 14.623 15.134 15.647"
        ),
        (
            0.2380952381,
            0.1628828538,
            0.0952380952,
            0.1904761905,
            0.1904761905,
            0.2857142857,
            0.3333333333,
            0.3425035191,
        ),
    ),
]


@pytest.mark.parametrize(("reference", "estimate", "expected"), FIXTURES)
def test_scores_of_fixtures_of_mir_evals(reference: str, estimate: str, expected: tuple[float, ...]) -> None:
    found = _values(Beat(), map(float, reference.split()), map(float, estimate.split()))
    assert [found[name] for name in MIR_EVAL] == pytest.approx(expected, abs=1e-9)


def test_labels_are_seconds() -> None:
    assert WHOLE.parse_labels({"beats": [0, 0.5, 1.25]}, ClipContext(2.0, "x")) == (0.0, 0.5, 1.25)
    assert WHOLE.parse_labels({"beats": []}, ClipContext(2.0, "x")) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (-0.1, "-0.1 s lies outside the clip, which is 2 s long"),
        (2.1, "2.1 s lies outside the clip, which is 2 s long"),
        (0.5, "0.5 s must come at least 0.05 s after 0.5 s, the beat before it"),
        (0.3, "0.3 s must come at least 0.05 s after 0.5 s, the beat before it"),
        (0.54, "0.54 s must come at least 0.05 s after 0.5 s, the beat before it"),
        ("1", "must be a number of seconds; found '1'"),
        ([1.0], "must be a number of seconds; found [1.0]"),
        (True, "must be a number of seconds; found True"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        WHOLE.parse_labels({"beats": [0.5, row, 1.5]}, ClipContext(2.0, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: beats[1]: {message}"


def test_beats_must_be_a_list() -> None:
    with pytest.raises(EvaluationError, match=r"x: beats must be a list of seconds; found 120"):
        WHOLE.parse_labels({"beats": 120}, ClipContext(2.0, "x"))


def test_beats_are_peaks() -> None:
    activation = np.zeros((100, 2))
    activation[[25, 50, 75], 0] = 0.9
    activation[[25, 55], 0] = 0.6  # 55 is 100 ms after a stronger one
    activation[60, 1] = 0.9
    assert WHOLE.decode(_outputs(activation)) == pytest.approx((0.5, 1.0, 1.5))
    assert Beat(BeatOptions(column=1)).decode(_outputs(activation)) == pytest.approx((1.2,))
    assert Beat(BeatOptions(threshold=0.7)).decode(_outputs(activation)) == pytest.approx((1.0, 1.5))
    assert WHOLE.decode(_outputs(activation[:, :1])) == WHOLE.decode(_outputs(activation[:, 0]))


@pytest.mark.parametrize("frames", [0, 1])
def test_decode_of_next_to_nothing(frames: int) -> None:
    assert WHOLE.decode(_outputs(np.ones(frames))) == (0.0,) * frames


def test_no_beat_comes_before_the_clip_or_twice() -> None:
    activation = np.zeros(60)
    activation[[0, 20, 45]] = 0.9
    assert WHOLE.decode(_outputs(activation, start_s=-0.5)) == pytest.approx((0.0, 0.4))


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(EvaluationError, match="output 'beat' has 1 columns, counted from 0; there is no column 3"):
        Beat(BeatOptions(column=3)).decode(_outputs(np.ones(5)))


@pytest.mark.parametrize("name", ["threshold", "minimum_interval_ms", "skipped_s", "column"])
def test_options_have_ranges(name: str) -> None:
    with pytest.raises(EvaluationError, match=rf"task\.options: {name}"):
        load_task("beat", {name: 1_000_000})


LABELS = tuple(np.arange(0.5, 9.5, 0.5))


def test_the_first_5_seconds_are_left_out_as_the_field_does() -> None:
    early_wrong = [beat + 0.2 if beat < 5 else beat for beat in LABELS]
    assert _values(Beat(), LABELS, early_wrong)["beat_f1"] == 1
    # By hand: beats 0.5 to 4.5, which are 9 of 18, are wrong.
    assert _values(WHOLE, LABELS, early_wrong)["beat_f1"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("estimate", "f1", "cmlt", "amlt"),
    [
        (LABELS, 1, 1, 1),
        ([beat + 0.069 for beat in LABELS], 1, 1, 1),
        ([beat + 0.11 for beat in LABELS], 0, 0, 0),
        (LABELS[::2], 2 / 3, 0, 1),  # half tempo
        ([beat + 0.25 for beat in LABELS], 0, 0, 17 / 18),  # off-beat: there is one less between 18
    ],
)
def test_scores(estimate: Any, f1: float, cmlt: float, amlt: float) -> None:
    found = _values(WHOLE, LABELS, estimate)
    assert list(found) == list(WHOLE.metrics)
    assert [found[name] for name in ("beat_f1", "beat_cmlt", "beat_amlt")] == pytest.approx([f1, cmlt, amlt])


def test_cemgils_accuracy_is_a_gaussian_of_40_ms() -> None:
    assert _values(WHOLE, LABELS, [beat + 0.04 for beat in LABELS])["beat_cemgil"] == pytest.approx(np.exp(-0.5))


def test_the_p_score_of_uneven_beats_may_exceed_1() -> None:
    """Two beats within a fifth of the median interval are counted with each other too: 4 hits and 2 over 4 beats."""
    beats = (0.0, 2.0, 2.1, 4.1)
    assert _values(WHOLE, beats, beats)["beat_p_score"] == pytest.approx(1.5)


NONE, ZERO = None, 0.0


@pytest.mark.parametrize(
    ("reference", "estimate", "f1", "of_intervals", "reasons"),
    [
        ((), (), NONE, NONE, {"no labelled and no estimated beat"}),
        ((), LABELS, ZERO, NONE, {"fewer than two labelled beats"}),
        (LABELS, (), ZERO, ZERO, set()),
        ((1.0,), (1.0,), 1.0, NONE, {"fewer than two labelled beats"}),
        (LABELS, (1.0,), pytest.approx(2 / 19), ZERO, set()),
    ],
)
def test_empty_sides(reference: Any, estimate: Any, f1: Any, of_intervals: Any, reasons: set[str]) -> None:
    found = _values(WHOLE, reference, estimate)
    assert found["beat_f1"] == f1
    assert {found[name] for name in OF_INTERVALS} == {of_intervals}
    absent = [value for value in WHOLE.score(reference, estimate).values() if isinstance(value, Absent)]
    assert {one.reason for one in absent} == reasons


def test_reasons_say_what_was_left_out() -> None:
    found = Beat().score((1.0, 2.0), (1.0, 2.0))
    assert set(found.values()) == {Absent("no labelled and no estimated beat after the first 5 s")}


@st.composite
def _beats(draw: st.DrawFn) -> tuple[float, ...]:
    intervals = draw(st.lists(st.floats(0.25, 1.5), max_size=15))
    return tuple(np.cumsum([draw(st.floats(0, 8)), *intervals]).tolist())


@settings(max_examples=60)
@given(_beats(), _beats())
def test_scores_are_mir_evals(reference: tuple[float, ...], estimate: tuple[float, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mir_eval.beat.evaluate(np.array(reference), np.array(estimate))
    found = _values(Beat(), reference, estimate)
    for name, other in MIR_EVAL.items():
        assert found[name] is None or found[name] == pytest.approx(theirs[other], abs=1e-9)
        assert found[name] is None or (found[name] or 0) >= -1e-9
        assert found[name] is None or name == "beat_p_score" or (found[name] or 0) <= 1 + 1e-9


@settings(max_examples=30)
@given(_beats())
def test_a_perfect_estimate_is_perfect_and_a_late_one_is_not(beats: tuple[float, ...]) -> None:
    assert _values(WHOLE, beats, beats)["beat_f1"] == 1
    assert _values(WHOLE, beats, [beat + 0.1 for beat in beats])["beat_f1"] == 0


def test_beats_are_drawn_as_bars() -> None:
    spans = WHOLE.draw((0.5, 1.0)).spans
    assert spans is not None
    assert [(span.start_s, span.label) for span in spans] == [(0.5, "beat"), (1.0, "beat")]

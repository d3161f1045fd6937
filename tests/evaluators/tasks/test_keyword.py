from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from evaluators.chart_records import Charts
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.keyword import (
    FIXED_THRESHOLDS,
    GRID,
    Detections,
    Keyword,
    KeywordOptions,
    Keywords,
    Spoken,
    detect,
    tally_keywords,
)
from evaluators.windows import Stitched

TASK = Keyword()
TWO = Keyword(KeywordOptions(words=("silence", "yes", "no"), background=("silence",)))
FRAME_S = 0.1
Pair = tuple[Keywords, Detections]


def _labels(*rows: tuple[float, float] | tuple[float, float, str], duration_s: float = 60.0) -> Keywords:
    return Keywords(tuple(Spoken(row[0], row[1], row[2] if len(row) > 2 else "keyword") for row in rows), duration_s)


def _outputs(values: Any) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"keyword": Stitched(array, np.arange(len(array)) * FRAME_S)}


def _detections(*peaks: tuple[float, float]) -> Detections:
    """Of one keyword: seconds and probability of each frame that is not 0, over a minute."""
    values = np.zeros(600)
    for time_s, probability in peaks:
        values[round(time_s / FRAME_S)] = probability
    return TASK.decode(_outputs(values))


def _values(*pairs: Pair, task: Keyword = TASK) -> dict[str, Any]:
    found = task.score_dataset(pairs)
    make_scores(task, found, "dataset", basis="emulated")
    return {name: None if isinstance(value, Absent) else float(value) for name, value in found.items()}


def _errors(pair: Pair) -> Any:
    return TASK.score(*pair)["keyword_errors"]


def test_labels_are_keywords() -> None:
    rows = [[0, 0.5, "yes"], [0.2, 0.8, "no"], [1.5, 1.5, "yes"]]
    labels = TWO.parse_labels({"keywords": rows}, ClipContext(2.0, "x"))
    assert labels.spoken == ((0, 0.5, "yes"), (0.2, 0.8, "no"), (1.5, 1.5, "yes"))
    assert labels.duration_s == 2.0


def test_the_only_word_may_be_left_out() -> None:
    labels = TASK.parse_labels({"keywords": [[0, 0.5], [1, 1.5, "keyword"]]}, ClipContext(2.0, "x"))
    assert [one.word for one in labels.spoken] == ["keyword", "keyword"]
    assert TASK.parse_labels({"keywords": []}, ClipContext(2.0, "x")).spoken == ()
    assert len(TASK.parse_labels({"keywords": [[0, 1], [1, 2]]}, ClipContext(2.0, "x")).spoken) == 2  # they only touch


FORM = "must be [start_s, end_s] or [start_s, end_s, word]"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 1, "no"], "-0.1 s to 1 s lies outside the clip, which is 3 s long"),
        ([2, 3.1, "no"], "2 s to 3.1 s lies outside the clip, which is 3 s long"),
        ([1, 0.9, "no"], "end 0.9 s must not come before start 1 s"),
        ([0.1, 2, "no"], "start 0.1 s must not come before 0.5 s, the start before it"),
        ([0.9, 2, "yes"], "0.9 s to 2 s overlaps the same word from 0.5 s to 1 s"),
        ([1, 2], "must say which word it is; right is one of yes, no"),
        ([1, 2, "maybe"], "unknown word 'maybe'; right is one of yes, no"),
        ([1, 2, "silence"], "unknown word 'silence'; right is one of yes, no"),
        ([1, 2, ["yes"]], "unknown word ['yes']; right is one of yes, no"),
        ([1, "2", "yes"], f"{FORM}; found [1, '2', 'yes']"),
        ([1], f"{FORM}; found [1]"),
        (1.5, f"{FORM}; found 1.5"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TWO.parse_labels({"keywords": [[0.5, 1, "yes"], row, [2.5, 3, "yes"]]}, ClipContext(3.0, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: keywords[1]: {message}"


def test_keywords_must_be_a_list() -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"keywords": "yes"}, ClipContext(2.0, "x"))
    assert str(caught.value) == (
        "x: keywords must be a list of [start_s, end_s] or [start_s, end_s, word]; found 'yes'"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": ["a", "b", "a"]}, "words names a more than once; right is a name a column"),
        ({"words": ["a"], "background": ["b"]}, "background names b, which words does not"),
        ({"words": ["a"], "background": ["a"]}, "background names all of words; right is at least one keyword"),
        ({"words": []}, "words"),
        ({"threshold": 1.0}, "threshold"),
        ({"refractory_ms": 0}, "refractory_ms"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task("keyword", options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("refractory_s", "expected"),
    [(0.05, [0.1, 0.2, 0.3, 0.6]), (0.2, [0.1, 0.3, 0.6]), (0.45, [0.1, 0.6]), (1.0, [0.1])],
)
def test_a_word_is_not_detected_again_within_the_refractory_time(refractory_s: float, expected: list[float]) -> None:
    values = np.array([0, 0.5, 0.9, 0.6, 0.1, 0.49, 0.8])
    assert detect(values, np.arange(7) * FRAME_S, 0.5, refractory_s) == pytest.approx(expected)


def test_each_word_is_detected_by_itself() -> None:
    values = np.zeros((30, 3))
    values[:, 0] = 1
    values[5, 1] = values[7, 2] = 0.9
    found = TWO.decode(_outputs(values)).by_threshold[0]
    assert {word: times.tolist() for word, times in found.items()} == {
        "yes": pytest.approx([0.5]),
        "no": pytest.approx([0.7]),
    }


@pytest.mark.parametrize("frames", [0, 1])
def test_decode_of_next_to_nothing(frames: int) -> None:
    found = TASK.decode(_outputs(np.ones(frames))).by_threshold
    assert {len(times["keyword"]) for times in found} == {frames}


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        (TASK, np.ones((5, 2)), "output 'keyword' has 2 columns for 1 words; name one a column in task.options.words"),
        (TWO, np.ones((0, 2)), "output 'keyword' has 2 columns for 3 words; name one a column in task.options.words"),
        (TASK, np.array([-2.5, 4]), "output 'keyword' must hold probabilities, 0 to 1; found -2.5 to 4"),
    ],
)
def test_decode_refuses(task: Keyword, values: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        task.decode(_outputs(values))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("time_s", "errors"),
    # By hand: the label with 500 ms at each side is 9.5 to 11.5; outside it is a miss and a false accept.
    [(9.4, 2), (9.5, 0), (10, 0), (11.5, 0), (11.6, 2)],
)
def test_tolerance(time_s: float, errors: int) -> None:
    assert _errors((_labels((10, 11)), _detections((time_s, 0.9)))) == errors


def test_a_second_detection_of_a_keyword_is_a_false_accept() -> None:
    twice = _detections((10, 0.9), (11.2, 0.9))
    assert _errors((_labels((10, 11)), twice)) == 1
    assert _errors((_labels((10, 11), (11.1, 12)), twice)) == 0


def test_another_word_is_a_false_accept() -> None:
    values = np.zeros((300, 3))
    values[100, 2] = 0.9
    pair = _labels((10, 11, "yes"), duration_s=30.0), TWO.decode(_outputs(values))
    assert TWO.score(*pair) == {"keyword_errors": 2}
    assert _values(pair, task=TWO)["keyword_false_accepts_per_hour"] == pytest.approx(120)


# By hand, in two minutes: of three keywords 0.9 and 0.6 are heard and one not at all; 0.3 and 0.8 are false.
PAIRS = (
    (_labels((10, 11), (20, 21)), _detections((10.5, 0.9), (20.5, 0.6), (40, 0.3))),
    (_labels((10, 11)), _detections((50, 0.8))),
)


def test_rates_are_pooled_over_all_clips() -> None:
    found = _values(*PAIRS)
    assert found == pytest.approx(
        {
            "keyword_miss_rate": 1 / 3,
            "keyword_false_accepts_per_hour": 30,
            "keyword_miss_rate_at_25_percent": 1 / 3,
            "keyword_false_accepts_per_hour_at_25_percent": 60,
            "keyword_miss_rate_at_50_percent": 1 / 3,
            "keyword_false_accepts_per_hour_at_50_percent": 30,
            "keyword_miss_rate_at_75_percent": 2 / 3,
            "keyword_false_accepts_per_hour_at_75_percent": 30,
            # None is accepted falsely above 0.8, where one keyword of three is left.
            "keyword_miss_rate_at_1_per_hour": 2 / 3,
        }
    )
    assert {*found, "keyword_errors"} == set(TASK.metrics)
    assert [_errors(pair) for pair in PAIRS] == [0, 2]


def test_the_threshold_in_use_is_the_recipes() -> None:
    task = Keyword(KeywordOptions(threshold=0.85))
    pairs = [(labels, task.decode(_outputs(np.zeros(600)))) for labels, _ in PAIRS]
    assert _values(*pairs, task=task)["keyword_miss_rate"] == 1
    loud = np.zeros(600)
    loud[105] = 0.9
    assert _values((_labels((10, 11)), task.decode(_outputs(loud))), task=task)["keyword_miss_rate"] == 0


def test_one_an_hour_is_one_in_an_hour() -> None:
    labels = _labels((10, 11), duration_s=3600.0)
    one, two = _detections((10, 0.6), (40, 0.7)), _detections((10, 0.6), (40, 0.7), (50, 0.7))
    assert _values((labels, one))["keyword_miss_rate_at_1_per_hour"] == 0
    assert _values((labels, two))["keyword_miss_rate_at_1_per_hour"] == 1


def test_empty_sides() -> None:
    silent = _labels(), _detections((10, 0.9))
    found = TASK.score_dataset([silent])
    absent = {name for name, value in found.items() if value == Absent("no labelled keyword")}
    assert absent == {name for name in TASK.metrics if "miss_rate" in name}
    assert _values(silent)["keyword_false_accepts_per_hour"] == pytest.approx(60)
    assert _errors(silent) == 1
    assert _errors((_labels(), _detections())) == 0
    assert _values((_labels(), _detections()))["keyword_false_accepts_per_hour"] == 0
    unheard = _values((_labels((10, 11)), _detections()))
    assert {unheard[name] for name in TASK.metrics if "miss_rate" in name} == {1}
    certain = TASK.score_dataset([(_labels((10, 11)), _detections((40, 1.0)))])
    assert certain["keyword_miss_rate_at_1_per_hour"] == Absent(
        "more than 1 false accept an hour at every threshold up to 0.999"
    )


def test_the_grid_holds_the_fixed_thresholds_and_rises() -> None:
    assert set(FIXED_THRESHOLDS) < set(GRID)
    assert list(GRID) == sorted(set(GRID))
    assert len(GRID) == 102  # as the docstring says


@st.composite
def _clips(draw: st.DrawFn) -> tuple[Keywords, Any]:
    starts = np.cumsum(draw(st.lists(st.integers(10, 80), max_size=6)))
    labels = _labels(*((start / 10, start / 10 + 0.9) for start in starts.tolist()))
    peaks = draw(st.lists(st.tuples(st.integers(0, 599), st.floats(0.0, 1.0)), max_size=12))
    return labels, _detections(*((frame / 10, value) for frame, value in peaks))


@settings(max_examples=40)
@given(_clips())
def test_as_many_are_found_as_can_be(clip: Pair) -> None:
    labels, estimate = clip
    tally = tally_keywords(labels, estimate, tolerance_s=0.5)
    times_s = estimate.by_threshold[0]["keyword"]
    fits = np.array([[one.start_s - 0.5 <= time <= one.end_s + 0.5 for time in times_s] for one in labels.spoken])
    most = 0
    if fits.size:
        most = int((maximum_bipartite_matching(csr_array(fits.astype(int)), perm_type="column") >= 0).sum())
    assert tally.found[0] == most
    assert tally.false[0] == len(times_s) - most


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(_clips(), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_bounds_and_the_order_of_clips(clips: list[Pair], chance: random.Random) -> None:
    found = _values(*clips)
    for name, value in found.items():
        assert value is None or value >= 0
        assert value is None or "miss_rate" not in name or value <= 1
    assert _values(*chance.sample(clips, len(clips))) == found


@pytest.mark.slow
@given(st.lists(st.integers(10, 80), min_size=1, max_size=6))
def test_a_perfect_estimate_is_perfect_and_a_late_one_is_not(gaps: list[int]) -> None:
    starts = [int(start) / 10 for start in np.cumsum(gaps)]
    labels = _labels(*((start, start + 0.1) for start in starts))
    found = _values((labels, _detections(*((start, 1.0) for start in starts))))
    assert set(found.values()) == {0}
    late = Keywords(tuple(Spoken(one.start_s - 0.7, one.end_s - 0.7, one.word) for one in labels.spoken[:1]), 60.0)
    assert _errors((late, _detections((starts[0], 1.0)))) == 2


def test_a_detection_is_due_again_right_after_the_refractory_time() -> None:
    # 3.3 s is 3.3000000000000003 s on the frames' grid, and 1 s later is more than 4.3 s.
    times_s = np.arange(60) * FRAME_S
    assert times_s[33] + 1.0 > times_s[43]
    assert detect((times_s == times_s[33]) | (times_s == times_s[43]), times_s, 0.5, 1.0).tolist() == [
        times_s[33],
        times_s[43],
    ]


def test_clips_that_are_drawn_again_are_not_compared_again() -> None:
    task = Keyword()
    for _ in range(100):
        task.score_dataset([PAIRS[0], PAIRS[1], PAIRS[0]])
    assert task._tally.cache_info().misses == 2


def test_keywords_and_detections_are_drawn() -> None:
    labelled, found = (TASK.draw(side).spans for side in PAIRS[0])
    assert labelled is not None
    assert found is not None
    assert [(span.start_s, span.end_s, span.label) for span in labelled] == [(10, 11, "keyword"), (20, 21, "keyword")]
    assert [(span.start_s, span.label) for span in found] == [(10.5, "keyword"), (20.5, "keyword")]


def test_a_det_curve_by_hand() -> None:
    # Two keywords in a minute, found at 0.9 and 0.4; a false accept at 0.6.
    pair = _labels((10.0, 11.0), (20.0, 21.0)), _detections((10.5, 0.9), (20.5, 0.4), (40.0, 0.6))
    (curve,) = TASK.draw_dataset([pair]).curves
    assert (curve.across.unit, curve.across.scale) == ("per hour", "logarithmic")
    assert list(dict.fromkeys(curve.points)) == [(0.0, 1.0), (0.0, 0.5), (60.0, 0.5), (60.0, 0.0)]
    (mark,) = curve.marks
    assert (mark.name, mark.at, mark.in_use) == ("threshold 0.5", (60.0, 0.5), True)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.333, 0.9]))
def test_points_of_the_curve_are_the_metrics(seed: int, threshold: float) -> None:
    draws = np.random.default_rng(seed)
    task = Keyword(KeywordOptions(threshold=threshold))
    pairs = [(_labels((5.0, 6.0), (30.0, 31.0)), task.decode(_outputs(draws.random(600) ** 4))) for _ in range(3)]
    (curve,) = task.draw_dataset(pairs).curves
    found = _values(*pairs, task=task)
    (mark,) = curve.marks
    rates = found["keyword_false_accepts_per_hour"], found["keyword_miss_rate"]
    assert mark.at == (pytest.approx(rates[0], abs=1e-6), pytest.approx(rates[1], abs=1e-6))
    assert mark.at in curve.points
    for percent in (25, 50, 75):
        point = (
            found[f"keyword_false_accepts_per_hour_at_{percent}_percent"],
            found[f"keyword_miss_rate_at_{percent}_percent"],
        )
        assert any(
            place == (pytest.approx(point[0], abs=1e-6), pytest.approx(point[1], abs=1e-6)) for place in curve.points
        )
    least, quiet = found["keyword_miss_rate_at_1_per_hour"], [miss for false, miss in curve.points if false <= 1]
    # The curve begins where nothing is detected, which no threshold of the grid need do.
    assert min(quiet) == pytest.approx(1.0 if least is None else least, abs=1e-6)


def test_without_a_keyword_there_is_no_curve() -> None:
    assert TASK.draw_dataset([(_labels(), _detections((10.5, 0.9)))]) == Charts()


def test_words_that_are_heard_for_others_by_hand() -> None:
    # yes is heard as yes, then as no, then not at all; no is heard where nothing was said.
    labels = _labels((1.0, 2.0, "yes"), (10.0, 11.0, "yes"), (20.0, 21.0, "yes"), (30.0, 31.0, "no"))
    values = np.zeros((600, 3))
    for time_s, column in ((1.5, 1), (10.5, 2), (30.5, 2), (50.0, 2)):
        values[round(time_s / FRAME_S), column] = 0.9
    matrix = TWO.draw_dataset([(labels, TWO.decode(_outputs(values)))]).confusion
    assert matrix is not None
    assert matrix.classes == ("yes", "no", "(nothing)")
    assert matrix.counts == ((1, 1, 1), (0, 1, 0), (0, 1, 0))
    odd = Keyword(KeywordOptions(words=("", "a\x1b", "b")))
    found = odd.draw_dataset([(_labels((1.0, 2.0, "")), odd.decode(_outputs(values)))]).confusion
    assert found is not None
    assert found.classes == ("(no name)", "a\ufffd", "b", "(nothing)")
    assert found.counts == ((0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 3, 0))
    assert TASK.draw_dataset([(_labels((1.0, 2.0)), _detections((1.5, 0.9)))]).confusion is None, "one word alone"


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_matrix_of_words_has_every_label_and_every_detection_once(seed: int) -> None:
    draws = np.random.default_rng(seed)
    starts = np.sort(draws.choice(np.arange(0, 58, 2), 8, replace=False)).astype(float)
    labels = _labels(*((start, start + 1, str(draws.choice(["yes", "no"]))) for start in starts))
    estimate = TWO.decode(_outputs(draws.random((600, 3)) ** 12))
    found = TWO.draw_dataset([(labels, estimate)]).confusion
    assert found is not None
    counts = np.array(found.counts)
    said = [sum(one.word == word for one in labels.spoken) for word in ("yes", "no")]
    heard = [len(estimate.by_threshold[0][word]) for word in ("yes", "no")]
    assert counts[:2].sum(axis=1).tolist() == said
    assert counts[:, :2].sum(axis=0).tolist() == heard
    missed = _values((labels, estimate), task=TWO)["keyword_miss_rate"]
    assert np.trace(counts[:2, :2]) == pytest.approx((1 - missed) * 8)


def test_a_long_or_strange_word_is_drawn_short() -> None:
    word = "a\u202e" + "b" * 300
    task = Keyword(KeywordOptions(words=(word,)))
    (labelled,) = task.draw(Keywords((Spoken(0, 1, word),), 2.0)).spans or ()
    (found,) = task.draw(task.decode(_outputs([1.0]))).spans or ()
    assert labelled.label == found.label
    assert labelled.label.startswith("a\ufffdbbb")
    assert len(labelled.label) < 100

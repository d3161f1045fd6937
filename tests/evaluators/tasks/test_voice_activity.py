from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluators.chart_records import Charts
from evaluators.comparing.speech_time import Speech, tally_speech
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.voice_activity import VoiceActivity, VoiceActivityOptions
from evaluators.windows import Stitched

TASK = VoiceActivity()
Rows = list[tuple[float, float]]
Pair = tuple[Speech, Speech]


def _pair(labelled: Rows, found: Rows, duration_s: float = 10.0) -> Pair:
    return Speech(tuple(labelled), duration_s), Speech(tuple(found))


def _values(*pairs: Pair) -> dict[str, float | None]:
    found = TASK.score_dataset(pairs)
    make_scores(TASK, found, "dataset", basis="emulated")
    return {name: None if isinstance(value, Absent) else value for name, value in found.items()}


def _reasons(*pairs: Pair) -> dict[str, str]:
    return {name: value.reason for name, value in TASK.score_dataset(pairs).items() if isinstance(value, Absent)}


def _error(pair: Pair) -> Any:
    return TASK.score(*pair)["speech_error"]


def _outputs(values: Any, frame_s: float = 0.05, **changes: Any) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"speech": Stitched(array, np.arange(len(array)) * frame_s, **changes)}


@pytest.mark.parametrize(
    ("rows", "segments"),
    [
        ([], ()),
        ([[1, 2], [0, 0.5]], ((0, 0.5), (1, 2))),
        ([[0, 1], [1, 2]], ((0, 2),)),  # they touch
        ([[0, 1.5], [1, 2]], ((0, 2),)),  # two speak at once
        ([[0, 2], [0.5, 1]], ((0, 2),)),
        ([[0, 1], [0, 1]], ((0, 1),)),
    ],
)
def test_labels_are_the_time_in_which_anybody_speaks(rows: Any, segments: Any) -> None:
    labels = TASK.parse_labels({"speech": rows}, ClipContext(2.0, "x"))
    assert (labels.segments, labels.duration_s) == (segments, 2.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 1], "-0.1 s to 1 s lies outside the clip, which is 2 s long"),
        ([0, 2.1], "0 s to 2.1 s lies outside the clip, which is 2 s long"),
        ([1, 1], "end 1 s must come after start 1 s"),
        ([1, 0.5], "end 0.5 s must come after start 1 s"),
        ([0, 1, "a"], "must be [start_s, end_s], two numbers; found [0, 1, 'a']"),
        ([0, "1"], "must be [start_s, end_s], two numbers; found [0, '1']"),
        (1, "must be [start_s, end_s], two numbers; found 1"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"speech": [[0, 1], row]}, ClipContext(2.0, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: speech[1]: {message}"


def test_speech_must_be_a_list() -> None:
    with pytest.raises(EvaluationError, match=r"x: speech must be a list of \[start_s, end_s\]; found True"):
        TASK.parse_labels({"speech": True}, ClipContext(2.0, "x"))


def test_thresholds_must_be_in_order() -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task("voice_activity", {"onset_threshold": 0.3})
    assert "offset_threshold 0.35 must not be above onset_threshold 0.3" in str(caught.value)


def test_decode_uses_both_thresholds_and_lengths() -> None:
    values = np.zeros(60)
    values[10:20] = 0.6
    values[20:25] = 0.4  # goes on
    values[26:30] = 0.6  # a gap of one frame, 50 ms, is closed
    values[40:44] = 0.6  # 200 ms are too short
    (segment,) = TASK.decode(_outputs(values)).segments
    assert segment == pytest.approx((0.5, 1.5))
    task = VoiceActivity(VoiceActivityOptions(minimum_speech_ms=0, minimum_silence_ms=0, offset_threshold=0.5))
    assert [pytest.approx(one) for one in task.decode(_outputs(values)).segments] == [(0.5, 1), (1.3, 1.5), (2, 2.2)]


def test_one_column_of_many_is_read() -> None:
    values = np.stack([np.zeros(20), np.ones(20)], axis=1)
    assert TASK.decode(_outputs(values)).segments == ()
    (segment,) = VoiceActivity(VoiceActivityOptions(column=1)).decode(_outputs(values, kind="window")).segments
    assert segment == pytest.approx((0, 1))


def test_the_only_frame_stands_for_the_whole_clip() -> None:
    estimate = TASK.decode(_outputs([0.9]))
    assert _error((Speech(((0.0, 0.2),), 0.2), estimate)) == 0
    spans = TASK.draw(estimate).spans
    assert spans is not None
    assert (spans[0].start_s, spans[0].end_s, spans[0].label) == (0, 0.1, "speech")
    assert TASK.decode(_outputs([])).segments == ()


# By hand: labelled 1 to 3 and 5 to 9, found 1.5 to 4 and 5.1 to 8.9; hit 1.5 + 3.8, missed 0.5 + 0.2, false 1.
PAIR = _pair([(1, 3), (5, 9)], [(1.5, 4), (5.1, 8.9)])
EXPECTED = {
    "speech_f1": 2 * 5.3 / (6 + 6.3),
    "speech_precision": 5.3 / 6.3,
    "speech_recall": 5.3 / 6,
    "speech_miss_rate": 0.7 / 6,
    "speech_false_alarm_rate": 1 / 4,
    "speech_detection_error_rate": 1.7 / 6,
    "speech_onset_delay_ms": 300,  # the median of 500 and 100
    "speech_segment_f1": 0.5,
    "speech_segment_precision": 0.5,
    "speech_segment_recall": 0.5,
}


def test_scores() -> None:
    assert _values(PAIR) == pytest.approx(EXPECTED)
    assert _error(PAIR) == pytest.approx(1.7 / 10)
    assert set(EXPECTED) | {"speech_error"} == set(TASK.metrics)


def test_seconds_are_added_up_before_they_are_divided() -> None:
    silent = _pair([], [(0, 2)], 6.0)
    found = _values(PAIR, silent)
    assert found["speech_precision"] == pytest.approx(5.3 / 8.3)
    assert found["speech_false_alarm_rate"] == pytest.approx(3 / 10)
    assert found["speech_segment_precision"] == pytest.approx(1 / 3)
    assert found["speech_recall"] == pytest.approx(5.3 / 6)


@pytest.mark.parametrize(
    ("found", "delay_ms"),
    [
        ([(0.5, 3)], 0),  # it was heard before
        ([(1.2, 1.5), (2, 3)], 200),
        ([(0, 0.9), (2.9, 3.5)], 1900),
        ([(0, 0.9)], None),
        ([(0, 1), (3, 4)], None),  # what only touches is not in it
    ],
)
def test_onset_delay(found: Rows, delay_ms: float | None) -> None:
    delay = _values(_pair([(1, 3)], found))["speech_onset_delay_ms"]
    assert delay == (None if delay_ms is None else pytest.approx(delay_ms))


@pytest.mark.parametrize(
    ("found", "matched"),
    [((1.2, 3.0), 1), ((1.21, 3.0), 0), ((1, 3.4), 1), ((1, 3.41), 0), ((0.8, 2.6), 1)],
)
def test_segments_have_200_ms_or_a_fifth_of_their_length(found: tuple[float, float], matched: int) -> None:
    assert _values(_pair([(1.0, 3.0)], [found]))["speech_segment_f1"] == matched


def test_what_is_found_beyond_the_clip_does_not_count() -> None:
    assert _error(_pair([(0, 1)], [(-0.5, 1.0), (10.0, 11.0)])) == 0


def test_empty_sides() -> None:
    nothing, missed, false = _pair([], []), _pair([(0, 1)], []), _pair([], [(0, 1)])
    neither = "no labelled speech, and no speech was found"
    assert _reasons(nothing) == {
        **dict.fromkeys(("speech_f1", "speech_precision", "speech_recall"), neither),
        **dict.fromkeys(("speech_segment_f1", "speech_segment_precision", "speech_segment_recall"), neither),
        **dict.fromkeys(("speech_miss_rate", "speech_detection_error_rate"), "no labelled speech"),
        "speech_onset_delay_ms": "no labelled speech",
    }
    assert _values(nothing)["speech_false_alarm_rate"] == 0
    assert _error(nothing) == 0
    assert _reasons(missed) == {
        "speech_precision": "no speech was found",
        "speech_segment_precision": "no speech was found",
        "speech_onset_delay_ms": "in no labelled stretch speech was found",
    }
    assert [_values(missed)[name] for name in ("speech_f1", "speech_recall", "speech_miss_rate")] == [0, 0, 1]
    assert _reasons(false) == dict.fromkeys(
        (
            *("speech_recall", "speech_miss_rate", "speech_detection_error_rate", "speech_onset_delay_ms"),
            "speech_segment_recall",
        ),
        "no labelled speech",
    )
    assert [_values(false)[name] for name in ("speech_f1", "speech_precision")] == [0, 0]
    whole = _pair([(0, 10.0)], [(0, 10.0)])
    assert _reasons(whole) == {"speech_false_alarm_rate": "no time without labelled speech"}


@st.composite
def _segments(draw: st.DrawFn) -> Rows:
    """On a grid of 10 ms, so that frames can be counted, none touching another."""
    edges = sorted(draw(st.sets(st.integers(0, 1000), max_size=12)))
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=False)]


def _count_frames(segments: Rows) -> np.ndarray:
    frames = np.zeros(1000, bool)
    for start, end in segments:
        frames[round(100 * start) : round(100 * end)] = True
    return frames


@settings(max_examples=60)
@given(_segments(), _segments())
def test_times_are_what_counting_frames_of_10_ms_gives(labelled: Rows, found: Rows) -> None:
    pair = _pair(labelled, found)
    speech, heard = _count_frames(labelled), _count_frames(found)
    tally = tally_speech(*pair)
    counted = [(speech & heard).sum(), (speech & ~heard).sum(), (~speech & heard).sum(), (~speech).sum()]
    assert tally[:4] == pytest.approx(np.array(counted) / 100, abs=1e-5)
    values = _values(pair)
    assert all(value is None or value >= 0 for value in values.values())
    unbounded = ("speech_detection_error_rate", "speech_onset_delay_ms")
    assert all(value is None or value <= 1 + 1e-9 for name, value in values.items() if name not in unbounded)
    if speech.any():
        assert values["speech_miss_rate"] == pytest.approx(1 - (values["speech_recall"] or 0))


@given(_segments())
def test_a_perfect_estimate_is_perfect(segments: Rows) -> None:
    pair = _pair(segments, segments)
    bad = ("miss_rate", "false_alarm_rate", "error_rate", "delay_ms")
    assert _error(pair) == 0
    for name, value in _values(pair).items():
        assert value is None or value == pytest.approx(0 if name.endswith(bad) else 1)


@settings(max_examples=30)
@given(st.lists(st.tuples(_segments(), _segments()), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_clips_does_not_matter(clips: list[tuple[Rows, Rows]], chance: random.Random) -> None:
    pairs = [_pair(*clip) for clip in clips]
    shuffled = chance.sample(pairs, len(pairs))
    assert _values(*shuffled) == pytest.approx(_values(*pairs))


def test_a_shift_in_time_loses() -> None:
    labelled = [(1.0, 1.5), (3.0, 3.5)]
    late = _pair(labelled, [(start + 0.3, end + 0.3) for start, end in labelled])
    found = _values(late)
    assert found["speech_segment_f1"] == 0
    assert found["speech_onset_delay_ms"] == pytest.approx(300)
    assert (found["speech_f1"] or 0) == pytest.approx(0.4)


def test_clips_that_are_drawn_again_are_not_compared_again() -> None:
    task = VoiceActivity()
    for _ in range(100):
        task.score_dataset([PAIR, PAIR])
    assert task._tally.cache_info().misses == 1


def test_speech_is_drawn_as_bars() -> None:
    spans = TASK.draw(PAIR[0]).spans
    assert spans is not None
    assert [(span.start_s, span.end_s) for span in spans] == [(1, 3), (5, 9)]


def _decode(values: Any, rows: Rows, task: VoiceActivity = TASK) -> Pair:
    return Speech(tuple(rows), len(values) * 0.05), task.decode(_outputs(values))


def test_a_roc_curve_by_hand() -> None:
    # Four seconds: the first is speech at 0.9, the second speech at 0.4, the third silence at 0.7, the last at 0.
    pair = _decode(np.repeat([0.9, 0.4, 0.7, 0.0], 20), [(0.0, 2.0)])
    (curve,) = TASK.draw_dataset([pair]).curves
    # A stretch that begins at 0.9 goes on while there is 0.7 of its threshold: at 0.4 / 0.7 down to 0.57 that is all.
    assert set(curve.points) == {(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)}
    (mark,) = curve.marks
    assert (mark.at, mark.in_use) == ((0.5, 1.0), True)
    assert mark.name == "speech from 0.5 on, until below 0.35"
    found = _values(pair)
    assert (found["speech_false_alarm_rate"], found["speech_recall"]) == (0.5, 1.0)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([0.1, 0.5, 0.777, 0.99]))
@example(3203456, 1, 0.1)  # sums that differ by rounding alone lie on both sides of half a printed digit
def test_the_threshold_in_use_lies_on_a_curve_that_rises(seed: int, clips: int, threshold: float) -> None:
    draws = np.random.default_rng(seed)
    task = VoiceActivity(VoiceActivityOptions(onset_threshold=threshold, offset_threshold=threshold / 2))
    pairs = []
    for _ in range(clips):
        values = np.convolve(draws.random(200), np.ones(5) / 5, "same")
        edges = np.sort(draws.choice(np.arange(1, 200), 6, replace=False)) * 0.05
        pairs.append(_decode(values, [tuple(edges[at : at + 2]) for at in (0, 2, 4)], task))
    (curve,) = task.draw_dataset(pairs).curves
    assert (np.diff(np.array(curve.points), axis=0) >= 0).all()
    assert (curve.points[0], curve.points[-1]) == ((0, 0), (1, 1))
    (mark,) = curve.marks
    assert mark.at in curve.points
    found = task.score_dataset(pairs)
    rates = (found["speech_false_alarm_rate"], found["speech_recall"])
    assert mark.at == (pytest.approx(rates[0], abs=2e-6), pytest.approx(rates[1], abs=2e-6))


def test_speech_alone_or_silence_alone_has_no_curve() -> None:
    assert TASK.draw_dataset([_decode(np.ones(20), [(0.0, 1.0)])]) == Charts()
    assert TASK.draw_dataset([_decode(np.ones(20), [])]) == Charts()


def test_a_clip_of_one_frame_is_drawn_to_its_end() -> None:
    (curve,) = TASK.draw_dataset([(Speech(((0.0, 1.0),), 2.0), TASK.decode(_outputs([0.6])))]).curves
    assert set(curve.points) == {(0.0, 0.0), (1.0, 1.0)}

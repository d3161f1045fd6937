from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.comparing.dataset_scores import score_dataset
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.sound_events import Events, SoundEvents, SoundEventsOptions
from evaluators.windows import Stitched

TASK = SoundEvents()
NAMED = SoundEvents(SoundEventsOptions(classes=("dog", "speech", "siren")))
FRAME_S = 0.1
Row = tuple[float, float, int]


def _events(*rows: Row, duration_s: float | None = None, columns: int = 3) -> Events:
    classes = sorted({row[2] for row in rows})
    by_class = {column: tuple(row[:2] for row in rows if row[2] == column) for column in classes}
    return Events(by_class, columns, duration_s)


def _pair(duration_s: float, labelled: list[Row], found: list[Row]) -> tuple[Events, Events]:
    return _events(*labelled, duration_s=duration_s), _events(*found)


def _values(*pairs: tuple[Events, Events]) -> dict[str, float | str]:
    found = SoundEvents().score_dataset(pairs)
    make_scores(TASK, found, "dataset", basis="emulated")
    return {name: value.reason if isinstance(value, Absent) else value for name, value in found.items()}


def _outputs(values: Any, start_s: float = 0.0) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"events": Stitched(array, np.arange(len(array)) * FRAME_S + start_s)}


def _parse(*rows: Any, task: SoundEvents = NAMED) -> Events:
    labels: Events = task.parse_labels({"events": list(rows)}, ClipContext(4.0, "e.jsonl:3"))
    return labels


def test_labels_are_events_in_any_order() -> None:
    labels = _parse([2, 3, "dog"], [0, 4.0, "siren"], [0.5, 2, "dog"])
    assert labels.by_class == {0: ((0.5, 2.0), (2.0, 3.0)), 2: ((0.0, 4.0),)}
    assert (labels.columns, labels.duration_s) == (3, 4.0)


def test_labels_may_be_numbers_of_columns() -> None:
    assert _parse([0, 1, 7], task=TASK).by_class == {7: ((0.0, 1.0),)}
    assert _parse(task=TASK).by_class == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 1, "dog"], "-0.1 s to 1 s lies outside the clip, which is 4 s long"),
        ([3, 4.1, "dog"], "3 s to 4.1 s lies outside the clip, which is 4 s long"),
        ([1, 1, "dog"], "end 1 s must come after start 1 s"),
        ([1, 0.5, "dog"], "end 0.5 s must come after start 1 s"),
        ([1, 2, "dgo"], "no class 'dgo'; did you mean 'dog'?"),
        ([1, 2, "rain"], "no class 'rain'; task.options.classes names them"),
        ([1, 2, 0], "must be the name of a class; found 0"),
        ([1, 2, ["dog"]], "must be the name of a class; found ['dog']"),
        ([1, 2], "must be [start_s, end_s, class]; found [1, 2]"),
        ([1, float("nan"), "dog"], "must be [start_s, end_s, class]; found [1, nan, 'dog']"),
        ("dog", "must be [start_s, end_s, class]; found 'dog'"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        _parse([0.5, 1, "dog"], row, [3, 4, "siren"])
    assert str(caught.value) == f"e.jsonl:3: events[1]: {message}"


def test_events_of_one_class_do_not_overlap() -> None:
    with pytest.raises(EvaluationError) as caught:
        _parse([2, 3, "dog"], [0, 2.5, "dog"], [0.5, 1, "dog"], [0, 1, "siren"])
    assert str(caught.value).split("\n") == [
        f"e.jsonl:3: events: {event} and 0.0 s to 2.5 s of class dog overlap; right is one event where a class goes on"
        for event in ("0.5 s to 1.0 s", "2.0 s to 3.0 s")
    ]


@pytest.mark.parametrize("value", ["dog", 1.5, -1, True, None])
def test_without_names_classes_are_numbers(value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        _parse([0, 1, value], task=TASK)
    assert str(caught.value) == (
        "e.jsonl:3: events[0]: must be the number of a column, from 0, since no classes are named; found " + repr(value)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["a", "b", "a"]}, "names a class twice: a"),
        (
            {"onset_threshold": 0.3, "offset_threshold": 0.4},
            "offset_threshold 0.4 must not be above onset_threshold 0.3",
        ),
        ({"onset_threshold": 1.0}, "onset_threshold"),
        ({"minimum_event_ms": -1}, "minimum_event_ms"),
        ({"psds": "dcase_scenario3"}, "psds: no scenario 'dcase_scenario3'; did you mean"),
        (
            {"psds": "mine"},
            "psds: no scenario 'mine'; right is dcase_scenario1, dcase_scenario2 or a table",
        ),
        ({"psds": {"dtc": 0}}, "psds.dtc: Input should be greater than 0; found 0"),
    ],
)
def test_bad_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task("sound_events", options)
    assert message in str(caught.value)


def test_decode_finds_events_of_each_class() -> None:
    frames = np.zeros((10, 3))
    frames[2:5, 0], frames[4:6, 0], frames[:, 2], frames[7, 2] = 0.5, 0.4, 0.9, 0.1
    found = NAMED.decode(_outputs(frames))
    assert found.by_class == {
        0: ((pytest.approx(0.2), pytest.approx(0.4)),),
        2: ((0, pytest.approx(0.7)), (pytest.approx(0.8), pytest.approx(1.0))),
    }
    loose = SoundEvents(SoundEventsOptions(offset_threshold=0.3, minimum_gap_ms=150, minimum_event_ms=500))
    assert loose.decode(_outputs(frames)).by_class == {2: ((0, pytest.approx(1.0)),)}


def _peak(level: float, *rows: Row) -> Events:
    """What the output makes of a probability over stretches of 10 s."""
    frames = np.zeros((100, 3))
    for start_s, end_s, column in rows:
        frames[round(start_s / FRAME_S) : round(end_s / FRAME_S), column] = level
    return SoundEvents(SoundEventsOptions(psds="dcase_scenario1")).decode(_outputs(frames))


def test_psds_is_of_fifty_thresholds() -> None:
    task = load_task("sound_events", {"psds": "dcase_scenario1"})
    assert list(task.metrics)[-1] == "psds"
    assert "psds" not in TASK.metrics
    labels = _events((1, 3, 0), (4, 6, 2), duration_s=10.0)
    perfect, none = _peak(0.7, (1, 3, 0), (4, 6, 2)), _peak(0.0)
    assert [sum(map(len, point.values())) for point in perfect.points] == [2] * 35 + [0] * 15
    for estimate, expected in ((perfect, 1.0), (none, 0.0), (_peak(0.005, (1, 3, 0), (4, 6, 2)), 0.0)):
        found = task.score_dataset([(labels, estimate)])
        make_scores(task, found, "dataset", basis="emulated")
        assert found["psds"] == pytest.approx(expected)
    # An hour has 360 clips of 10 s: with one false event in each the curve ends before it comes to the right one.
    timid = _peak(0.4, (1, 3, 0), (4, 6, 2), (7, 9, 0), (7, 9, 2))
    assert task.score_dataset([(labels, timid)])["psds"] == 0
    assert task.score_dataset([(labels, timid), (labels, perfect)])["psds"] == pytest.approx(0.5)
    assert task.score_dataset([(_events(duration_s=10.0), _peak(0.7, (1, 3, 0)))])["psds"] == Absent(
        "no labelled event"
    )


@pytest.mark.slow
def test_psds_has_an_interval() -> None:
    task = load_task("sound_events", {"psds": {"dtc": 0.5, "gtc": 0.5}})
    labels = _events((1, 3, 0), duration_s=10.0)
    pairs = [(labels, _peak(0.7, *([(1, 3, 0)] if clip % 2 else []))) for clip in range(8)]
    score = score_dataset(task, pairs, [None] * 8, basis="emulated")["psds"].score
    assert score.value == pytest.approx(0.5)
    assert score.low is not None and score.high is not None
    assert 0 <= score.low < 0.5 < score.high <= 1


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (_outputs(np.zeros((4, 2))), "output 'events' has 2 columns where task.options.classes names 3"),
        (_outputs(np.zeros(4)), "output 'events' has 1 columns where task.options.classes names 3"),
        (_outputs(np.zeros((4, 3, 1))), "output 'events' must be (frames,) or (frames, columns); found (4, 3, 1)"),
        (_outputs(np.full((4, 3), np.nan)), "output 'events' is not finite, first at 0.000 s"),
        (_outputs(np.full((4, 3), -4.5)), "output 'events' must hold probabilities, 0 to 1; found -4.5 to -4.5"),
        ({}, "sound event detection needs the output 'events'; the model has none"),
        (
            {"events": Stitched(np.zeros(3), np.zeros(1), "clip")},
            'output \'events\' is of kind "clip"; right is "frames" or "window"',
        ),
    ],
)
def test_decode_refuses(outputs: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        NAMED.decode(outputs)
    assert str(caught.value) == message


@pytest.mark.parametrize("frames", [0, 1])
def test_decode_of_next_to_nothing(frames: int) -> None:
    found = NAMED.decode(_outputs(np.ones((frames, 3))))
    values = _values((_events((0, 2, 0), duration_s=2.0), found))
    assert values["event_micro_recall"] == frames
    assert len(NAMED.draw(found).spans or ()) == 3 * frames


# What sed_eval 0.2.1 says of these clips, with t_collar=0.2, percentage_of_length=0.2, time_resolution=1.0 and
# empty_system_output_handling="zero_score".
CLIPS = (
    _pair(
        10.0,
        [(0.5, 2.1, 0), (3.0, 3.4, 0), (6.0, 9.5, 0), (1.2, 4.8, 1), (7.7, 8.05, 2)],
        [
            (0.55, 2.15, 0),
            (3.25, 3.5, 0),
            (6.1, 9.0, 0),
            (1.1, 5.3, 1),
            (6.2, 7.0, 1),
            (7.6, 8.2, 2),
            (9.1, 9.3, 2),
        ],
    ),
    _pair(
        7.3,
        [(0.0, 1.0, 1), (2.4, 2.9, 1), (4.0, 7.3, 2)],
        [(0.0, 1.15, 1), (2.1, 2.9, 1), (3.9, 6.0, 2), (6.05, 7.3, 2), (2.3, 2.8, 0)],
    ),
    _pair(5.0, [(1.0, 2.0, 0), (1.5, 2.5, 1), (3.1, 3.3, 2)], []),
)
SED_EVAL = {
    "event_macro_f1": 0.4285714285714286,
    "event_micro_f1": 0.43478260869565216,
    "event_micro_precision": 0.4166666666666667,
    "event_micro_recall": 0.45454545454545453,
    "segment_macro_f1": 0.7764705882352941,
    "segment_micro_f1": 0.7755102040816326,
    "segment_micro_precision": 0.76,
    "segment_micro_recall": 0.7916666666666666,
    "segment_macro_error_rate": 0.46230158730158727,
    "segment_micro_error_rate": 0.41666666666666663,
}


def test_scores_are_sed_evals() -> None:
    assert _values(*CLIPS) == pytest.approx(SED_EVAL, abs=1e-12)


def test_the_order_of_clips_says_nothing() -> None:
    assert _values(*CLIPS[::-1]) == pytest.approx(SED_EVAL, abs=1e-12)


def test_clips_that_are_drawn_count_as_often_as_they_are_drawn() -> None:
    task = SoundEvents()
    task.score_dataset(CLIPS)
    drawn = [CLIPS[0], CLIPS[2], CLIPS[0]]
    assert task.score_dataset(drawn) == SoundEvents().score_dataset(
        [CLIPS[0], CLIPS[2], (CLIPS[0][0], _events(*[(*one, c) for c, s in CLIPS[0][1].by_class.items() for one in s]))]
    )


# By hand: one event of 2 s, for which the offset may be 0.4 s off.
@pytest.mark.parametrize(
    ("found", "right"),
    [((1.2, 3.0), 1), ((1.21, 3.0), 0), ((0.8, 3.4), 1), ((1.0, 3.41), 0), ((1.0, 2.6), 1), ((1.0, 2.59), 0)],
)
def test_collars(found: tuple[float, float], right: int) -> None:
    assert _values(_pair(4.0, [(1, 3, 0)], [(*found, 0)]))["event_micro_f1"] == right
    assert _values(_pair(4.0, [(1, 3, 0)], [(*found, 1)]))["event_micro_f1"] == 0


def test_a_clips_errors_are_missed_and_false_events() -> None:
    found = TASK.score(*CLIPS[0])
    make_scores(TASK, found, "clip", basis="emulated")
    assert found == {"event_errors": 4}  # that of 3.0 s is missed; those of 3.25, 6.2 and 9.1 s are false


def test_segments_by_hand() -> None:
    # Seconds 0, 1 and 2 are labelled as 0; second 1 is found as 1, second 2 as 0: one is missed, one taken for another.
    values = _values(_pair(3.5, [(0.0, 2.2, 0)], [(1.2, 1.8, 1), (2.1, 3.0, 0)]))
    assert values["segment_micro_error_rate"] == pytest.approx(2 / 3)
    assert values["segment_macro_error_rate"] == pytest.approx(2 / 3)  # class 1 is labelled nowhere
    assert values["segment_micro_precision"] == 0.5
    assert values["segment_macro_f1"] == pytest.approx(2 / 4)


def test_frames_that_end_a_rounding_late_reach_into_no_segment() -> None:
    assert _values(_pair(4.0, [(0, 3, 0)], [(0.0, 3 + 1e-10, 0)]))["segment_micro_f1"] == 1
    assert _values(_pair(4.0, [(3, 4, 0)], [(3 - 1e-10, 9.0, 0)]))["segment_micro_f1"] == 1


def test_what_is_found_beyond_the_clip_does_not_count() -> None:
    values = _values(_pair(2.0, [(0, 1, 0)], [(-0.3, 1.0, 0), (2.1, 3.0, 0), (2.1, 3.0, 1)]))
    assert values["event_micro_f1"] == values["segment_micro_f1"] == 1


def test_empty_sides() -> None:
    nothing, row = _values(_pair(2.0, [], [])), (0.0, 1.0, 0)
    assert nothing["event_micro_f1"] == nothing["segment_micro_recall"] == "no event is labelled, and none was found"
    assert nothing["event_macro_f1"] == nothing["segment_micro_error_rate"] == "no labelled event"
    false, missed = _values(_pair(2.0, [], [row])), _values(_pair(2.0, [row], []))
    for name in ("event", "segment"):
        assert (false[f"{name}_micro_f1"], false[f"{name}_micro_precision"]) == (0, 0)
        assert false[f"{name}_micro_recall"] == false[f"{name}_macro_f1"] == "no labelled event"
        assert (missed[f"{name}_micro_f1"], missed[f"{name}_macro_f1"], missed[f"{name}_micro_recall"]) == (0, 0, 0)
        assert missed[f"{name}_micro_precision"] == "no event was found"
    assert missed["segment_micro_error_rate"] == missed["segment_macro_error_rate"] == 1


def test_a_label_beyond_the_columns_is_told() -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.score(_events((0, 1, 7), duration_s=2.0), _events(columns=7))
    assert str(caught.value) == "a label names column 7 where output 'events' has 7, counted from 0"


def _rows(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for column in range(3):
        edges = draw(st.lists(st.integers(0, 100), max_size=8, unique=True).map(sorted))
        rows += [(start / 10, end / 10, column) for start, end in zip(edges[::2], edges[1::2], strict=False)]
    return rows


_PAIRS = st.composite(lambda draw: _pair(10.0, _rows(draw), _rows(draw)))()


@settings(max_examples=40, deadline=None)
@given(st.lists(_PAIRS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_scores_are_bounded_and_know_no_order(pairs: list[tuple[Events, Events]], chance: random.Random) -> None:
    values = _values(*pairs)
    assert list(values) == list(TASK.names_of_scope("dataset"))
    for name, value in values.items():
        assert isinstance(value, str) or (value >= 0 and (value <= 1 or "error_rate" in name))
    chance.shuffle(pairs)
    assert _values(*pairs) == pytest.approx(values)


@settings(max_examples=20, deadline=None)
@given(_PAIRS)
def test_a_perfect_estimate_is_perfect(pair: tuple[Events, Events]) -> None:
    for name, value in _values((pair[0], Events(pair[0].by_class, 3))).items():
        assert isinstance(value, str) or value == (0 if "error_rate" in name else 1)


def test_events_are_drawn_as_spans_in_order() -> None:
    spans = NAMED.draw(_events((2, 3, 0), (0.5, 1, 2), duration_s=4.0)).spans or ()
    assert [(span.start_s, span.end_s, span.label) for span in spans] == [(0.5, 1, "siren"), (2, 3, "dog")]
    (span,) = TASK.draw(_events((2, 3, 5))).spans or ()
    assert span.label == "5"

from __future__ import annotations

import warnings
from typing import Any

import mir_eval.melody
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.score import Score
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.pitch import Pitch, PitchOptions, PitchTrack
from evaluators.windows import Stitched

TASK = Pitch()
HOP_S = 0.01
MIR_EVAL = {
    "pitch_raw_accuracy": "Raw Pitch Accuracy",
    "pitch_chroma_accuracy": "Raw Chroma Accuracy",
    "pitch_overall_accuracy": "Overall Accuracy",
    "pitch_voicing_recall": "Voicing Recall",
    "pitch_voicing_false_alarm": "Voicing False Alarm",
}


def _track(signed_hz: Any, *, hop_s: float = HOP_S, start_s: float = 0.0) -> PitchTrack:
    """Negative: a pitch where there is no voice."""
    values = np.asarray(signed_hz, np.float64)
    return PitchTrack(np.arange(len(values)) * hop_s + start_s, np.abs(values), values > 0)


def _values(reference: PitchTrack, estimate: PitchTrack) -> dict[str, float | None]:
    found = TASK.score(reference, estimate)
    make_scores(TASK, found, "clip", basis="emulated")
    return {name: None if isinstance(value, Absent) else value for name, value in found.items()}


def _reasons(reference: PitchTrack, estimate: PitchTrack) -> dict[str, str]:
    found = TASK.score(reference, estimate)
    return {name: value.reason for name, value in found.items() if isinstance(value, Absent)}


def _outputs(**values: Any) -> dict[str, Stitched]:
    return {
        name: Stitched(np.asarray(value, np.float32), np.arange(len(value)) * HOP_S) for name, value in values.items()
    }


def _cents(cents: float) -> float:
    return float(2 ** (cents / 1200))


def test_labels_are_a_track() -> None:
    track = TASK.parse_labels({"pitch": [[0, 220], [0.01, 0], [0.03, 440.5]]}, ClipContext(2.0, "x"))
    assert track.times_s.tolist() == [0, 0.01, 0.03]
    assert track.pitch_hz.tolist() == [220, 0, 440.5]
    assert track.voiced.tolist() == [True, False, True]


def test_no_pitch_is_a_label_too() -> None:
    assert len(TASK.parse_labels({"pitch": []}, ClipContext(2.0, "x")).times_s) == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-0.1, 220], "-0.1 s lies outside the clip, which is 2 s long"),
        ([2.1, 220], "2.1 s lies outside the clip, which is 2 s long"),
        ([0.1, 220], "time 0.1 s must come after 0.1 s, the time before it"),
        ([0.05, 220], "time 0.05 s must come after 0.1 s, the time before it"),
        ([0.2, -220], "pitch -220 Hz must be 0, for none, or above 10 and at most 20000"),
        ([0.2, 10], "pitch 10 Hz must be 0, for none, or above 10 and at most 20000"),
        ([0.2, 20001], "pitch 20001 Hz must be 0, for none, or above 10 and at most 20000"),
        ([0.2, 0.3, 220], "must be [time_s, hz], two numbers; found [0.2, 0.3, 220]"),
        ([0.2, "A4"], "must be [time_s, hz], two numbers; found [0.2, 'A4']"),
        ([0.2, None], "must be [time_s, hz], two numbers; found [0.2, None]"),
        (220, "must be [time_s, hz], two numbers; found 220"),
    ],
)
def test_bad_label(row: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"pitch": [[0.1, 220], row, [0.3, 0]]}, ClipContext(2.0, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: pitch[1]: {message}"


def test_pitch_must_be_a_list() -> None:
    with pytest.raises(EvaluationError, match=r"x: pitch must be a list of \[time_s, hz\]; found 220"):
        TASK.parse_labels({"pitch": 220}, ClipContext(2.0, "x"))


def test_midi_numbers_are_no_pitch() -> None:
    rows = [[0, 0], [0.01, 57], [0.02, 60], [0.03, 64]]
    message = "x: pitch holds whole numbers up to 64 only, as MIDI numbers are; right is Hz: 220.00 for MIDI number 57"
    with pytest.raises(EvaluationError, match=message):
        TASK.parse_labels({"pitch": rows}, ClipContext(2.0, "x"))


@pytest.mark.parametrize("low", [[100, 100, 100, 100], [98.0, 103.83, 92.5, 98.0], [90, 95, 100, 110], []])
def test_a_low_voice_is_no_midi(low: list[float]) -> None:
    rows = [[index * HOP_S, hz] for index, hz in enumerate(low)]
    assert len(TASK.parse_labels({"pitch": rows}, ClipContext(2.0, "x")).times_s) == len(low)


def test_the_options_choose_the_outputs() -> None:
    assert load_task("pitch").required_outputs == ("pitch_hz",)
    assert load_task("pitch", {"confidence": True}).required_outputs == ("pitch_hz", "confidence")
    assert load_task("pitch", {"output": "salience"}).required_outputs == ("salience",)
    with pytest.raises(EvaluationError, match=r"task\.options: output"):
        load_task("pitch", {"output": "cents"})


def test_hz_are_read_as_they_are() -> None:
    track = TASK.decode(_outputs(pitch_hz=[[220], [0], [-330]]))
    assert track.pitch_hz.tolist() == [220, 0, 330]
    assert track.voiced.tolist() == [True, False, False]


def test_confidence_says_what_is_voiced() -> None:
    task = Pitch(PitchOptions(confidence=True, voicing_threshold=0.7))
    track = task.decode(_outputs(pitch_hz=[220, 220, 0], confidence=[0.75, 0.69, 0.9]))
    assert track.pitch_hz.tolist() == [220, 220, 0]
    assert track.voiced.tolist() == [True, False, False]


def test_times_are_moved_to_the_middle_of_a_window() -> None:
    track = Pitch(PitchOptions(time_offset_ms=32.0)).decode(_outputs(pitch_hz=[220, 220]))
    assert track.times_s == pytest.approx([0.032, 0.042])


def _crepe_cents(salience: np.ndarray) -> float:
    """CREPE's published rule, said anew: bins 20 cents apart from 1997.3794084376191 on, four each side of the peak."""
    peak = int(np.argmax(salience))
    bins = range(max(0, peak - 4), min(len(salience), peak + 5))
    return sum(salience[i] * (1997.3794084376191 + 20 * i) for i in bins) / sum(salience[i] for i in bins)


@pytest.mark.parametrize("peak", [0, 2, 100, 357, 359])
def test_salience_is_read_as_crepe_does(peak: int) -> None:
    salience = np.random.default_rng(peak).uniform(0, 0.5, size=(3, 360)).astype(np.float32)
    salience[:, peak] = 0.9
    track = Pitch(PitchOptions(output="salience")).decode(_outputs(salience=salience))
    expected = [10 * _cents(_crepe_cents(row.astype(np.float64))) for row in salience]
    assert track.pitch_hz == pytest.approx(expected)
    assert track.voiced.all()


def test_a_bin_alone_is_its_own_pitch() -> None:
    salience = np.zeros((2, 61))
    salience[0, 60] = 0.6
    options = PitchOptions(output="salience", first_bin_cents=1200.0, cents_per_bin=100.0, averaged_bins=0)
    track = Pitch(options).decode(_outputs(salience=salience))
    # Sixty semitones above 20 Hz; where nothing is salient there is no pitch.
    assert track.pitch_hz == pytest.approx([20 * 2**5, 0])
    assert track.voiced.tolist() == [True, False]


@pytest.mark.parametrize(
    ("options", "outputs", "message"),
    [
        ({}, {"pitch_hz": np.ones((3, 2))}, "output 'pitch_hz' must have one value a frame; found 2"),
        (
            {"confidence": True},
            {"pitch_hz": np.ones(3), "confidence": np.ones(2)},
            "outputs pitch_hz and confidence must have as many frames; found 3 and 2",
        ),
        (
            {"output": "salience"},
            {"salience": -np.ones((3, 2))},
            "output 'salience' must not be negative: bins are averaged with it as weight",
        ),
        ({}, {"pitch_hz": np.array([1, np.nan])}, "output 'pitch_hz' is not finite, first at 0.010 s"),
        ({}, {"f0": np.ones(3)}, "pitch tracking needs the output 'pitch_hz'; the model has f0"),
    ],
)
def test_decode_refuses(options: dict[str, Any], outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Pitch(PitchOptions(**options)).decode(_outputs(**outputs))
    assert str(caught.value) == message


@pytest.mark.parametrize("output", ["pitch_hz", "salience"])
@pytest.mark.parametrize("frames", [0, 1])
def test_decode_of_next_to_nothing(output: Any, frames: int) -> None:
    values = np.full(frames, 220.0) if output == "pitch_hz" else np.ones((frames, 360))
    track = Pitch(PitchOptions(output=output)).decode(_outputs(**{output: values}))
    assert len(track.times_s) == frames
    assert set(_reasons(_track([220, 0]), track).values()) == {"the model gave fewer than two frames"}


# By hand: frames 0 to 3 have a pitch, 4 and 5 have none.
REFERENCE = _track([220, 220, 220, 220, 0, 0])


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        ([220, 220, 220, 220, 0, 0], (1, 1, 1, 1, 0, 0, 0)),
        # 30 and 10 cents off, an octave off, 60 cents off; one false voice.
        ([220 * _cents(30), 220 * _cents(-10), 440, 220 * _cents(60), 100, 0], (0.5, 0.75, 0.5, 1, 0.5, 20, 20)),
        # All right, but two are found unvoiced: raw accuracy does not mind.
        ([220, 220, -220, -220, 0, 0], (1, 1, 4 / 6, 0.5, 0, 0, 0)),
        ([0, 0, 0, 0, 0, 0], (0, 0, 2 / 6, 0, 0, None, None)),
        ([220 * _cents(c) for c in (2, 4, 12, 49)] + [0, 0], (1, 1, 1, 1, 0, 67 / 4, 8)),
    ],
)
def test_scores(estimate: list[float], expected: tuple[float | None, ...]) -> None:
    found = _values(REFERENCE, _track(estimate))
    assert list(found) == list(TASK.metrics)
    assert list(found.values()) == [None if value is None else pytest.approx(value, abs=1e-6) for value in expected]


# Every sixth frame of 0.9 s of two fixtures of mir_eval's (00 and 05), and what mir_eval 0.8.2 says of them.
FIXTURES = [
    (
        (
            "0 0 350.8 350.5 348.5 347.1 348.1 348.2 346.1 347.6 350.3 348.9 348.2 347.2 346.6 346.9 347.6 351.7 356.4 "
            "0 0 0 0 287.5 287.8 290.2"
        ),
        "-220 -220 349.2 347.2 349.2 345.2 349.2 347.2 347.2 345.2 353.3 -220 -220 290.3 287",
        0.002,
        (0.8, 0.8, 0.8461538462, 0.85, 0.0),
    ),
    (
        (
            "466.3 467.2 484 533.5 523.3 521.3 521.1 519.9 522.6 522.2 523 523 522.8 522.3 522 521.1 522.8 522.5 524 "
            "526.5 526.2 564.8 561.2 582.5 585.5 587.4"
        ),
        "-440 -440 523.3 517.2 514.3 520.2 523.3 523.3 520.2 520.2 523.3 -775 583.9 583.9 583.9",
        0.001,
        (0.6153846154, 0.6153846154, 0.6153846154, 0.7307692308, None),
    ),
]


@pytest.mark.parametrize(("reference", "estimate", "start_s", "expected"), FIXTURES)
def test_scores_of_fixtures_of_mir_evals(
    reference: str, estimate: str, start_s: float, expected: tuple[float | None, ...]
) -> None:
    labels = _track([float(value) for value in reference.split()], hop_s=0.035)
    found = _values(labels, _track([float(value) for value in estimate.split()], hop_s=0.06, start_s=start_s))
    assert [found[name] for name in MIR_EVAL] == [
        None if value is None else pytest.approx(value, abs=1e-9) for value in expected
    ]


def test_empty_sides() -> None:
    none, silent, voiced = _track([]), _track([0, 0, 0]), _track([220, 220, 220])
    assert _reasons(none, voiced) == dict.fromkeys(TASK.metrics, "no labelled frame")
    without = dict.fromkeys(TASK.metrics, "no labelled frame has a pitch")
    del without["pitch_overall_accuracy"], without["pitch_voicing_false_alarm"]
    assert _reasons(silent, voiced) == _reasons(silent, silent) == without
    assert _values(silent, silent)["pitch_overall_accuracy"] == 1
    assert _values(silent, voiced)["pitch_voicing_false_alarm"] == 1
    assert _reasons(voiced, silent) == {
        "pitch_voicing_false_alarm": "no labelled frame is without a pitch",
        "pitch_error_mean_cents": "no labelled frame has the right pitch",
        "pitch_error_median_cents": "no labelled frame has the right pitch",
    }
    assert _values(voiced, silent)["pitch_raw_accuracy"] == 0


_PITCHES = st.one_of(st.just(0.0), st.floats(40, 2000), st.floats(-2000, -40))
_TRACKS = st.lists(_PITCHES, min_size=2, max_size=30)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.just(0.0), st.floats(40, 2000)), min_size=1, max_size=30), _TRACKS, st.floats(0.004, 0.02))
def test_scores_are_mir_evals(reference: list[float], estimate: list[float], hop_s: float) -> None:
    labels, track = _track(reference), _track(estimate, hop_s=hop_s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mir_eval.melody.evaluate(labels.times_s, labels.pitch_hz, track.times_s, np.array(estimate))
    found = _values(labels, track)
    for name, other in MIR_EVAL.items():
        assert found[name] is None or found[name] == pytest.approx(theirs[other], abs=1e-9)
        assert found[name] is None or 0 <= (found[name] or 0) <= 1
    assert (found["pitch_raw_accuracy"] is None) == (not labels.voiced.any())


@settings(max_examples=30)
@given(st.lists(st.one_of(st.just(0.0), st.floats(40, 2000)), min_size=2, max_size=30))
def test_a_perfect_estimate_is_perfect(values: list[float]) -> None:
    track = _track(values)
    perfect = {"pitch_voicing_false_alarm": 0, "pitch_error_mean_cents": 0, "pitch_error_median_cents": 0}
    for name, value in _values(track, track).items():
        assert value is None or value == pytest.approx(perfect.get(name, 1))


def test_a_shift_in_time_loses() -> None:
    glide = 220 * 2 ** (np.arange(200) / 100)  # an octave a second: 60 cents in 50 ms
    late = _track(glide, start_s=0.05)
    assert _values(_track(glide), _track(glide))["pitch_raw_accuracy"] == 1
    assert (_values(_track(glide), late)["pitch_raw_accuracy"] or 0) < 0.05


def test_uneven_frame_times_are_no_fault() -> None:
    track = PitchTrack(np.array([0, 0.01, 0.025, 0.03]), np.full(4, 220.0), np.ones(4, bool))
    assert _values(_track([220] * 3), track)["pitch_raw_accuracy"] == 1


def test_a_pitch_is_drawn_in_hz_and_breaks_where_there_is_none() -> None:
    (curve,) = TASK.draw(_track([440, 880, 0, -440])).curves
    assert (curve.output, curve.meaning, curve.start_s) == ("pitch", "pitch_hz", 0)
    assert curve.step_s == pytest.approx(HOP_S)
    assert curve.values == (440, 880, None, None)
    assert TASK.draw(_track([440])).curves == ()


def test_of_a_long_pitch_values_are_picked_at_even_times() -> None:
    (curve,) = TASK.draw(_track([100 + frame / 100 for frame in range(10_000)])).curves
    assert len(curve.values) == 480
    assert curve.step_s * (len(curve.values) - 1) == pytest.approx(99.99)
    assert curve.values == pytest.approx([100 + curve.step_s * number for number in range(480)], abs=0.01)


def test_metrics_have_units_that_can_be_stored() -> None:
    scores = make_scores(TASK, TASK.score(REFERENCE, REFERENCE), "clip", basis="emulated")
    assert isinstance(scores["pitch_error_mean_cents"], Score)
    assert scores["pitch_error_mean_cents"].unit == "cents"

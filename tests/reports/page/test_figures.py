from __future__ import annotations

import base64
import io
import math
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.drift_records import DriftStep
from evaluators.evaluation import Evaluation
from evaluators.picture_records import Curve, Note, Spectrogram
from reports.judging.comparison import Comparison
from reports.page.figures import change_bar, output_curve, pitch_lanes
from reports.page.figures.budget_bar import draw_budget_bars
from reports.page.figures.call_times import draw_call_times, share_axis
from reports.page.figures.change_bar import draw_change_bars
from reports.page.figures.drift_curve import draw_drift_curve
from reports.page.figures.frontier import Candidate, Frontier, draw_frontier
from reports.page.figures.output_curve import draw_output_curve
from reports.page.figures.pitch_lanes import draw_note_lanes, draw_pitch_lanes
from reports.page.figures.scale import Scale, span, span_log
from reports.page.figures.spectrogram import draw_spectrogram, mark_frequencies
from tests.reports.example_evaluation import lower, make_drift, ratio


def test_scales_map_their_ends() -> None:
    scale = Scale(0, 50, 10, 110)
    assert [scale.place(value) for value in (0, 25, 50, 60, -1)] == [10, 60, 110, 110, 10]
    assert scale.ticks(5) == [0, 10, 20, 30, 40, 50]
    logarithmic = span_log([0.002, 5.0], start=0, end=400)
    assert (logarithmic.low, logarithmic.high) == (0.001, 10.0)
    assert logarithmic.place(0.1) == 200.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_every_value_lies_within_its_scale(values: list[float]) -> None:
    scale = span(values, start=0, end=100)
    assert all(0 <= scale.place(value) <= 100 for value in values)
    assert all(scale.low - 1e-6 <= tick <= scale.high * (1 + 1e-9) + 1e-6 for tick in scale.ticks())
    assert 1 <= len(scale.ticks()) <= 12


def test_bars_of_a_budget_share_their_axis(comparison: Comparison) -> None:
    verdicts = [verdict for verdict in comparison.verdicts if verdict.metric == "size_bytes"]
    bars = draw_budget_bars(verdicts)
    drawn = [bar for bar in bars if bar is not None]
    assert len(drawn) == 7
    assert bars[-1] is None  # the failed bundle
    assert len({bar.limit_x for bar in drawn}) == 1
    widths = {verdict.variant: bar.bar_width for verdict, bar in zip(verdicts, bars, strict=True) if bar}
    assert widths["coreml-float32"] / widths["tflite-float16"] == pytest.approx(318_700 / 139_264, rel=0.01)
    assert widths["coreml-float32"] > drawn[0].limit_x - drawn[0].zero_x > widths["nmp.mlpackage"]


def test_what_may_not_be_shipped_is_never_on_the_frontier() -> None:
    costs = {"A": (100, 0.80, True), "B": (50, 0.95, False), "C": (200, 0.90, True)}
    marks = [
        Candidate(key, key, "tflite", lower(size, "bytes"), ratio(f1), holds=holds)
        for key, (size, f1, holds) in costs.items()
    ]
    figure = draw_frontier("title", marks, cost_label="size", accuracy_label="f1")
    assert figure is not None
    assert {mark.key: (mark.best, mark.holds) for mark in figure.marks} == {
        "A": (True, True),
        "B": (False, False),
        "C": (True, True),
    }


def test_the_frontier_joins_what_nothing_beats() -> None:
    costs = {"A": (100, 0.80), "B": (200, 0.90), "C": (250, 0.85), "D": (300, 0.90), "E": (90, 0.70)}
    found = draw_frontier(
        "Size",
        [Candidate(key, key, "tflite", lower(size, "bytes"), ratio(f1)) for key, (size, f1) in costs.items()],
        cost_label="size",
        accuracy_label="f1",
    )
    assert found is not None
    assert {mark.key for mark in found.marks if mark.best} == {"A", "B", "E"}
    places = {mark.key: (mark.x, mark.y) for mark in found.marks}
    assert found.line == (
        f"M{places['E'][0]} {places['E'][1]}H{places['A'][0]}V{places['A'][1]}H{places['B'][0]}V{places['B'][1]}"
    )


@pytest.mark.parametrize(("make", "is_lower_better"), [(ratio, False), (lambda value: lower(value, "ratio"), True)])
def test_a_frontier_knows_which_way_is_more_accurate(make: Any, is_lower_better: bool) -> None:
    both = [Candidate(key, key, "tflite", lower(1, "bytes"), make(0.5)) for key in "AB"]
    found = draw_frontier("Size", both, cost_label="size", accuracy_label="error")
    assert found is not None
    assert found.is_lower_better == is_lower_better


def test_a_frontier_needs_two_bundles() -> None:
    one = [Candidate("A", "a", "tflite", lower(1, "bytes"), ratio(0.5))]
    assert draw_frontier("Size", one, cost_label="size", accuracy_label="f1") is None


def test_the_drift_curve_marks_first_worst_and_what_is_over_the_budget() -> None:
    curve = draw_drift_curve(make_drift(), 0.05)
    assert curve is not None
    assert curve.logarithmic
    assert curve.first is not None
    assert curve.worst is not None
    assert (curve.first[2], curve.worst[2]) == (15, 32)
    assert curve.over is not None
    assert curve.limit_y is not None
    assert curve.worst[1] > curve.limit_y  # below the limit once the worst op is put right; y grows downwards
    heights = [float(y) for y in re.findall(r"V([\d.]+)", curve.over)]
    assert max(heights) == curve.limit_y  # the shade reaches down to the limit and no further
    assert curve.over.startswith(curve.line.split("H")[0])
    within = draw_drift_curve(make_drift(), 0.5)
    assert within is not None
    assert within.over is None


def test_no_error_is_no_curve() -> None:
    drift = make_drift()
    steps = tuple(step.model_copy(update={"error_after": 0.0}) for step in drift.steps)
    assert draw_drift_curve(drift.model_copy(update={"output_error": 0.0, "steps": steps}), None) is None
    assert draw_drift_curve(drift.model_copy(update={"steps": ()}), None) is None


def test_call_times_share_an_axis_and_cap_their_dots(evaluation: Evaluation) -> None:
    timing = evaluation.variants[0].timing
    assert timing is not None
    many = timing.model_copy(update={"samples_ns": (10_000_000,) * 150 + (20_000_000,) * 100})
    calls = draw_call_times(many, share_axis([many]))
    assert (len(calls.dots), calls.left_out) == (200, 50)
    assert calls.dots[0][0] < calls.dots[-1][0]
    assert calls.dots[0][1] < calls.dots[-1][1]


def _bars(path: str) -> list[list[float]]:
    """Left, top, width and height of each bar."""
    return [[float(number) for number in re.findall(r"[\d.]+", bar)][:4] for bar in path.split("z")[:-1]]


def test_notes_of_all_sides_are_drawn_on_one_scale() -> None:
    low = Note(onset_s=0.0, offset_s=1.0, pitch_midi=60)
    high = Note(onset_s=1.0, offset_s=2.0, pitch_midi=72)
    lanes = draw_note_lanes([(low, high), (high,), ()], 2.0)
    assert lanes is not None
    first, second = _bars(lanes.paths[0])
    assert _bars(lanes.paths[1]) == [second]
    assert (lanes.paths[2], lanes.counts, lanes.left_out) == ("", (2, 1, 0), 0)
    assert (first[0], first[2], second[0]) == (0, pitch_lanes.WIDTH / 2, pitch_lanes.WIDTH / 2)
    # The middle of a bar is its pitch, as the page's script reads it.
    heights = [
        lanes.high_midi - (top + height / 2) / pitch_lanes.HEIGHT * (lanes.high_midi - lanes.low_midi)
        for _, top, _, height in (first, second)
    ]
    assert heights == pytest.approx([60, 72], abs=0.01)
    assert [tick.label for tick in lanes.ticks] == ["C4", "E4", "G♯4", "C5"]
    assert draw_note_lanes([(), ()], 2.0) is None
    many = draw_note_lanes([(low,) * 500], 2.0)
    assert many is not None
    assert many.left_out == 100


def test_pitches_of_all_sides_are_drawn_on_one_scale_and_break_where_there_is_none() -> None:
    def curve(*values: float | None) -> Curve:
        return Curve(output="pitch", start_s=0, step_s=0.5, values=values, meaning="pitch_hz")

    lanes = draw_pitch_lanes([curve(440.0, None, 880.0), None, curve(440.0, 440.0)], 1.0)
    assert lanes is not None
    assert (lanes.paths[0].count("M"), lanes.paths[1], lanes.paths[2].count("M")) == (2, "", 1)
    assert lanes.paths[0].split("M")[1] == lanes.paths[2].split("M")[1].split("L")[0]
    assert draw_pitch_lanes([curve(None), None], 1.0) is None


def test_bars_of_changes_grow_from_the_middle_and_say_when_they_are_cut() -> None:
    small, large, none = draw_change_bars([(-0.05, -0.06, -0.04), (3.0, None, None), None])
    assert none is None
    assert small is not None
    assert large is not None
    middle = change_bar.WIDTH / 2
    assert small.x + small.width == pytest.approx(middle, abs=0.2)
    assert small.low_x is not None
    assert small.high_x is not None
    assert small.low_x < small.x < small.high_x < middle
    assert (large.x, large.is_cut, small.is_cut) == (middle, True, False)


def test_frequencies_stand_where_the_picture_has_them() -> None:
    levels = base64.b64encode(bytes(4)).decode()
    picture = Spectrogram(frames=2, bands=2, low_hz=40, high_hz=16_000, range_db=80, levels=levels)
    ticks = mark_frequencies(picture, 72)
    assert [tick.label for tick in ticks] == ["100 Hz", "1 kHz", "10 kHz"]
    assert 0 < ticks[2].place < ticks[1].place < ticks[0].place < 72


def test_curves_put_the_source_and_the_bundle_on_one_scale() -> None:
    reference = Curve(output="speech", start_s=0.0, step_s=1.0, values=(0.0, 1.0, None, 0.5))
    estimate = Curve(output="speech", start_s=0.0, step_s=1.0, values=(0.0, 2.0, 2.0, 2.0))
    drawn = draw_output_curve(reference, estimate, 3.0)
    assert drawn is not None
    assert re.findall("[ML]", drawn.reference) == ["M", "L", "M"]  # a gap where there is no number
    assert re.findall("[ML]", drawn.estimate) == ["M", "L", "L", "L"]
    assert drawn.reference.split("L")[0] == drawn.estimate.split("L")[0]
    assert drawn.estimate.endswith(f"L{output_curve.WIDTH - 1} {drawn.estimate.split()[-1]}")
    assert (drawn.low, drawn.high) == ("0", "2.00")


def test_a_curve_without_a_number_is_no_figure() -> None:
    nothing = Curve(output="speech", start_s=0.0, step_s=1.0, values=(None, None))
    assert draw_output_curve(nothing, nothing, 2.0) is None


def test_a_spectrogram_is_a_png_that_others_read_with_loud_places_dark() -> None:
    levels = bytes([0, 128, 255, 10, 20, 30])
    found = Spectrogram(
        frames=3, bands=2, low_hz=40, high_hz=8000, range_db=80, levels=base64.b64encode(levels).decode()
    )
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    source = draw_spectrogram(found)
    picture = image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
    picture.load()
    assert (picture.size, picture.mode) == ((3, 2), "L")
    assert picture.tobytes() == bytes(255 - level for level in levels)


@pytest.mark.parametrize("low_hz", [5e-324, 1e-300, 40.0, 9_999_999.0])
@pytest.mark.parametrize("high_hz", [5e-324, 1.0, 8000.0, 1e300])
def test_frequencies_of_any_band_are_marked_within_the_picture(low_hz: float, high_hz: float) -> None:
    found = Spectrogram.model_construct(frames=1, bands=1, low_hz=low_hz, high_hz=high_hz, range_db=80, levels="AA==")
    ticks = mark_frequencies(found, 84)
    assert all(0 <= tick.place <= 84 for tick in ticks)
    assert len(ticks) == sum(low_hz * 1.05 < mark < high_hz for mark in (100, 1000, 10_000, 100_000))


def test_a_crowded_frontier_says_so() -> None:
    def draw(count: int) -> Frontier:
        found = draw_frontier(
            "Size",
            [Candidate(str(n), str(n), "tflite", lower(100 + n, "bytes"), ratio(0.5)) for n in range(count)],
            cost_label="size",
            accuracy_label="f1",
        )
        assert found is not None
        return found

    assert (draw(16).crowded, draw(17).crowded) == (False, True)


EXTREMES = (0.0, 5e-324, 1e-300, 1.0, 1e16, 1e16 + 2, 1e300, 1.7976931348623157e308)
signed = st.sampled_from([sign * value for value in EXTREMES for sign in (1, -1)])


@given(st.lists(st.one_of(signed, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=5))
@pytest.mark.parametrize("floor", [None, 0.0])
def test_a_scale_of_any_numbers_has_places_and_few_ticks(floor: float | None, values: list[float]) -> None:
    scale = span(values, start=4, end=296, floor=floor)
    assert all(4 <= scale.place(value) <= 296 for value in values)
    ticks = scale.ticks()
    assert len(ticks) <= 12
    assert all(math.isfinite(tick) for tick in ticks)


@given(st.lists(signed, min_size=1, max_size=5).filter(lambda values: max(values) > 0))
def test_a_logarithmic_scale_of_any_numbers_has_places_and_few_ticks(values: list[float]) -> None:
    scale = span_log(values, start=206, end=22)
    assert all(22 <= scale.place(value) <= 206 for value in values)
    assert 1 <= len(scale.ticks(4)) <= 9


def test_a_drift_of_many_ops_is_a_short_path_that_keeps_its_spike() -> None:
    steps = [DriftStep(op=f"op{n}", kind="conv", error_after=0.5 + n % 7 / 100) for n in range(50_000)]
    steps[12_345] = DriftStep(op="spike", kind="log", error_after=1.0)
    drift = make_drift().model_copy(update={"steps": tuple(steps), "first_op": "spike", "worst_op": "op49999"})
    curve = draw_drift_curve(drift, 0.51)
    assert curve is not None
    assert len(curve.line) < 60_000
    assert len(curve.over or "") < 60_000
    assert curve.first is not None
    assert f"V{curve.first[1]}" in curve.line
    assert curve.first[2] == 12_346
    assert curve.worst == (744.0, curve.worst[1], 50_000) if curve.worst else False


def test_calls_of_many_days_are_drawn(evaluation: Evaluation) -> None:
    timing = evaluation.variants[0].timing
    assert timing is not None
    slow = timing.model_copy(
        update={"samples_ns": (0, 2**53 - 1), "p50_ms": lower(1.7e308, "ms"), "p90_ms": lower(-1e308, "ms")}
    )
    axis = share_axis([slow])
    calls = draw_call_times(slow, axis)
    assert [x for x, _ in calls.dots] == [4.0, pytest.approx(400, abs=8)]
    assert (calls.p50_x, calls.p90_x) == (416.0, 4.0)


@pytest.mark.parametrize("duration_s", [5e-324, 1.7e308])
def test_a_clip_of_any_length_is_drawn(duration_s: float) -> None:
    note = Note(onset_s=-1.7e308, offset_s=1.7e308, pitch_midi=127)
    lanes = draw_note_lanes([(note,), (note,)], duration_s)
    assert lanes is not None
    assert not re.search("nan|inf|e", lanes.paths[0])
    curve = Curve(output="o", start_s=-1.7e308, step_s=1.7e308, values=(1.7e308, None, -1.7e308, 5e-324))
    drawn = draw_output_curve(curve, curve, duration_s)
    assert drawn is not None
    assert not re.search("nan|inf|e", drawn.reference)


def test_a_thousand_bundles_are_drawn_in_no_time() -> None:
    candidates = [
        Candidate(str(n), str(n), "tflite", lower(n * 7919 % 1009, "bytes"), ratio(n * 104729 % 1013 / 1013))
        for n in range(1000)
    ]
    start = time.process_time()
    found = draw_frontier("Size", candidates, cost_label="size", accuracy_label="f1")
    assert time.process_time() - start < 10
    assert found is not None
    assert any(mark.best for mark in found.marks)

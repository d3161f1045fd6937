"""Figures of single clips: waveforms, pitch, activity."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.picture_records import Curve, Pictures, Span
from evaluators.pictures.sounds import draw_envelope
from reports.page.figures import activity_strips, output_curve, pitch_curve, waveform
from reports.page.figures.activity_strips import differ, differ_moments, draw_activity_strips, merge
from reports.page.figures.output_curve import draw_output_curve
from reports.page.figures.pitch_curve import draw_pitch_curve
from reports.page.figures.waveform import draw_waveform, find_peak


def _numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_a_waveform_takes_the_room_of_its_time_and_of_the_loudest() -> None:
    envelope = draw_envelope(np.concatenate([np.zeros(500), np.full(500, 0.5)]))
    assert find_peak(envelope) == 64
    whole, half = (_numbers(draw_waveform(envelope, 1.0, longest_s, 64)) for longest_s in (1.0, 2.0))
    assert max(whole[::2]) == waveform.WIDTH
    assert max(half[::2]) == waveform.WIDTH / 2
    assert min(whole[1::2]) == 1
    assert max(whole[1::2]) < waveform.HEIGHT / 2 + 1


def _pitch(*hz: float | None, start_s: float = 0.0) -> Curve:
    return Curve(output="pitch", start_s=start_s, step_s=0.1, values=hz, meaning="pitch_hz")


def test_pitch_is_compared_in_cents_and_gaps_stay_gaps() -> None:
    sharp = 2 ** (30 / 1200)
    labels, source = _pitch(220.0, 220.0, None, 440.0), _pitch(220.0, 220.0, 220.0, 440.0)
    found = draw_pitch_curve(labels, source, _pitch(220 * sharp, None, 220.0, 880.0), 0.4)
    assert found is not None
    # 30 cents sharp, unvoiced, without a label, an octave off.
    assert (found.compared, found.within, found.beyond, found.against) == (2, 1, 1, "labels")
    places = _numbers(found.error)
    assert places[1] == pytest.approx(pitch_curve.LOW_HEIGHT / 2 - 30 * (pitch_curve.LOW_HEIGHT / 2 - 2) / 100, abs=0.1)
    assert found.error.count("M") == 2
    assert {tick.label for tick in found.notes} >= {"A3 220 Hz", "A4 440 Hz"}
    heights = {tick.label: tick.place for tick in found.notes}
    assert heights["A4 440 Hz"] < heights["A3 220 Hz"]


def test_without_labels_the_source_is_the_reference() -> None:
    found = draw_pitch_curve(None, _pitch(100.0, 100.0), _pitch(100.0, 100.0), 0.2)
    assert found is not None
    assert (found.label, found.source_error, found.against, found.within) == ("", "", "source", 2)
    assert draw_pitch_curve(None, _pitch(None), _pitch(None), 0.2) is None


def test_labels_are_read_at_the_estimates_times() -> None:
    found = draw_pitch_curve(_pitch(100.0, 200.0, start_s=1.0), _pitch(100.0), _pitch(*[200.0] * 12), 2.0)
    assert found is not None
    assert (found.compared, found.within, found.beyond) == (2, 1, 1)


@given(
    st.lists(st.none() | st.floats(-1e308, 1e308), min_size=1, max_size=8),
    st.floats(0, 1e300),
    st.floats(-1e300, 1e300),
    st.floats(1e-300, 1e300),
)
def test_any_pitch_can_be_drawn(values: list[float | None], step_s: float, start_s: float, duration_s: float) -> None:
    wild = Curve(output="p", start_s=start_s, step_s=step_s, values=tuple(values), meaning="pitch_hz")
    found = draw_pitch_curve(wild, wild, _pitch(440.0), duration_s)
    assert found is not None
    paths = found.label + found.source + found.estimate + found.error + found.source_error
    assert "nan" not in paths
    assert "inf" not in paths


def _spans(*pairs: tuple[float, float], label: str = "speech") -> Pictures:
    return Pictures(spans=tuple(Span(start_s=a, end_s=b, label=label) for a, b in pairs))


def test_strips_show_each_side_and_where_the_bundle_differs() -> None:
    found = draw_activity_strips(_spans((1, 3)), _spans((1, 3), (5, 6)), _spans((1, 2), (5, 6)), 10.0)
    assert found is not None
    assert [(strip.side, strip.count) for strip in found.strips] == [
        ("labels", 1),
        ("source", 2),
        ("bundle", 2),
        ("not labels", 2),
        ("not source", 1),
    ]
    tenth = activity_strips.WIDTH / 10
    assert _numbers(found.strips[-1].path)[0] == pytest.approx(2 * tenth)
    assert [strip.differs for strip in found.strips] == [False, False, False, True, True]


def test_moments_differ_where_none_meets_them() -> None:
    moments = _spans((1.0, 1.05), (5.0, 5.05)).model_copy(update={"moments": True})
    found = draw_activity_strips(_spans((0.5, 1.5)), _spans((1.02, 1.07)), moments, 10.0)
    assert found is not None
    assert [(strip.side, strip.count) for strip in found.strips][-1] == ("not source", 1)
    assert "not labels" not in {strip.side for strip in found.strips}


def test_without_a_stretch_or_with_many_labels_there_are_no_strips() -> None:
    assert draw_activity_strips(_spans(), None, _spans(), 1.0) is None
    many = Pictures(spans=tuple(Span(start_s=0, end_s=1, label=name) for name in "abcd"))
    assert draw_activity_strips(Pictures(), None, many, 1.0) is None


INTERVALS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)).map(lambda pair: (min(pair), max(pair))), max_size=5)


@given(INTERVALS, INTERVALS)
def test_a_difference_is_as_long_as_what_one_side_alone_has(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    left, right = merge(one), merge(other)
    both = sum(max(0.0, min(b, d) - max(a, c)) for a, b in left for c, d in right)
    lengths = [sum(b - a for a, b in side) for side in (left, right, differ(left, right))]
    assert lengths[2] == pytest.approx(lengths[0] + lengths[1] - 2 * both, abs=1e-9)
    assert differ(left, left) == []
    assert differ_moments(left, left) == []


def test_a_probability_has_its_whole_range_and_its_thresholds() -> None:
    curve = Curve(output="p", start_s=0, step_s=1, values=(0.4, 0.6), meaning="probability", thresholds=(0.5, 7.0))
    found = draw_output_curve(curve, curve, 1.0)
    assert found is not None
    assert [mark.label for mark in found.thresholds] == ["0.5"]  # the axis is that of the values
    assert found.thresholds[0].place == 42.0
    curve = curve.model_copy(update={"thresholds": (0.5,)})
    found = draw_output_curve(curve, curve, 1.0)
    assert found is not None
    assert [(mark.label, mark.place) for mark in found.thresholds] == [("0.5", 42.0)]
    heights = _numbers(found.estimate)[1::2]
    assert max(heights) - min(heights) < output_curve.HEIGHT / 4

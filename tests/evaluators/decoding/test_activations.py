from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.decoding.activations import (
    FrameOptions,
    Frames,
    SegmentRules,
    find_segments,
    pick_column,
    pick_peaks,
    read_frames,
)
from evaluators.errors import EvaluationError
from evaluators.windows import Stitched


def _stitched(values: Any, **changes: Any) -> Stitched:
    array = np.asarray(values, np.float32)
    return Stitched(array, np.arange(len(array)) * 0.1, **changes)


def _rules(**changes: float) -> SegmentRules:
    given = {"onset_threshold": 0.5, "offset_threshold": 0.3, "minimum_length_s": 0.0, "minimum_gap_s": 0.0}
    return SegmentRules(**{**given, **changes})


def _segments(values: list[float], **changes: float) -> Any:
    array = np.array(values)
    frames = Frames(array[:, None], np.arange(len(array)) * 0.1)
    return [pytest.approx(one) for one in find_segments(array, frames, _rules(**changes))]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3), (0,), (0, 3)])
@pytest.mark.parametrize("kind", ["frames", "window"])
def test_frames_are_a_table(shape: tuple[int, ...], kind: Any) -> None:
    frames = read_frames({"y": _stitched(np.ones(shape), kind=kind)}, "y", FrameOptions(), task="a task")
    assert len(frames.values) == len(frames.times_s) == shape[0]
    assert frames.values.ndim == 2


def test_times_are_moved() -> None:
    frames = read_frames({"y": _stitched([1, 2])}, "y", FrameOptions(time_offset_ms=32.0), task="a task")
    assert frames.times_s == pytest.approx([0.032, 0.132])
    assert frames.step_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"x": _stitched([1])}, "a task needs the output 'y'; the model has x"),
        ({}, "a task needs the output 'y'; the model has none"),
        ({"y": _stitched([1], kind="clip")}, "output 'y' is of kind \"clip\"; right is \"frames\" or \"window\""),
        ({"y": _stitched(np.ones((2, 2, 2)))}, "output 'y' must be (frames,) or (frames, columns); found (2, 2, 2)"),
        ({"y": _stitched(np.ones((2, 0)))}, "output 'y' must be (frames,) or (frames, columns); found (2, 0)"),
        ({"y": _stitched([[0, 1], [0, np.nan]])}, "output 'y' is not finite, first at 0.100 s"),
    ],
)  # fmt: skip
def test_what_is_refused(outputs: dict[str, Stitched], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        read_frames(outputs, "y", FrameOptions(), task="a task")
    assert str(caught.value) == message


def test_a_column_that_is_not_there() -> None:
    frames = Frames(np.ones((3, 2)), np.arange(3.0))
    assert pick_column(frames, 1, "y").shape == (3,)
    with pytest.raises(EvaluationError, match="output 'y' has 2 columns, counted from 0; there is no column 2"):
        pick_column(frames, 2, "y")


@pytest.mark.parametrize(
    ("values", "minimum_frames", "peaks"),
    [
        ([0, 0.6, 0, 0.9, 0], 1, [1, 3]),
        ([0, 0.6, 0, 0.9, 0], 3, [3]),  # the stronger of two that are too close
        ([0.7, 0, 0, 0.6], 1, [0, 3]),  # at the edges too
        ([0, 0.6, 0.6, 0.6, 0], 1, [2]),  # the middle of a plateau
        ([0.4, 0.49], 1, []),
        ([0.5], 1, [0]),  # the threshold itself is reached
        ([], 1, []),
    ],
)
def test_peaks(values: list[float], minimum_frames: int, peaks: list[int]) -> None:
    assert pick_peaks(np.array(values, np.float64), threshold=0.5, minimum_frames=minimum_frames) == peaks


@pytest.mark.parametrize("shift", [-100.0, 0.0, 100.0])
def test_peaks_of_logits(shift: float) -> None:
    assert pick_peaks(np.array([-3.0, -1, -2]) + shift, threshold=-1.5 + shift, minimum_frames=1) == [1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.6, 0.4, 0.4, 0.2, 0], [(0.1, 0.4)]),  # between the thresholds speech goes on
        ([0, 0.4, 0.4, 0.6, 0.2], [(0.3, 0.4)]),  # but it does not begin there
        ([0.5, 0.3], [(0, 0.2)]),  # the thresholds belong to speech
        ([0, 0, 0.9], [(0.2, 0.3)]),  # a frame lasts until the next
        ([0.9], [(0, np.inf)]),  # of one frame nobody knows the length
        ([0.1, 0.4, 0.1], []),
        ([0.9, 0, 0, 0.9, 0], [(0, 0.1), (0.3, 0.4)]),
    ],
)
def test_segments(values: list[float], expected: list[tuple[float, float]]) -> None:
    assert _segments(values) == expected


def test_gaps_are_closed_before_short_segments_go() -> None:
    values = [0.9, 0, 0.9, 0, 0, 0.9, 0]
    assert _segments(values, minimum_gap_s=0.2) == [(0, 0.3), (0.5, 0.6)]
    assert _segments(values, minimum_gap_s=0.2, minimum_length_s=0.3) == [(0, 0.3)]
    assert _segments(values, minimum_length_s=0.2) == []


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0, 0.5), st.floats(0, 0.5))
def test_segments_are_in_order_apart_and_long_enough(values: list[float], length_s: float, gap_s: float) -> None:
    array = np.array(values)
    rules = _rules(minimum_length_s=length_s, minimum_gap_s=gap_s)
    found = find_segments(array, Frames(array[:, None], np.arange(len(array)) * 0.1), rules)
    assert all(end - start >= length_s - 1e-6 for start, end in found)
    assert all(after[0] - before[1] >= max(gap_s, 0.1) - 1e-6 for before, after in itertools.pairwise(found))

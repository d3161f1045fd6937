from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.parity import ParityMeter
from evaluators.target_records import OutputParity


def _compare(reference: np.ndarray, estimate: np.ndarray) -> OutputParity:
    meter = ParityMeter()
    meter.add("note", reference, estimate)
    return meter.result("note")


def test_closed_form() -> None:
    parity = _compare(np.array([3.0, 4.0]), np.array([3.0, 3.5]))
    assert parity.output == "note"
    assert parity.snr_db.value == pytest.approx(20.0)  # 10 log10(25 / 0.25)
    assert parity.max_abs_error.value == 0.5
    assert parity.cosine.value == pytest.approx(23 / (5 * np.sqrt(9 + 12.25)))
    assert (parity.snr_db.unit, parity.snr_db.direction) == ("db", "higher")
    assert parity.max_abs_error.direction == "lower"


def test_identical_has_no_snr() -> None:
    parity = _compare(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
    assert (parity.snr_db.value, parity.snr_db.reason) == (None, "identical")
    assert parity.max_abs_error.value == 0
    assert parity.cosine.value == 1


def test_silent_reference() -> None:
    parity = _compare(np.zeros(3), np.ones(3))
    assert parity.snr_db.reason == "the source model's output is 0 throughout"
    assert parity.cosine.reason == "one of the outputs is 0 throughout"
    assert parity.max_abs_error.value == 1


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_beyond_the_range_of_squares_there_is_a_reason(scale: float) -> None:
    parity = _compare(np.array([1.0, 2.0]) * scale, np.array([1.0, 3.0]) * scale)
    assert parity.snr_db.reason == "the values are beyond the range float64 can sum the squares of"
    assert parity.max_abs_error.value == pytest.approx(scale)


def test_an_error_beyond_float64_has_no_value() -> None:
    parity = _compare(np.array([1.5e308]), np.array([-1.5e308]))
    assert parity.max_abs_error.reason == "the values are beyond the range float64 can sum the squares of"


@pytest.mark.slow
@settings(deadline=None)  # cores are shared
@given(
    data=st.lists(st.tuples(st.floats(-10, 10, width=16), st.floats(-10, 10, width=16)), min_size=2, max_size=40),
    cuts=st.lists(st.integers(1, 39), max_size=4),
)
def test_windows_add_up_to_the_whole(data: list[tuple[float, float]], cuts: list[int]) -> None:
    reference, estimate = np.array(data, np.float32).T
    whole, meter = _compare(reference, estimate), ParityMeter()
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    for start, end in itertools.pairwise(edges):
        meter.add("note", reference[start:end], estimate[start:end])
    parts = meter.result("note")
    for name in ("snr_db", "max_abs_error", "cosine"):
        part, all_of_it = getattr(parts, name), getattr(whole, name)
        assert part.reason == all_of_it.reason
        if all_of_it.reason is None:
            assert part.value == pytest.approx(all_of_it.value, rel=1e-9, abs=1e-9)


@settings(deadline=None)  # cores are shared
@given(factor=st.sampled_from([0.25, 2.0, 1024.0]), seed=st.integers(0, 1000))
def test_snr_and_cosine_do_not_depend_on_scale(factor: float, seed: int) -> None:
    reference, estimate = np.random.default_rng(seed).normal(size=(2, 20))
    one, other = _compare(reference, estimate), _compare(reference * factor, estimate * factor)
    assert other.snr_db.value == pytest.approx(one.snr_db.value)
    assert other.cosine.value == pytest.approx(one.cosine.value)
    assert other.max_abs_error.value == pytest.approx(one.max_abs_error.value * factor)


def test_half_precision_is_summed_in_double() -> None:
    # 300² and the sum over 10,000 values are far beyond float16's 65504.
    reference = np.full(10_000, 300, np.float16)
    parity = _compare(reference, reference + np.float16(3))
    assert parity.snr_db.value == pytest.approx(40.0)


def test_the_callers_arrays_stay_as_they_were() -> None:
    reference, estimate = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3) + 1
    reference.flags.writeable = estimate.flags.writeable = False
    _compare(reference, estimate)
    np.testing.assert_array_equal(reference, np.arange(6.0).reshape(2, 3))


def test_outputs_are_kept_apart_and_in_order() -> None:
    meter = ParityMeter(basis="measured_host")
    meter.add("b", np.ones(2), np.ones(2))
    meter.add("a", np.ones(2), np.zeros(2))
    b, a = meter.results()
    assert (b.output, a.output) == ("b", "a")
    assert (b.max_abs_error.value, a.max_abs_error.value) == (0, 1)
    assert b.snr_db.basis == a.cosine.basis == "measured_host"


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (
            np.ones((2, 3)),
            np.ones((3, 2)),
            "output 'note', clip x, window 1: the variant gives shape (3, 2) where the source model gives (2, 3)",
        ),
        (np.ones(0), np.ones(0), "output 'note', clip x, window 1: holds no value, shape (0,)"),
        (
            np.ones((2, 2)),
            np.array([[1, 1], [np.nan, np.inf]]),
            "output 'note', clip x, window 1: the variant's value at (1, 0) is nan; 2 of 4 are not finite",
        ),
        (
            np.array([[1, -np.inf]]),
            np.ones((1, 2)),
            "output 'note', clip x, window 1: the source model's value at (0, 1) is -inf; 1 of 2 are not finite",
        ),
    ],
)
def test_refuses(reference: np.ndarray, estimate: np.ndarray, message: str) -> None:
    meter = ParityMeter()
    meter.add("note", np.ones(3), np.zeros(3), clip="x")
    before = meter.result("note")
    with pytest.raises(EvaluationError) as caught:
        meter.add("note", reference, estimate, clip="x")
    assert str(caught.value) == message
    assert meter.result("note") == before


def test_an_output_never_compared() -> None:
    with pytest.raises(EvaluationError, match=re.escape("output 'x' was never compared; compared are: none")):
        ParityMeter().result("x")

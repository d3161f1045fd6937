from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.integration.tolerances import distance, make_tolerance, margin_db
from packager.formats.format import FLOAT16, FLOAT32, INT8

VALUES = np.array([[1.0, -0.5, 0.25, 0.0]], np.float32)


def test_the_distance_is_the_snr_and_the_largest_difference() -> None:
    ratio, error = distance(VALUES, VALUES + np.float32(0.01))
    assert ratio == pytest.approx(10 * math.log10((1 + 0.25 + 0.0625) / (4 * 1e-4)), abs=1e-3)
    assert error == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize(
    ("expected", "found", "distances"),
    [
        ([1.0, 2.0], [1.0, 2.0], (None, 0.0)),
        ([0.0, 0.0], [0.0, 1.0], (None, 1.0)),
        ([1.0, math.nan], [1.0, math.nan], (None, 0.0)),
        ([1.0, math.inf], [1.0, math.inf], (None, 0.0)),
        ([1.0, math.inf], [1.0, -math.inf], (-math.inf, math.inf)),
        ([1.0, 2.0], [1.0, math.nan], (-math.inf, math.inf)),
    ],
)
def test_what_has_no_ratio(expected: list[float], found: list[float], distances: tuple[float | None, float]) -> None:
    assert distance(np.array(expected), np.array(found)) == distances


def test_a_tolerance_is_ten_times_the_largest_change() -> None:
    varied = {"small": VALUES * np.float32(1 + 1e-5), "large": VALUES * np.float32(1 + 1e-4), "none": VALUES.copy()}
    found = make_tolerance("LiteRT", VALUES, varied, FLOAT32)
    assert found.snr_db == pytest.approx(60, abs=0.2)  # 80 dB were measured
    assert found.max_abs_error == pytest.approx(1e-3, rel=0.01)
    assert found.measured_db == {
        "small": pytest.approx(100, abs=0.1),
        "large": pytest.approx(80, abs=0.1),
        "none": None,
    }
    assert "large, 80.0 dB" in found.because


@pytest.mark.parametrize(("roundoff", "least_db"), [(FLOAT32, 124.4), (FLOAT16, 46.2), (INT8, 28.1)])
def test_where_nothing_changes_one_rounding_bounds_it(roundoff: float, least_db: float) -> None:
    found = make_tolerance("LiteRT", VALUES, {"threads": VALUES.copy()}, roundoff)
    assert found.snr_db == pytest.approx(least_db, abs=0.1)
    assert found.max_abs_error == pytest.approx(10 * roundoff, rel=0.01)
    assert "one rounding of the largest value" in found.because


def test_values_that_are_0_or_not_finite_have_a_tolerance_too() -> None:
    for values in (np.zeros(4, np.float32), np.array([np.nan, np.inf], np.float32)):
        found = make_tolerance("LiteRT", values, {"threads": values}, FLOAT32)
        assert margin_db(found, *distance(values, values.copy())) is None
        assert margin_db(found, *distance(values, values + 1)) in {None, -math.inf}


@pytest.mark.parametrize(("off", "margin"), [(1e-5, 20.0), (1e-4, 0.0), (1e-3, -20.0)])
def test_the_margin_is_what_is_left(off: float, margin: float) -> None:
    tolerance = make_tolerance("LiteRT", VALUES, {"x": VALUES * np.float32(1 + 1e-5)}, FLOAT32)
    found = margin_db(tolerance, *distance(VALUES, VALUES * np.float32(1 + off)))
    assert found == pytest.approx(margin, abs=0.3)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.chart_records import MAX_POINTS, Axis, Mark, RateCurve
from evaluators.pictures.rate_curves import LEAST_SHARE, STRETCHES, Frame, make_curve, thin, warp

ROC = Frame("roc", Axis(name="false alarms"), Axis(name="recall", direction="higher"))
DET = Frame("det", Axis(name="false accepts", scale="probit"), Axis(name="misses", scale="probit"))
HOURS = Axis(name="false accepts an hour", unit="per hour", scale="logarithmic")


def _distance(point: np.ndarray, line: np.ndarray) -> float:
    """From a point to a line of many stretches, in the plane."""
    starts, along = line[:-1], np.diff(line, axis=0)
    lengths = (along**2).sum(axis=1)
    shares = ((point - starts) * along).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    feet = starts + shares.clip(0, 1)[:, None] * along
    return float(np.linalg.norm(feet - point, axis=1).min())


@settings(deadline=None)
@given(st.integers(2, 6000), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 40]))
def test_what_is_left_out_lies_on_the_curve_that_is_drawn(count: int, seed: int, steepness: int) -> None:
    draws = np.random.default_rng(seed)
    across = np.sort(draws.random(count) ** steepness)
    upright = np.sort(draws.random(count))
    chosen = thin(across, upright)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert len(chosen) <= 2 * STRETCHES <= MAX_POINTS - 8, "there is room for those that are kept"
    full, drawn = np.stack([across, upright], axis=1), np.stack([across, upright], axis=1)[chosen]
    bound = 2 / STRETCHES
    for place in draws.integers(0, count, 20):
        assert _distance(full[place], drawn) <= bound


def test_what_must_stay_stays() -> None:
    line = np.linspace(0, 1, 10_000)
    assert 4321 not in thin(line, line)
    assert 4321 in thin(line, line, keep=[4321])


def test_few_points_all_stay() -> None:
    assert thin(np.array([0.0, 0.0, 0.5, 1.0]), np.array([0.0, 0.5, 0.5, 1.0])) == [0, 1, 2, 3]
    assert make_curve(ROC, np.zeros(5), np.ones(5)).points == ((0.0, 1.0), (0.0, 1.0)), "a curve that is one place"
    assert make_curve(ROC, np.array([0, 0, 0, 0.5]), np.array([0, 1, 1, 1.0])).points == ((0, 0), (0, 1), (0.5, 1))
    assert thin(np.zeros(5000), np.zeros(5000)) == [0, 4999]


def test_a_det_curve_keeps_its_corner() -> None:
    """Of a million trials, a rate of one in a thousand is as far from one in a hundred as a tenth is from a third."""
    rates = np.geomspace(1e-5, 1, 100_000)
    curve = make_curve(DET, rates, rates[::-1].copy())
    small = [point for point in curve.points if point[0] < 0.01]
    assert len(small) > len(curve.points) / 5


def test_axes_are_warped_as_they_are_drawn() -> None:
    normal = warp(np.array([0.0, LEAST_SHARE, 0.5, 1.0]), DET.across)
    assert normal == pytest.approx([-0.5, -0.5, 0.0, 0.5])
    # One standard deviation below the middle is 15.87 %.
    one = warp(np.array([0.158655, 0.5]), DET.across)
    assert one[0] == pytest.approx(-1 / (2 * 3.719016), rel=1e-4)
    assert np.diff(warp(np.array([1.0, 10.0, 100.0]), HOURS)) == pytest.approx([0.5, 0.5])
    assert np.isfinite(warp(np.zeros(3), HOURS)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": ((0.0, 0.0), (1.5, 1.0))}, "false alarms reaches 1.5; right is a share, 0 to 1"),
        ({"points": ((0.0, 0.0), (0.5, -0.1))}, "greater than or equal to 0"),
        ({"points": ((0.0, 0.0),)}, "at least 2 items"),
        ({"points": ((0.0, 0.0),) * (MAX_POINTS + 1)}, f"at most {MAX_POINTS} items"),
        ({"marks": (Mark(name="x", at=(2.0, 0.0)),)}, "false alarms reaches 2"),
        ({"across": Axis(name="a", unit="per hour", scale="probit")}, "a is no share, which an axis by probit is for"),
    ],
)
def test_a_curve_that_cannot_be_drawn_is_refused(change: dict[str, Any], message: str) -> None:
    good = {"name": "roc", "across": ROC.across, "upright": ROC.upright, "points": ((0.0, 0.0), (1.0, 1.0))}
    RateCurve(**good)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        RateCurve(**{**good, **change})

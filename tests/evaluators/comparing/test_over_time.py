"""Errors of known size, stretch by stretch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.comparing.over_time import MOST_DB, OutputMeter, look_after_silence, measure_growth, pool_db
from evaluators.errors import EvaluationError
from evaluators.long_run_records import StreamPlan

PLAN = StreamPlan(round_windows=40, silent_windows=4, stretch_windows=2, stretch_s=1.0, clips=3)
"""20 stretches, 2 of silence, 20 again"""
AWAY_MINUTES = 22 / 60


def _feed(errors: np.ndarray, *, plan: StreamPlan = PLAN, seed: int = 3) -> OutputMeter:
    """A meter that has heard noise of power 1 with errors of these sizes, one a window."""
    generator, meter = np.random.default_rng(seed), OutputMeter("y", plan)
    for window, error in enumerate(errors):
        reference = generator.choice([-1.0, 1.0], size=50)
        meter.add(window, reference, reference + error)
    return meter


def _spread(seed: int) -> np.ndarray:
    """Windows of one loudness of error each, the same in both rounds."""
    one_round = 10 ** np.random.default_rng(seed).uniform(-5, -3, PLAN.round_windows)
    return np.concatenate([one_round, np.full(PLAN.silent_windows, 1e-4), one_round])


def test_an_error_of_known_size_has_its_ratio() -> None:
    found = _feed(np.full(84, 1e-3)).result()
    assert found.snr.value == pytest.approx(60)
    assert found.snr_db == pytest.approx((60,) * 42)
    assert (found.verdict, found.growth.value) == ("does not grow", pytest.approx(0))


@pytest.mark.slow
@given(st.integers(0, 1000))
def test_errors_that_differ_by_the_audio_alone_do_not_grow(seed: int) -> None:
    found = _feed(_spread(seed)).result()
    assert found.verdict == "does not grow"


@pytest.mark.parametrize("per_minute", [1.0, 6.0, 20.0])
def test_growth_is_found_under_errors_that_the_audio_moves_by_far_more(per_minute: float) -> None:
    minutes = np.arange(84) / 2 / 60
    found = _feed(_spread(7) * 10 ** (per_minute * minutes / 20)).result()
    assert found.verdict == "grows"
    assert found.growth.value == pytest.approx(per_minute, rel=1e-6)


def test_an_error_that_shrinks_does_not_grow() -> None:
    found = _feed(_spread(7) * 10 ** (-np.arange(84) / 2 / 60)).result()
    assert (found.verdict, found.growth.value) == ("does not grow", pytest.approx(-20))


def test_growth_that_noise_hides_is_unknown() -> None:
    noise = 10 ** np.random.default_rng(2).uniform(-5, -3, 84)
    assert _feed(noise).result().verdict == "unknown"


@pytest.mark.slow
def test_unchanged_bundles_are_seldom_accused() -> None:
    """Errors that are drawn anew in each round, so that only chance is left: of 400, at most 5 % grow."""
    accused = 0
    for seed in range(400):
        over_time = list(np.random.default_rng(seed).normal(60, 4, PLAN.count))
        accused += measure_growth(over_time, PLAN)[1] == "grows"
    assert accused / 400 <= 0.05


def test_what_is_the_same_is_said_to_be() -> None:
    found = _feed(np.zeros(84)).result()
    assert (found.snr.value, found.snr.reason) == (None, "identical")
    assert found.snr_db == (MOST_DB,) * 42
    assert (found.verdict, found.growth.value) == ("does not grow", 0)


def test_what_is_not_finite_has_no_number_and_hangs() -> None:
    errors = np.full(84, 1e-3)
    errors[50:] = math.nan
    meter = _feed(errors)
    found = meter.result()
    assert (found.snr.value, found.growth.value, found.verdict) == (None, None, "unknown")
    assert found.snr_db[24] == pytest.approx(60) and found.snr_db[25] is None
    after = look_after_silence([meter], PLAN, 0.0)
    assert after.stuck == "output y is not finite from 25.0 s on"
    assert (after.holds, after.back_after_s, after.source_stuck) == (False, None, None)


@pytest.mark.parametrize(("late", "back_s"), [(0, 0.0), (3, 3.0), (20, None)])
def test_how_long_after_the_silence_it_is_as_near_as_before(late: int, back_s: float | None) -> None:
    errors = np.full(84, 1e-3)
    errors[44 : 44 + 2 * late] = 1e-1
    after = look_after_silence([_feed(errors)], PLAN, 0.0)
    assert (after.back_after_s, after.holds) == (back_s, back_s is not None)
    assert after.loss.value == pytest.approx(40 * min(late, 10) / 10)
    assert after.silence_s == 2.0


@pytest.mark.parametrize("of_bundle", [True, False])
def test_an_output_that_no_longer_changes_hangs(of_bundle: bool) -> None:
    meter, generator = OutputMeter("y", PLAN), np.random.default_rng(9)
    for window in range(84):
        moving, held = generator.normal(size=3), np.ones(3)
        hung = held if window >= 44 else moving
        meter.add(window, moving if of_bundle else hung, hung if of_bundle else moving)
    after = look_after_silence([meter], PLAN, 0.0)
    told = "output y no longer changes after the silence"
    assert (after.stuck, after.source_stuck) == ((told, None) if of_bundle else (None, told))
    assert after.holds is not of_bundle


def test_windows_beyond_the_second_round_are_left_out() -> None:
    found = _feed(np.append(np.full(84, 1e-3), 1e3)).result()
    assert found.snr.value == pytest.approx(60)


def test_outputs_of_other_shapes_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"output 'y', window 0: the variant gives shape \(2,\)"):
        OutputMeter("y", PLAN).add(0, np.zeros(3), np.zeros(2))


def test_ratios_are_pooled_by_the_power_of_their_errors() -> None:
    """Errors of power 1e-4 and 1e-6 have the mean power 5.05e-5."""
    assert pool_db([40.0, 60.0]) == pytest.approx(-10 * math.log10(5.05e-5))
    assert pool_db([-1e308, 1e308]) == pytest.approx(-1e308)
    assert pool_db([40.0, None]) is None

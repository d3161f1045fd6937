from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import soxr

from evaluators.comparing.dnsmos import RATE_HZ, Ratings, find_starts, rate_sound
from evaluators.task import Absent
from tests.evaluators.comparing.speechmos_numbers import CASES, draw_speech

# What speechmos 0.0.1.1 says; speechmos_numbers.py prints it. A second of sound is heard eight times over, and of
# 17.5 s the windows at 7 s and 8 s are not heard.
SPEECHMOS = {
    (0.7, 0.0): (2.299144, 3.003489, 2.876632),
    (1.0, 0.0): (2.309094, 3.004952, 3.016427),
    (1.0, 0.03): (1.077213, 1.182165, 1.130693),
    (17.5, 0.01): (2.082926, 3.331719, 2.124723),
}


def _rate(samples: np.ndarray, rate_hz: int = RATE_HZ) -> Ratings:
    found = rate_sound(np.atleast_2d(samples), rate_hz)
    assert isinstance(found, Ratings)
    return found


@functools.cache
def _rate_speech(seconds: float, noise: float) -> Ratings:
    return _rate(draw_speech(seconds, noise))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_ratings_are_speechmos(case: tuple[float, float]) -> None:
    # Runtimes and processors add up float32 in other orders.
    assert tuple(_rate_speech(*case)) == pytest.approx(SPEECHMOS[case], abs=1e-3)


@pytest.mark.slow
def test_noise_is_heard() -> None:
    rated = [_rate_speech(1.0, noise) for noise in (0.0, 0.01, 0.03)]
    for before, after in itertools.pairwise(rated):
        assert after.ovrl < before.ovrl
        assert after.bak < before.bak


@pytest.mark.slow
def test_another_rate_is_resampled_and_peaks_are_cut() -> None:
    speech = draw_speech(1.0, 0.0)
    found = _rate(soxr.resample(speech, RATE_HZ, 48_000, quality="HQ"), 48_000)
    assert max(abs(np.subtract(found, _rate_speech(1.0, 0.0)))) < 0.1  # what lies next to 8 kHz is gone
    assert _rate(20 * speech) == _rate(np.clip(20 * speech, -1, 1))


@pytest.mark.slow
def test_channels_are_averaged_and_silent_ones_left_out() -> None:
    clean, noisy = draw_speech(1.0, 0.0), draw_speech(1.0, 0.03)
    both = _rate(np.stack([clean, np.zeros_like(clean), noisy]))
    assert tuple(both) == pytest.approx(np.mean([_rate_speech(1.0, noise) for noise in (0.0, 0.03)], axis=0))
    for silent in (np.zeros((2, 100)), np.zeros((1, 0))):
        assert rate_sound(silent, RATE_HZ) == Absent("the output is silent")


@pytest.mark.parametrize(
    ("seconds", "starts_s"),
    [(9.01, [0]), (10.5, [0]), (11, [0, 1]), (17.5, range(7)), (32.9, range(7)), (35, [*range(7), 24, 25])],
)
def test_windows_that_come_out_short_are_left_out(seconds: float, starts_s: list[int]) -> None:
    assert find_starts(int(seconds * RATE_HZ)) == [start * RATE_HZ for start in starts_s]

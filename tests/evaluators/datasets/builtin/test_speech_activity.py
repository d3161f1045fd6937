from __future__ import annotations

import numpy as np
import pytest

from evaluators.datasets.builtin.speech_activity import find_speech

RATE_HZ = 8000


def _voice(*parts: tuple[float, float]) -> np.ndarray:
    """Noise: (seconds, amplitude)."""
    random = np.random.default_rng(0)
    return np.concatenate([a * random.uniform(-1, 1, round(s * RATE_HZ)) for s, a in parts]).astype(np.float32)


def test_runs_begin_and_end_where_the_sound_does() -> None:
    ((start, end), (again, last)) = find_speech(_voice((0.3, 0), (0.5, 0.5), (0.4, 0), (0.6, 0.2), (0.2, 0)), RATE_HZ)
    assert (start, end, again, last) == pytest.approx((0.3, 0.8, 1.2, 1.8), abs=0.021)


def test_short_gaps_are_closed_and_short_runs_left_out() -> None:
    assert len(find_speech(_voice((0.3, 0.5), (0.2, 0), (0.3, 0.5)), RATE_HZ)) == 1
    found = find_speech(_voice((0.5, 0.5), (0.5, 0), (0.01, 0.5), (0.5, 0)), RATE_HZ)
    assert len(found) == 1


def test_what_is_forty_decibels_down_is_no_speech() -> None:
    assert find_speech(_voice((0.5, 0.5), (0.5, 0.5 / 140)), RATE_HZ) == [[0.0, pytest.approx(0.5, abs=0.021)]]
    assert find_speech(_voice((0.5, 0.5), (0.5, 0.5 / 70)), RATE_HZ) == [[0.0, 1.0]]


def test_loudness_changes_nothing_and_the_input_stays() -> None:
    voice = _voice((0.2, 0), (0.5, 0.5), (0.3, 0))
    before = voice.copy()
    assert find_speech(voice, RATE_HZ) == find_speech(voice / 8, RATE_HZ)
    np.testing.assert_array_equal(voice, before)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 1000])
def test_runs_lie_within_short_clips(samples: int) -> None:
    for start, end in find_speech(np.full(samples, 0.5, np.float32), RATE_HZ):
        assert 0 <= start < end <= samples / RATE_HZ

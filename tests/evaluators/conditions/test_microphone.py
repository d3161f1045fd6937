"""A microphone's response, by tones through it and by the mask that phones have to keep."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, freqs

from evaluators.condition_sets import find_conditions
from evaluators.conditions.microphone import MicrophoneParameters, compute_gains
from evaluators.errors import EvaluationError
from tests.evaluators.conditions.test_conditions import make_speech, open_kind, treat

MASK = {100: (-np.inf, 0), 200: (-5, 5), 5000: (-5, 5), 6300: (-10, 5), 8000: (-np.inf, 5)}
"""3GPP TS 26.131, table 13: Hz → lower and upper limit in dB, on a scale that may be moved as a whole"""
FLAT = {"peak_db": 0.0, "spread_db": 0.0}


def measure_db(pitch_hz: float, rate_hz: int, **parameters: float) -> float:
    """What a tone gains by the condition."""
    tone = 0.1 * np.sin(2 * np.pi * pitch_hz * np.arange(rate_hz) / rate_hz)[None].astype(np.float32)
    found = treat(open_kind("microphone", **parameters), tone, rate_hz)
    middle = slice(rate_hz // 4, -rate_hz // 4)
    return 10 * float(np.log10(np.mean(found[:, middle] ** 2) / np.mean(tone[:, middle] ** 2)))


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100])
@pytest.mark.parametrize(("low_hz", "order"), [(150.0, 2), (250.0, 4), (100.0, 1)])
def test_tones_come_out_as_loud_as_the_formula_says(rate_hz: int, low_hz: float, order: int) -> None:
    parameters = MicrophoneParameters(low_hz=low_hz, order=order, spread_db=0.0)
    for pitch_hz in (100.0, 150.0, 300.0, 1000.0, 3000.0, 0.4 * rate_hz):
        expected = 20 * np.log10(compute_gains(parameters, np.array([pitch_hz]))[0])
        found = measure_db(pitch_hz, rate_hz, low_hz=low_hz, order=order, spread_db=0.0)
        assert found == pytest.approx(expected, abs=max(0.15, -0.03 * expected)), pitch_hz


def test_both_ends_are_butterworths_filters_of_scipy() -> None:
    hertz = np.geomspace(20, 20_000, 50)
    parameters = MicrophoneParameters(low_hz=250.0, order=4, **FLAT)
    low = freqs(*butter(4, 250, "highpass", analog=True), worN=[*hertz, 1000.0])[1]
    high = freqs(*butter(2, 7000, "lowpass", analog=True), worN=[*hertz, 1000.0])[1]
    expected = np.abs(low * high)
    np.testing.assert_allclose(compute_gains(parameters, hertz), expected[:-1] / expected[-1], rtol=1e-9)


def test_the_peak_is_where_and_as_high_as_was_asked_and_an_octave_wide() -> None:
    parameters = MicrophoneParameters(low_hz=20.0, high_hz=100_000.0, peak_hz=8000.0, peak_db=12.0, spread_db=0.0)
    hertz = np.geomspace(2000, 32_000, 4001)
    level_db = 20 * np.log10(compute_gains(parameters, hertz))
    assert hertz[np.argmax(level_db)] == pytest.approx(8000, rel=0.01)
    assert level_db.max() == pytest.approx(12, abs=0.2)  # the bell reaches down to 1 kHz, where the level is 1
    above = hertz[level_db > 6]
    assert np.log2(above[-1] / above[0]) == pytest.approx(1, abs=0.05)


def test_the_default_keeps_the_mask_of_the_standard_and_a_muffled_one_does_not() -> None:
    hertz = np.array(list(MASK), np.float64)
    lower, upper = (np.array([limits[side] for limits in MASK.values()]) for side in (0, 1))

    def keeps(parameters: MicrophoneParameters) -> bool:
        fine = np.geomspace(200, 8000, 400)
        places, floor, ceiling = (
            np.concatenate([hertz, fine]),
            np.concatenate([lower, np.interp(np.log(fine), np.log(hertz[1:4]), lower[1:4], right=-np.inf)]),
            np.concatenate([upper, np.full(len(fine), 5.0)]),
        )
        level_db = 20 * np.log10(compute_gains(parameters, places))
        return bool((floor - level_db).max() <= (ceiling - level_db).min())

    assert keeps(MicrophoneParameters())
    assert not keeps(MicrophoneParameters(peak_db=14.0))
    assert not keeps(MicrophoneParameters(low_hz=800.0))


def test_units_differ_by_clip_within_their_spread_and_are_the_same_again() -> None:
    clips = [make_speech(seed=seed) for seed in (3, 4)]
    same, spread = open_kind("microphone", spread_db=0.0), open_kind("microphone", spread_db=6.0)
    ratios = []
    for clip in clips:
        found = [np.abs(np.fft.rfft(treat(one, clip)[0])) for one in (same, spread)]
        hertz = np.fft.rfftfreq(clip.shape[1], 1 / 16_000)
        heard = (hertz > 300) & (hertz < 7000)
        ratios.append(20 * np.log10(found[1] / found[0])[heard])
        assert 0.5 < np.abs(ratios[-1] - np.median(ratios[-1])).max() < 30
        np.testing.assert_array_equal(treat(spread, clip), treat(spread, clip))
    assert np.abs(ratios[0] - ratios[1]).max() > 0.5


def test_a_low_end_above_what_the_audio_holds_is_refused() -> None:
    with pytest.raises(EvaluationError, match="low_hz 600 leaves nothing of audio at 1000 Hz; right is less than 500"):
        find_conditions([{"kind": "microphone", "low_hz": 600}], 1000)

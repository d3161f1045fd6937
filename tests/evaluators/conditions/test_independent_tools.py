"""Conditions held against definitions written apart and other libraries; FFmpeg's have a file of their own."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, firwin, lfilter, resample_poly

from evaluators.condition import mean_power
from evaluators.conditions._pcm import Pcm
from evaluators.conditions.g711 import round_by_a_law, round_by_mu_law
from evaluators.windows import Samples
from tests.evaluators.conditions.test_conditions import RATE_HZ, make_speech, open_kind, treat


def measure_snr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10(mean_power(reference) / mean_power(np.float64(estimate) - reference)))


EVERY = np.arange(-32_768, 32_768).astype("<i2")
"""each value that a converter of 16 bits gives"""


def round_by(law: str, pcm: Pcm) -> Pcm:
    found = (round_by_mu_law if law == "mu" else round_by_a_law)(pcm[None] / 32_768)[0] * 32_768
    return np.asarray(found, np.int16)


@pytest.mark.parametrize(("law", "subtype"), [("mu", "ULAW"), ("a", "ALAW")])
def test_g711_is_libsndfiles_for_every_value(law: str, subtype: str) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, EVERY, 8000, format="RAW", subtype=subtype)
    memory.seek(0)
    raw = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1}
    np.testing.assert_array_equal(round_by(law, EVERY), soundfile.read(memory, dtype="int16", **raw)[0])


def integrate_decay_s(response: np.ndarray, rate_hz: int) -> float:
    """ISO 3382-2: T30, by least squares over the integrated response from -5 to -35 dB, every sample alike."""
    level_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2) + 1e-30)
    kept = (level_db <= -5) & (level_db >= -35)
    slope, _ = np.polyfit(np.flatnonzero(kept) / rate_hz, level_db[kept], 1)
    return float(-60 / slope)


@pytest.mark.parametrize("t60_s", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_a_click_in_the_room_decays_as_was_asked(t60_s: float, rate_hz: int) -> None:
    click = np.zeros((1, 2 * rate_hz), np.float32)
    click[0, 1000] = 0.5
    found = np.float64(treat(open_kind("room", t60_s=t60_s), click, rate_hz)[0])
    assert np.argmax(np.abs(found)) == 1000
    assert integrate_decay_s(found[1000:], rate_hz) == pytest.approx(t60_s, rel=0.1)


@pytest.mark.parametrize("skew_ppm", [-5000, -200, 200, 5000])
def test_clicks_come_late_by_the_skew(skew_ppm: int) -> None:
    places = np.arange(1, 20) * RATE_HZ // 2
    clicks = np.zeros((1, 10 * RATE_HZ), np.float32)
    clicks[0, places] = 0.5
    clicks = lfilter(firwin(101, 0.5), 1.0, clicks).astype(np.float32)
    found = treat(open_kind("clock_skew", skew_ppm=skew_ppm), clicks)
    for place in places:
        expected = (place + 50) * (1 + skew_ppm / 1e6)
        first = round(expected) - 60
        piece = np.abs(found[0, first : first + 121])
        peak = int(np.argmax(piece))
        if not 0 < peak < 120 or first + 121 > found.shape[1]:
            continue
        before, top, after = np.float64(piece[peak - 1 : peak + 2])
        measured = first + peak + 0.5 * (before - after) / (before - 2 * top + after)
        assert measured == pytest.approx(expected, abs=0.1), place


def band_limit(samples: Samples, share: float) -> Samples:
    """Audio without what lies above a share of half the rate, so that resamplers need not agree on their edges."""
    return lfilter(firwin(1001, share), 1.0, samples).astype(np.float32)


@pytest.mark.parametrize(("rate_hz", "between_hz"), [(16_000, 8000), (44_100, 16_000), (16_000, 48_000)])
def test_the_resampler_is_scipys_within_the_band(rate_hz: int, between_hz: int) -> None:
    samples = band_limit(make_speech(2.0, rate_hz=rate_hz), 0.7 * min(between_hz / rate_hz, 1))
    found = treat(open_kind("resampling", rate_hz=between_hz), samples, rate_hz)[0]
    window = ("kaiser", 14.0)
    there = resample_poly(np.float64(samples[0]), between_hz, rate_hz, window=window)
    expected = resample_poly(there, rate_hz, between_hz, window=window)[: len(found)]
    middle = slice(2000, -2000)
    assert measure_snr_db(expected[middle], found[middle]) > 50
    assert np.argmax(correlate(found, expected, method="fft")) == len(found) - 1

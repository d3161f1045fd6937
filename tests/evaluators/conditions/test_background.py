"""Recordings under a clip: their level, their layers, and what cannot be played."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evaluators.condition import apply_condition, mean_power
from evaluators.errors import EvaluationError
from evaluators.windows import Samples
from tests.evaluators.conditions.test_conditions import RATE_HZ, make_speech, open_kind

NAME = "noise"


def play(
    samples: Samples, recordings: list[Callable[[], Samples]], *, layers: int = 1, snr_db: float = 10.0
) -> Samples:
    condition = open_kind("background", recordings=NAME, layers=layers, snr_db=snr_db)
    return apply_condition(condition, samples, 0, RATE_HZ, recordings={NAME: recordings})


def make_tones(*pitches_hz: float, seconds: float = 0.4) -> list[Callable[[], Samples]]:
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return [
        lambda hertz=hertz: (0.2 * np.sin(2 * np.pi * hertz * times_s))[None].astype(np.float32) for hertz in pitches_hz
    ]


@pytest.mark.parametrize("snr_db", [-20, 0, 10, 40])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("layers", [1, 6])
def test_the_ratio_is_the_one_that_was_asked(snr_db: float, channels: int, layers: int) -> None:
    samples = make_speech(channels=channels)
    found = play(samples, make_tones(300, 500, 900), layers=layers, snr_db=snr_db)
    noise = np.float64(found) - samples
    assert 10 * np.log10(mean_power(samples) / mean_power(noise)) == pytest.approx(snr_db, abs=0.01)
    np.testing.assert_allclose(noise[0], noise[-1], atol=1e-6)


def test_recordings_follow_one_another_and_layers_sound_at_once() -> None:
    samples = make_speech(4.0)

    def list_pitches(layers: int) -> list[int]:
        """How many of the three tones are heard in each quarter of a second."""
        noise = (np.float64(play(samples, make_tones(300, 500, 900), layers=layers)) - samples)[0]
        counts = []
        for piece in noise.reshape(16, -1):
            spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
            heard = [spectrum[round(hertz * len(piece) / RATE_HZ)] for hertz in (300, 500, 900)]
            counts.append(sum(one > 0.3 * max(heard) for one in heard))
        return counts

    one, many = list_pitches(1), list_pitches(12)
    assert one.count(1) >= 5  # the others lie where one recording ends and the next begins
    assert max(one) <= 2
    assert np.mean(many) > 2


def test_two_levels_are_one_background_and_two_clips_are_not() -> None:
    samples, other = make_speech(), make_speech(seed=4)
    tones = make_tones(300, 500, 900)
    loud, soft = (np.float64(play(samples, tones, snr_db=snr)) - samples for snr in (0, 20))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-5)
    second = np.float64(play(other, tones, snr_db=0)) - other
    assert np.abs(loud / np.abs(loud).max() - second / np.abs(second).max()).max() > 0.1


def test_silence_stays_silent() -> None:
    samples = np.zeros((1, 500), np.float32)
    np.testing.assert_array_equal(play(samples, make_tones(300)), samples)


def test_recordings_of_silence_are_drawn_again_and_refused_where_there_are_no_others() -> None:
    samples = make_speech()
    quiet: list[Callable[[], Samples]] = [lambda: np.full((1, 900), 1e-5, np.float32)]
    found = play(samples, [*quiet, *make_tones(300, seconds=3.0)])
    assert mean_power(np.float64(found) - samples) > 0
    with pytest.raises(EvaluationError, match="the recordings of noise are too quiet: none of 100 draws was above"):
        play(samples, quiet)


def test_no_recording_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no recording of noise is at hand"):
        play(make_speech(), [])


def test_recordings_that_undo_each_other_are_refused() -> None:
    samples = np.ones((1, 1), np.float32)
    both = [lambda: np.ones((1, 1), np.float32), lambda: -np.ones((1, 1), np.float32)]
    for level in np.linspace(0.1, 1, 40, dtype=np.float32):  # of two draws, one half are of two signs
        try:
            found = play(samples * level, both, layers=2)
        except EvaluationError as fault:
            assert "add up to silence" in str(fault)
            break
        assert abs(found[0, 0]) > 0
    else:
        pytest.fail("no draw was of both signs")

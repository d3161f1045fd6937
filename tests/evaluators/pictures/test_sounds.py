from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import numpy as np
import pydantic
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluators.picture_records import Envelope, Track
from evaluators.pictures.sounds import MAX_HEARD_SAMPLES, Sound, draw_envelope, find_loudness, keep_sound

RATE_HZ = 8000
QUIET = 0.01 * np.sin(np.arange(RATE_HZ) / 5)


def _read(track: Track, folder: Path) -> np.ndarray:
    data = (folder / track.sound.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == track.sound.sha256
    samples, rate_hz = soundfile.read(folder / track.sound.path)
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


def test_sound_is_kept_as_it_is(tmp_path: Path) -> None:
    track = keep_sound(Sound("input", QUIET, RATE_HZ), find_loudness(QUIET), tmp_path)
    assert np.abs(_read(track, tmp_path) - QUIET).max() <= 2**-15
    assert (track.name, track.turned_down_db, track.clipped_samples) == ("input", 0.0, 0)
    assert track.sound.duration_s == 1.0


def test_noise_made_of_a_quiet_clip_is_turned_down(tmp_path: Path) -> None:
    loud = np.random.default_rng(1).uniform(-1, 1, RATE_HZ)
    track = keep_sound(Sound("", loud, RATE_HZ), find_loudness(QUIET), tmp_path)
    # The clip counts as -40 dB of full scale, 12 dB above that are allowed, and uniform noise lies at -4.8 dB.
    assert track.turned_down_db == pytest.approx(40 - 12 - 4.77, abs=0.2)
    assert float(np.sqrt(np.mean(_read(track, tmp_path) ** 2))) == pytest.approx(0.01 * 10 ** (12 / 20), rel=0.01)


@pytest.mark.parametrize(("value", "clipped"), [(1.5, 1), (-7.0, 1), (np.nan, 1), (np.inf, 1), (1.0, 0)])
def test_what_is_no_sample_is_put_right_and_counted(value: float, clipped: int, tmp_path: Path) -> None:
    samples = np.append(np.full(99, 0.5), value)
    track = keep_sound(Sound("", samples, RATE_HZ), 1.0, tmp_path)
    assert track.clipped_samples == clipped
    assert np.abs(_read(track, tmp_path)).max() <= 1.0


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, st.integers(1, 600), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_nothing_is_louder_than_it_may_be(samples: np.ndarray) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        track = keep_sound(Sound("x", samples, RATE_HZ), find_loudness(QUIET), Path(folder))
        heard = _read(track, Path(folder))
    assert float(np.sqrt(np.mean(heard**2))) <= find_loudness(QUIET) + 2**-15
    assert track.envelope.columns == min(240, len(samples))


def test_long_sound_is_cut(tmp_path: Path) -> None:
    track = keep_sound(Sound("", np.zeros(MAX_HEARD_SAMPLES + 5), RATE_HZ), 1.0, tmp_path)
    assert len(_read(track, tmp_path)) == MAX_HEARD_SAMPLES


def test_an_outline_loses_no_spike() -> None:
    samples = np.zeros(10_000)
    samples[5000], samples[9999] = 1.0, -0.5
    levels = np.frombuffer(base64.b64decode(draw_envelope(samples).levels), np.int8).reshape(-1, 2)
    assert levels[:, 1].max() == 127
    assert int(levels[:, 1].argmax()) == 120
    assert levels[-1, 0] == -64


@pytest.mark.parametrize("levels", ["AAAA", "not base64!"])
def test_an_outline_that_is_not_whole_is_refused(levels: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"levels (hold|are not)"):
        Envelope(columns=2, levels=levels)

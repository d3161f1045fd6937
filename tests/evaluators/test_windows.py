from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.windows import cut, stitch
from packager.bundle import AudioContract
from packager.stitching import count_windows, samples_per_frame

BASIC_PITCH = AudioContract(sample_rate_hz=22050, window_samples=43844, hop_samples=36164, frame_rate_hz=86.0)


def _contract(window: int, hop: int, *, channels: int = 1, rate: int = 8000) -> AudioContract:
    return AudioContract(sample_rate_hz=rate, channels=channels, window_samples=window, hop_samples=hop)


@st.composite
def _contracts(draw: st.DrawFn) -> AudioContract:
    window = draw(st.integers(1, 40))
    return _contract(window, draw(st.integers(1, window)), channels=draw(st.integers(1, 2)))


@settings(deadline=None)  # cores are shared
@given(audio=_contracts(), n_samples=st.integers(1, 200))
def test_identity_model_gives_the_audio_back(audio: AudioContract, n_samples: int) -> None:
    samples = np.arange(1, n_samples * audio.channels + 1, dtype=np.float32).reshape(audio.channels, n_samples)
    windows = cut(samples, audio)
    stitched = stitch(windows.transpose(0, 2, 1), audio, n_samples)
    np.testing.assert_array_equal(stitched.values.T, samples)
    np.testing.assert_array_equal(stitched.times_s, np.arange(n_samples) / audio.sample_rate_hz)


@pytest.mark.slow
@settings(deadline=None)  # cores are shared
@given(audio=_contracts(), n_samples=st.integers(1, 200))
def test_windows_start_every_hop_and_hold_every_sample(audio: AudioContract, n_samples: int) -> None:
    samples = np.arange(1, n_samples * audio.channels + 1, dtype=np.float32).reshape(audio.channels, n_samples)
    windows = cut(samples, audio)
    assert windows.shape == (count_windows(n_samples, audio), audio.channels, audio.window_samples)
    assert windows.dtype == np.float32
    assert set(samples.ravel()) <= set(windows.ravel())
    lead_in = (audio.window_samples - audio.hop_samples) // 2
    for index, window in enumerate(windows):
        for offset in range(audio.window_samples):
            position = index * audio.hop_samples + offset - lead_in
            expected = samples[:, position] if 0 <= position < n_samples else np.zeros(audio.channels)
            np.testing.assert_array_equal(window[:, offset], expected)


@settings(deadline=None)  # cores are shared
@given(audio=_contracts(), n_samples=st.integers(1, 300), n_frames=st.integers(1, 50))
def test_frame_times_rise_and_leave_no_gap(audio: AudioContract, n_samples: int, n_frames: int) -> None:
    n_windows = count_windows(n_samples, audio)
    stitched = stitch(np.zeros((n_windows, n_frames, 3)), audio, n_samples)
    assert stitched.values.shape == (len(stitched.times_s), 3)
    steps = np.diff(stitched.times_s) * audio.sample_rate_hz
    assert (steps > 0).all()
    if n_frames > 1:
        # One frame more than the frames' own distance: where windows meet, their frames need not fall on one grid.
        step = float(samples_per_frame(n_frames, audio))
        assert (steps < 2 * step + 1e-6).all()


def test_basic_pitch_keeps_frames_15_to_156_of_172() -> None:
    n_samples = 22050 * 5
    frame_numbers = np.tile(np.arange(172), (count_windows(n_samples, BASIC_PITCH), 1))
    stitched = stitch(frame_numbers, BASIC_PITCH, n_samples)
    assert len(stitched.values) == 5 * 86
    np.testing.assert_array_equal(stitched.values[:142], np.arange(15, 157))
    np.testing.assert_array_equal(stitched.values[142:284], np.arange(15, 157))


@pytest.mark.parametrize(
    ("frame", "sample"),
    [
        (0, 0),
        (1, 256),
        (141, 141 * 256),
        (142, 36164),
        (143, 36164 + 256),
        (284, 2 * 36164),
        (300, 2 * 36164 + 16 * 256),
    ],
)
def test_basic_pitch_frame_times_are_exact(frame: int, sample: int) -> None:
    n_samples = 22050 * 5
    outputs = np.zeros((count_windows(n_samples, BASIC_PITCH), 172, 88))
    assert stitch(outputs, BASIC_PITCH, n_samples).times_s[frame] == pytest.approx(sample / 22050, abs=1e-12)


@pytest.mark.parametrize(
    ("n_samples", "windows", "frames"),
    # Windows: ceil((n + 3840) / 36164); frames: floor(n * 86 / 22050); both by hand.
    [(1, 1, 0), (257, 1, 1), (22050, 1, 86), (32324, 1, 126), (32325, 2, 126), (36164, 2, 141), (220500, 7, 860)],
)
def test_basic_pitch_counts(n_samples: int, windows: int, frames: int) -> None:
    cut_windows = cut(np.ones((1, n_samples), np.float32), BASIC_PITCH)
    assert len(cut_windows) == windows
    assert len(stitch(np.zeros((windows, 172)), BASIC_PITCH, n_samples).values) == frames


def test_without_frame_rate_frames_within_the_clip_are_kept() -> None:
    audio = _contract(1600, 1280)
    # Tiles of 160 samples: 0, 160 … 1920 lie before sample 2000, 2080 does not.
    stitched = stitch(np.zeros((count_windows(2000, audio), 10)), audio, 2000)
    np.testing.assert_allclose(stitched.times_s * 8000, np.arange(0, 2000, 160))


@pytest.mark.parametrize(
    ("audio", "frames", "expected"),
    [
        (BASIC_PITCH, 172, Fraction(256)),  # centred CQT of hop 256, known from the overlap
        (_contract(1600, 1280), 10, Fraction(160)),  # tiles
        (_contract(1600, 1280), 11, Fraction(160)),  # centred, known from the overlap
        (_contract(1600, 1600), 11, Fraction(160)),  # centred, no overlap to go by
        (_contract(1600, 1277), 10, Fraction(160)),  # tiles, whatever the overlap
        (_contract(1605, 1280), 10, Fraction(321, 2)),  # 325 samples for 2 frames: no whole distance, so not followed
        (_contract(1000, 500), 1, Fraction(1000)),  # one answer a window
        (_contract(16000, 12000), 3, Fraction(8000)),
        (_contract(16001, 12000), 3, Fraction(16001, 3)),  # nothing fits: tiles
    ],
)
def test_samples_per_frame(audio: AudioContract, frames: int, expected: Fraction) -> None:
    assert samples_per_frame(frames, audio) == expected


def test_the_frame_nearest_the_lead_ins_end_is_the_first_kept() -> None:
    audio = _contract(1000, 680)
    # Lead-in 160 samples, frames of 100: frame 2 (200) is nearer than frame 1; seven frames reach the next window's.
    frame_numbers = np.tile(np.arange(10), (count_windows(1360, audio), 1))
    stitched = stitch(frame_numbers, audio, 1360)
    np.testing.assert_array_equal(stitched.values[:14], [*range(2, 9), *range(2, 9)])
    np.testing.assert_allclose(stitched.times_s[[0, 7]] * 8000, [40, 720])


def test_centred_frames_are_not_counted_twice_where_windows_meet() -> None:
    audio = _contract(1600, 1280)
    n_samples = 4000
    stitched = stitch(np.zeros((count_windows(n_samples, audio), 11)), audio, n_samples)
    np.testing.assert_allclose(stitched.times_s * 8000, np.arange(0, n_samples, 160))


def test_one_answer_a_window_is_kept_from_every_window() -> None:
    audio = _contract(1000, 500)
    n_windows = count_windows(2600, audio)
    stitched = stitch(np.arange(n_windows)[:, None], audio, 2600)
    np.testing.assert_array_equal(stitched.values, np.arange(n_windows))


def test_inputs_are_not_modified_and_windows_are_a_copy() -> None:
    samples = np.ones((1, 30), np.float32)
    windows = cut(samples, _contract(10, 6))
    windows[:] = 7
    np.testing.assert_array_equal(samples, 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30,), "audio of shape (30,) cannot be cut: (1, samples) is expected, channels first"),
        ((2, 30), "audio of shape (2, 30) cannot be cut: (1, samples) is expected, channels first"),
        ((1, 0), "audio without a sample cannot be cut"),
    ],
)
def test_cut_refuses(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(EvaluationError, match=re.escape(message)):
        cut(np.zeros(shape, np.float32), _contract(10, 6))


@pytest.mark.parametrize("shape", [(6,), (5, 10), (7, 10), (6, 0)])
def test_stitch_refuses(shape: tuple[int, ...]) -> None:
    assert count_windows(30, _contract(10, 6)) == math.ceil(32 / 6) == 6
    expected = f"outputs of shape {shape} cannot be put together: a clip of 30 samples makes 6 windows"
    with pytest.raises(EvaluationError, match=re.escape(expected)):
        stitch(np.zeros(shape), _contract(10, 6), 30)

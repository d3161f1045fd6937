from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from packager.bundle import AudioContract
from packager.proving.recordings import choose_rate, make_recording, write_wav


def contract(rate_hz: int, window: int, hop: int | None = None, channels: int = 1) -> AudioContract:
    return AudioContract(sample_rate_hz=rate_hz, channels=channels, window_samples=window, hop_samples=hop or window)


def _snr_db(expected: np.ndarray, found: np.ndarray) -> float:
    n = min(len(expected), len(found))
    error = expected[:n].astype(np.float64) - found[:n]
    return float(10 * np.log10(np.sum(expected[:n].astype(np.float64) ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(
    ("audio", "rate_hz", "seconds"),
    [
        (contract(16_000, 512), 48_000, 2.0),
        (contract(22_050, 43_844, 36_164), 48_000, 4.4485),
        (contract(48_000, 480), 96_000, 2.0),
        (contract(16_000, 480_000), 48_000, 12.0),
        (contract(768_000, 7680), 48_000, 2.0),
    ],
)
def test_it_has_another_rate_and_a_few_seconds(audio: AudioContract, rate_hz: int, seconds: float) -> None:
    assert choose_rate(audio) == rate_hz != audio.sample_rate_hz
    samples = make_recording(audio, rate_hz)
    assert samples.shape[1] == 1
    assert len(samples) / rate_hz == pytest.approx(seconds, abs=1e-3)
    assert 1000 < np.abs(samples).max() < 32767


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100])
def test_good_resamplers_agree_on_it_and_others_do_not(rate_hz: int) -> None:
    audio = contract(rate_hz, rate_hz)
    at = choose_rate(audio)
    samples = make_recording(audio, at)[:, 0].astype(np.float32) / 32768
    expected = soxr.resample(samples, at, rate_hz, quality="HQ")
    assert _snr_db(expected, soxr.resample(samples, at, rate_hz, quality="VHQ")) > 95
    lines = np.interp(np.arange(len(expected)) / rate_hz, np.arange(len(samples)) / at, samples)
    assert _snr_db(expected, lines) < 25


def test_channels_differ() -> None:
    samples = make_recording(contract(16_000, 512, channels=3), 48_000)
    assert samples.shape[1] == 3
    assert len({column.tobytes() for column in samples.T}) == 3


def test_the_file_holds_the_samples_and_no_date(tmp_path: Path) -> None:
    samples = make_recording(contract(16_000, 512, channels=2), 48_000)
    for name in ("a.wav", "b.wav"):
        write_wav(samples, 48_000, tmp_path / name)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert (tmp_path / "a.wav").stat().st_size == samples.nbytes + 44
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 2, 2)
        read = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    np.testing.assert_array_equal(read, samples)

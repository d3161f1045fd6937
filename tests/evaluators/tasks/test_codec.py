from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext
from evaluators.tasks import codec
from evaluators.tasks.codec import RESOLUTIONS, Codec, CodecOptions, compare_mel, compare_spectra
from evaluators.windows import Stitched

RATE_HZ = 16000
TASK = Codec()


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, shape)


def _score(folder: Path, reference: np.ndarray, estimate: np.ndarray, task: Codec = TASK) -> Any:
    path = folder / "reference.wav"
    soundfile.write(path, reference.T, RATE_HZ, subtype="DOUBLE")
    labels = task.parse_labels({}, ClipContext(reference.shape[1] / RATE_HZ, "n.jsonl:3", {"reference": path}))
    output = Stitched(estimate, np.arange(estimate.shape[-1]) / RATE_HZ, "audio")
    return task.score(labels, task.decode({"decoded": output}))


@pytest.mark.pytorch
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_spectra_are_those_of_the_parallel_wavegan_package(resolution: tuple[int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    n_fft, win_length, hop = resolution
    reference, estimate = _noise(0, 1, 5000), _noise(1, 1, 5000)
    reference[:, 2000:] *= 1e-9  # below the floor

    def magnitudes(samples: np.ndarray) -> Any:
        window = torch.hann_window(win_length, dtype=torch.float64)
        spectrum = torch.stft(torch.from_numpy(samples), n_fft, hop, win_length, window, return_complex=True)
        return torch.sqrt(torch.clamp(spectrum.real**2 + spectrum.imag**2, min=1e-7))

    right, found = magnitudes(reference), magnitudes(estimate)
    convergence = torch.norm(right - found, p="fro") / torch.norm(right, p="fro")
    distance = torch.nn.functional.l1_loss(torch.log(right), torch.log(found))
    assert compare_spectra(reference, estimate, resolution) == pytest.approx((float(convergence), float(distance)))


def test_a_gain_by_hand() -> None:
    reference = _noise(0, 1, 8000)
    for resolution in RESOLUTIONS:
        convergence, distance = compare_spectra(reference, 2 * reference, resolution)
        assert convergence == pytest.approx(1, rel=1e-3)
        assert distance == pytest.approx(math.log(2), rel=1e-3)
    assert compare_mel(reference, 2 * reference, RATE_HZ, 40) == pytest.approx(math.log(2), rel=1e-6)


@settings(deadline=None, max_examples=20)  # cores are shared
@given(st.integers(0, 100), st.integers(1025, 4000))
def test_bounds_and_perfect_scores(seed: int, length: int) -> None:
    reference, estimate = _noise(seed, 1, length), _noise(seed + 1, 1, length)
    assert compare_spectra(reference, reference, RESOLUTIONS[0]) == (0, 0)
    assert compare_mel(reference, reference, RATE_HZ, 40) == 0
    forth, back = (compare_spectra(*sides, RESOLUTIONS[0]) for sides in ((reference, estimate), (estimate, reference)))
    assert min(*forth, *back) > 0
    assert forth[1] == pytest.approx(back[1])
    assert compare_mel(reference, estimate, RATE_HZ, 40) == pytest.approx(compare_mel(estimate, reference, RATE_HZ, 40))


def test_long_clips_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, estimate = _noise(0, 2, 9000), _noise(1, 2, 9000)
    whole = compare_spectra(reference, estimate, RESOLUTIONS[2]), compare_mel(reference, estimate, RATE_HZ, 40)
    monkeypatch.setattr(codec, "_BLOCK_FRAMES", 7)
    parts = compare_spectra(reference, estimate, RESOLUTIONS[2]), compare_mel(reference, estimate, RATE_HZ, 40)
    assert np.allclose(np.hstack(parts), np.hstack(whole), rtol=1e-9)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_clip(channels: int, tmp_path: Path) -> None:
    reference = _noise(0, channels, 4000)
    estimate = reference + 0.3 * _noise(1, channels, 4000)
    found = _score(tmp_path, reference, estimate)
    assert list(found) and set(found) == set(TASK.metrics)
    assert found["stft_distance"] == pytest.approx(found["spectral_convergence"] + found["log_magnitude_distance"])
    each = np.array([compare_spectra(reference, estimate, resolution) for resolution in RESOLUTIONS])
    assert found["spectral_convergence"] == pytest.approx(each[:, 0].mean(), rel=1e-4)
    assert found["log_magnitude_distance"] == pytest.approx(each[:, 1].mean(), rel=1e-4)
    assert found["mel_distance"] == pytest.approx(compare_mel(reference, estimate, RATE_HZ, 80), rel=1e-4)


def test_a_late_output_is_put_in_its_place(tmp_path: Path) -> None:
    reference = _noise(0, 1, 4000)
    late = np.pad(reference, ((0, 0), (40, 0)))[:, :4000]
    assert _score(tmp_path, reference, late)["stft_distance"] > 0.3
    task = Codec(CodecOptions(delay_samples=40))
    assert _score(tmp_path, reference, late, task)["stft_distance"] == pytest.approx(0, abs=1e-3)


def test_what_cannot_be_scored_says_why(tmp_path: Path) -> None:
    found = _score(tmp_path, _noise(0, 1, 1024), _noise(1, 1, 1024))
    assert found == dict.fromkeys(TASK.metrics, Absent("shorter than 1025 samples, which one spectrum takes"))
    # A silent file is refused, but its first sample may be all that sounds.
    click = np.pad([[0.5]], ((0, 0), (3999, 0)))
    found = _score(tmp_path, click, _noise(1, 1, 4000), Codec(CodecOptions(delay_samples=10)))
    assert found["stft_distance"] == found["spectral_convergence"] == Absent("the reference is silent")
    assert found["mel_distance"] > 0 and found["log_magnitude_distance"] > 0


def test_a_silent_output_is_scored(tmp_path: Path) -> None:
    found = _score(tmp_path, _noise(0, 1, 4000), np.zeros((1, 4000)))
    assert found["spectral_convergence"] == pytest.approx(1, abs=1e-2)
    assert found["mel_distance"] > 3


def test_bad_labels(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="both must be cut alike"):
        path = tmp_path / "r.wav"
        soundfile.write(path, _noise(0, 4000), RATE_HZ)
        TASK.parse_labels({}, ClipContext(1.0, "n.jsonl:3", {"reference": path}))
    with pytest.raises(
        EvaluationError, match=r"output 'decoded' has 3000 samples at 16000 Hz where reference\.wav has 4000"
    ):
        _score(tmp_path, _noise(0, 1, 4000), _noise(1, 1, 3000))


def test_reference_and_output_are_heard_from_the_same_moment_on(tmp_path: Path) -> None:
    samples = _noise(2, 2, 2000)
    path = tmp_path / "reference.wav"
    soundfile.write(path, samples.T, RATE_HZ, subtype="DOUBLE")
    task = Codec(CodecOptions(delay_samples=100))
    labels = task.parse_labels({}, ClipContext(2000 / RATE_HZ, "n.jsonl:3", {"reference": path}))
    late = np.pad(samples, ((0, 0), (100, 0)))[:, :2000]
    estimate = task.decode({"decoded": Stitched(late, np.arange(2000) / RATE_HZ, "audio")})
    given, found = task.hear(labels, RATE_HZ), task.hear(estimate, RATE_HZ)
    assert [sound.name for sound in (*given, *found)] == ["channel 1", "channel 2"] * 2
    for one, other in zip(given, found, strict=True):
        assert (one.rate_hz, other.rate_hz) == (RATE_HZ, RATE_HZ)
        assert other.samples == pytest.approx(one.samples[:1900], abs=1e-6)

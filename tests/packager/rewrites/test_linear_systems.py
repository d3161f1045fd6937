"""Linear systems by elimination, against LAPACK, and in a beamformer in both formats."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_of_real_matrices(prove: Any, audio: SimpleNamespace, rows: int) -> None:
    def formula(a: Any, b: Any) -> Any:
        solve = torch.linalg.solve
        return solve(a, b), solve(a, b[..., 0]), solve(a, b.mT, left=False), torch.linalg.inv(a), torch.linalg.det(a)

    a = audio.noise(3, rows, rows) + 2 * torch.eye(rows).flip(0)  # the largest pivots stand off the diagonal
    snr_db, applied = prove(formula, a, audio.noise(3, rows, 4, seed=1))
    assert snr_db >= 100  # the matrices' condition takes one to three digits of float32's seven
    assert applied == ("constant_folding", "linear_systems") or rows == 1


def _beamform(x: Any, mask: Any) -> Any:
    window = torch.hann_window(256)
    spectrum = torch.stft(x, 256, 128, window=window, return_complex=True).permute(1, 0, 2)
    speech = torch.einsum("fct,fdt,ft->fcd", spectrum, spectrum.conj(), mask.to(torch.complex64))
    noise = torch.einsum("fct,fdt,ft->fcd", spectrum, spectrum.conj(), (1 - mask).to(torch.complex64))
    ratio = torch.linalg.solve(noise + 1e-2 * torch.eye(3), speech)
    weights = ratio[..., 0] / (ratio.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None] + 1e-8)
    enhanced = torch.einsum("fc,fct->ft", weights.conj(), spectrum)
    return torch.istft(enhanced[None], 256, 128, window=window)


def _scene(audio: SimpleNamespace) -> tuple[Any, Any]:
    speech = audio.voice(1)[:, :2000]
    channels = torch.cat([speech, speech.roll(2, 1) * 0.8, speech.roll(5, 1) * 0.6])
    return channels + 0.1 * audio.noise(3, 2000), audio.noise(129, 16).sigmoid()


def test_a_beamformer(prove: Any, audio: SimpleNamespace) -> None:
    snr_db, applied = prove(_beamform, *_scene(audio))
    assert snr_db >= 90  # covariances of a few frames are badly conditioned
    assert "linear_systems" in applied


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    assert min(prove_both(_beamform, *_scene(audio)).values()) >= 80  # as above, and other sums

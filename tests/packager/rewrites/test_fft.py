"""`torch.fft`, rewritten, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""Sums of up to 130 float32 products."""

REAL, COMPLEX = ("rfft", "ihfft", "fft", "ifft"), ("irfft", "hfft", "fft", "ifft")
NORMS = ("backward", "ortho", "forward")


def _spectrum(audio: SimpleNamespace, *shape: int) -> Any:
    return torch.view_as_complex(audio.noise(*shape, 2))


@pytest.mark.parametrize("name", REAL)
def test_of_real_signals(prove: Any, audio: SimpleNamespace, name: str) -> None:
    def formula(x: Any) -> Any:
        call = getattr(torch.fft, name)
        return [(call(x, norm=norm), call(x, n=64, dim=1, norm=norm), call(x, 130, norm=norm)) for norm in NORMS]

    snr_db, applied = prove(formula, audio.noise(2, 60, 100))
    assert snr_db >= LEAST_DB
    assert "fft" in applied


@pytest.mark.parametrize("name", COMPLEX)
def test_of_complex_signals(prove: Any, audio: SimpleNamespace, name: str) -> None:
    def formula(x: Any) -> Any:
        call = getattr(torch.fft, name)
        return [(call(x, norm=norm), call(x, n=64, dim=1, norm=norm), call(x, 131, norm=norm)) for norm in NORMS]

    assert prove(formula, _spectrum(audio, 2, 60, 100))[0] >= LEAST_DB


@pytest.mark.parametrize("name", ["rfft", "irfft", "fft", "ifft"])
@pytest.mark.parametrize("kind", ["2", "n"])
def test_of_several_axes(prove: Any, audio: SimpleNamespace, name: str, kind: str) -> None:
    x = audio.noise(2, 30, 40) if name == "rfft" else _spectrum(audio, 2, 30, 40)

    def formula(x: Any) -> Any:
        call = getattr(torch.fft, name + kind)
        return call(x), call(x, s=(20, 50)), call(x, dim=(0, 1), norm="ortho")

    assert prove(formula, x)[0] >= LEAST_DB


def test_back_from_a_real_spectrum(prove: Any, audio: SimpleNamespace) -> None:
    """As of the autocorrelation, from the power spectrum."""

    def formula(x: Any) -> Any:
        return torch.fft.irfft(torch.fft.rfft(x, 256).abs() ** 2, 256), torch.fft.hfft(x)

    assert prove(formula, audio.noise(2, 100))[0] >= LEAST_DB


def test_shifts_and_frequencies(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        moved = torch.fft.fftshift(x, dim=-1), torch.fft.ifftshift(x)
        return *moved, x * torch.fft.rfftfreq(198), torch.fft.fftshift(torch.fft.fft(x))

    assert prove(formula, audio.noise(3, 100))[0] >= LEAST_DB


def test_convolution_by_transform(prove: Any, audio: SimpleNamespace) -> None:
    """As in state-space models and reverberation: the impulse response is a parameter."""

    def formula(x: Any, response: Any) -> Any:
        product = torch.fft.rfft(x, 8000) * torch.fft.rfft(response, 8000)
        return torch.fft.irfft(product, 8000)[..., :4000]

    response = torch.nn.Parameter(audio.noise(1, 4000) * torch.exp(-torch.arange(4000) / 300))
    assert prove(formula, audio.voice(), response=response)[0] >= 115  # two transforms of 8000 points


def test_analytic_signal(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        gains = torch.zeros(4000)
        gains[0] = gains[2000] = 1
        gains[1:2000] = 2
        return torch.fft.ifft(torch.fft.fft(x) * gains).abs()

    assert prove(formula, audio.chirp())[0] >= 115  # two transforms of 4000 points


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        spectrum = torch.fft.rfft(x, dim=-1, norm="ortho")
        return torch.fft.irfft(spectrum * torch.exp(-1j * torch.linspace(0, 3, 129)), n=256, norm="ortho")

    assert min(prove_both(formula, audio.noise(1, 16, 256)).values()) >= 110  # as above, two transforms of 256 points


def _of_both_kinds(x: Any) -> Any:
    """Frames of one stage and of two, each even."""
    return [x[..., :20], x[..., :100], x[..., :400]]


REAL_ENDS: dict[str, Callable[[Any], Any]] = {
    "rfft": torch.fft.rfft,
    "fft": torch.fft.fft,
    "fft of complex": lambda x: torch.fft.fft(torch.complex(x, torch.zeros_like(x))),
    "ifft of complex": lambda x: torch.fft.ifft(torch.complex(x, torch.zeros_like(x)), norm="ortho"),
    "rfft2": lambda x: torch.fft.rfft2(x)[:, 0],
    "stft": lambda x: torch.stft(x.flatten(0, 1), x.shape[-1], window=torch.hann_window(x.shape[-1]), center=False,
                                 return_complex=True)[..., 0],
    "stft of both sides": lambda x: torch.stft(x.flatten(0, 1), x.shape[-1], center=False, onesided=False,
                                               return_complex=True)[..., 0],
}  # fmt: skip


@pytest.mark.parametrize("kind", REAL_ENDS)
def test_the_phase_of_what_is_real(rewrite: Any, audio: SimpleNamespace, kind: str) -> None:
    """At 0 Hz and at half the sampling rate a real signal's phase is 0 or pi, and never -pi.

    On some processors torch's own complex transforms leave noise there, so the sign of the sum is asked instead.
    """

    def formula(x: Any) -> Any:
        spectra = [(REAL_ENDS[kind](frames), frames.shape[-1] // 2) for frames in _of_both_kinds(x)]
        return [(spectrum[..., [0, middle]].angle(), spectrum[..., [0, middle]].real) for spectrum, middle in spectra]

    found = rewrite(formula, audio.noise(2, 40, 400))
    for angle, real in zip(found[::2], found[1::2], strict=True):
        assert torch.equal(angle, torch.where(real < 0, torch.pi, 0.0))


@pytest.mark.parametrize("kind", ["rfft", "fft", "rfft2", "stft", "stft of both sides"])
def test_the_phase_in_the_middle_of_twice_a_prime(prove: Any, audio: SimpleNamespace, kind: str) -> None:
    """Its two stages leave rounding noise there, which is made 0."""

    def formula(x: Any) -> Any:
        return REAL_ENDS[kind](x)[..., [0, 499]].angle()

    assert prove(formula, audio.noise(2, 10, 998))[0] >= LEAST_DB


@pytest.mark.coreml
@pytest.mark.tflite
def test_a_convolution_of_a_length_with_a_large_prime(prove_both: Any, audio: SimpleNamespace, tmp_path: Path) -> None:
    """As of long filters in state space models: matrices of 2 * 499 and of 499 points would take 8 MB."""

    def formula(x: Any) -> Any:
        spectrum = torch.fft.rfft(x, n=998) * torch.fft.rfft(x.flip(-1), n=998)
        whole = torch.fft.ifft(torch.fft.fft(x[..., :499] * 0.1))
        return torch.fft.irfft(spectrum, n=998), torch.view_as_real(whole)

    assert min(prove_both(formula, audio.noise(1, 3, 499)).values()) >= LEAST_DB
    assert (tmp_path / "model.tflite").stat().st_size < 300_000


@pytest.mark.coreml
@pytest.mark.tflite
def test_the_phase_of_what_is_real_in_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        spectra = [torch.fft.fft(x[..., :32]), torch.fft.rfft(x)]
        return [spectrum[..., [0, size // 2]].angle() for spectrum, size in zip(spectra, (32, 360), strict=True)]

    assert min(prove_both(formula, audio.noise(1, 50, 360)).values()) >= LEAST_DB

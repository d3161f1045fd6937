"""The short-time Fourier transform and its inverse, rewritten, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 115
"""Sums of up to 1024 float32 products: relative errors near 1e-7 each, which add up like noise."""

WINDOWS: dict[str, Callable[[int], Any]] = {
    "none": lambda _: None,
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "root_hann": lambda size: torch.hann_window(size).sqrt(),
}
SHAPES = [
    {"n_fft": 400, "hop_length": 160},
    {"n_fft": 512, "hop_length": 128, "win_length": 400},
    {"n_fft": 512, "hop_length": 100, "center": False},
    {"n_fft": 64, "hop_length": 16, "pad_mode": "replicate"},
    {"n_fft": 255, "hop_length": 50, "pad_mode": "constant"},
    {"n_fft": 127, "hop_length": 30, "normalized": True},
    {"n_fft": 256, "hop_length": 2},
    {"n_fft": 100, "hop_length": 150, "onesided": False},
    {"n_fft": 1024},
]


def _id(options: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in options.items())


@pytest.mark.parametrize("options", SHAPES, ids=_id)
def test_every_shape(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    window = torch.hann_window(options.get("win_length", options["n_fft"]))

    def formula(x: Any, window: Any) -> Any:
        return torch.stft(x, window=window, return_complex=True, **options)

    for x in (audio.voice(2), audio.chirp(), audio.chirp()[0]):
        snr_db, applied = prove(formula, x, window=window)
        assert snr_db >= LEAST_DB
        assert "stft" in applied


@pytest.mark.parametrize("window", WINDOWS)
def test_every_window(prove: Any, audio: SimpleNamespace, window: str) -> None:
    def formula(x: Any, **held: Any) -> Any:
        spectrum = torch.stft(x, 400, 160, window=held.get("window"), return_complex=True)
        return spectrum.abs() ** 2, torch.view_as_real(spectrum)

    made = WINDOWS[window](400)
    assert prove(formula, audio.voice(), **({} if made is None else {"window": made}))[0] >= LEAST_DB


def test_a_window_made_in_forward_is_a_constant(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        return torch.stft(x, 400, 160, window=torch.hann_window(400), return_complex=True).abs()

    snr_db, applied = prove(formula, audio.chirp())
    assert snr_db >= LEAST_DB
    assert applied == ("complex_numbers", "constant_folding", "stft")


def test_a_real_result(prove: Any, audio: SimpleNamespace) -> None:
    aten = torch.ops.aten.stft.center
    for return_complex in (False, True):

        def formula(x: Any, window: Any, kind: bool = return_complex) -> Any:
            return aten(x, 256, 64, 256, window, True, "reflect", False, True, kind)

        assert prove(formula, audio.voice(), window=torch.hann_window(256))[0] >= LEAST_DB


INVERSES = [
    {},
    {"length": 3900},
    {"length": 4100},
    {"normalized": True},
    {"onesided": False},
    {"win_length": 300},
    {"onesided": False, "return_complex": True},
]


@pytest.mark.parametrize("options", INVERSES, ids=_id)
def test_the_inverse(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    shared = {name: options[name] for name in ("normalized", "onesided", "win_length") if name in options}

    def there_and_back(x: Any, window: Any, hop: int) -> Any:
        spectrum = torch.stft(x, 512, hop, window=window, return_complex=True, **shared)
        return torch.istft(spectrum * (0.5 + 0.5j), 512, hop, window=window, **options)

    def formula(x: Any, window: Any) -> Any:
        return there_and_back(x, window, 128), there_and_back(x, window, 100)

    snr_db, applied = prove(formula, audio.voice(), window=torch.hamming_window(options.get("win_length", 512)))
    assert snr_db >= LEAST_DB
    assert {"stft", "istft"} <= set(applied)


def test_there_and_back_gives_the_signal(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, 400, 100, window=window, return_complex=True)
        return torch.istft(spectrum, 400, 100, window=window, length=4000) - x

    residual_db, _ = prove(formula, audio.voice(), window=torch.hann_window(400))
    # Both residuals are rounding noise, 140 dB below full scale, and need not be the same.
    assert residual_db < 60


def test_phase_of_silence_is_torchs(prove: Any, audio: SimpleNamespace) -> None:
    """Half of the signal is 0: magnitude and angle taken apart and put together stay 0 there."""

    def formula(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, 256, 64, window=window, return_complex=True)
        again = torch.polar(spectrum.abs(), spectrum.angle())
        return torch.istft(again, 256, 64, window=window, length=4000)

    assert prove(formula, audio.voice(), window=torch.hann_window(256))[0] >= LEAST_DB


@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("size", [16, 20, 21, 60])
@pytest.mark.parametrize("kind", ["voice", "chirp"])
def test_phase_of_reflected_audio(rewrite: Any, audio: SimpleNamespace, kind: str, size: int, onesided: bool) -> None:
    """The first frame is even about its middle: imaginary parts near 0, whose sign makes the phase pi or -pi.

    torch's own float32 transform has other signs on other processors; the windowed frames in float64 tell it right.
    """

    def formula(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, size, size // 4, window=window, onesided=onesided, return_complex=True)
        return spectrum.angle(), torch.atan2(spectrum.imag, spectrum.real)

    x, window = getattr(audio, kind)()[:1, :400], torch.hann_window(size)
    padded = torch.nn.functional.pad(x[:, None], (size // 2, size // 2), mode="reflect")[:, 0]
    frames = (padded.unfold(1, size, size // 4) * window).double()
    expected = (torch.fft.rfft if onesided else torch.fft.fft)(frames).angle().mT
    if size % 2 == 0 and not onesided:
        expected[:, size // 2] = expected[:, size // 2].abs()  # a sum that is 0, of either sign
    for found in rewrite(formula, x, window=window):
        assert float((found - expected).abs().max()) < 1e-2


@pytest.mark.coreml
@pytest.mark.tflite
@pytest.mark.parametrize("hop", [32, 50, 128])
def test_no_constant_is_as_long_as_the_signal(
    prove_both: Any, audio: SimpleNamespace, tmp_path: Path, hop: int
) -> None:
    def formula(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, 128, hop, window=window, return_complex=True)
        return torch.istft(spectrum, 128, hop, window=window, length=24000)

    window = torch.ones(128) if hop == 128 else torch.hann_window(128)
    assert min(prove_both(formula, audio.noise(1, 24000), window=window).values()) >= LEAST_DB
    assert (tmp_path / "model.tflite").stat().st_size < 60_000


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, 512, 128, window=window, return_complex=True)
        mask = torch.sigmoid(torch.log1p(spectrum.abs()) - 0.5)
        return torch.istft(spectrum * mask, 512, 128, window=window, length=4000), spectrum.abs()

    found = prove_both(formula, audio.voice(1), window=torch.hann_window(512))
    # float32 through and through; the runtimes' exp, log and division differ in their last bits.
    assert min(found.values()) >= 100

"""The denoiser: its package's numbers in one model, and the recordings it is judged by."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from tests.examples.dtln_package import enhance
from tests.specimens import ROOT
from tests.voices import RATE_HZ, SPEAKERS_HZ, speak

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.slow, pytest.mark.pytorch]


@pytest.fixture(scope="module")
def dtln() -> ModuleType:
    return _import("dtln")


@pytest.fixture(scope="module")
def recordings() -> ModuleType:
    return _import("recordings")


def _import(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "dtln"))
        return importlib.import_module(name)


def test_call_after_call_it_does_what_the_package_does(dtln: ModuleType) -> None:
    random = np.random.default_rng(0)
    voice = speak(SPEAKERS_HZ["low"], seed=2)
    noisy = (voice + 0.05 * random.normal(size=len(voice))).astype(np.float32)
    noisy = noisy[: len(noisy) // dtln.WINDOW * dtln.WINDOW]
    model, (_, *states) = dtln.build()
    found = []
    with torch.no_grad():
        for window in torch.from_numpy(noisy).split(dtln.WINDOW):
            outputs = model(window[None], *states)
            found.append(outputs["enhanced"][0].numpy())
            states = [outputs[f"{name}_next"] for name in ("context", "state", "overlap")]
    expected = enhance(noisy, (dtln.find_model("model_1"), dtln.find_model("model_2")))
    # Other transforms and another order of sums: both are float32.
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    quiet = 0.05 * random.normal(size=16 * dtln.WINDOW).astype(np.float32)
    left = enhance(quiet, (dtln.find_model("model_1"), dtln.find_model("model_2")))[RATE_HZ // 4 :]
    assert np.std(left) < 0.1 * np.std(quiet), "noise alone is suppressed"


@pytest.mark.parametrize("snr_db", [0, 10])
def test_noise_lies_as_far_below_the_speech_as_was_asked(recordings: ModuleType, snr_db: float) -> None:
    random = np.random.default_rng(1)
    speech = np.concatenate([np.zeros(8000), random.normal(size=8000)]).astype(np.float32)
    clean, noisy = recordings.mix(speech, recordings.make_pink_noise(16_000, random), snr_db)
    assert np.abs(noisy).max() <= 0.5 + 1e-6
    noise = noisy - clean
    # Samples that pass through zero count as silence, which is 0.14 dB here.
    assert 10 * np.log10(np.mean(clean[8000:] ** 2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.2)


def test_pink_noise_has_as_much_in_every_octave(recordings: ModuleType) -> None:
    power = np.abs(np.fft.rfft(recordings.make_pink_noise(2**16, np.random.default_rng(2)))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(8, 14)]
    assert max(octaves) / min(octaves) < 1.3


def test_keys_are_typed_all_along(recordings: ModuleType) -> None:
    stroke = np.ones(100, np.float32)
    typed = recordings.type_keys([stroke], 16_000, np.random.default_rng(3))
    assert (typed > 0).sum() > 300
    assert typed.max() <= 2

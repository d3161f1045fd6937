from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.datasets.builtin.making import read_attribution
from evaluators.datasets.reading import load_dataset
from evaluators.datasets.signals import locate_signals, make_signals
from evaluators.tasks.parity import Parity
from packager.bundle import AudioContract


def _contract(rate_hz: int = 8000, window: int = 2048, channels: int = 1) -> AudioContract:
    return AudioContract(sample_rate_hz=rate_hz, window_samples=window, hop_samples=window, channels=channels)


@pytest.mark.parametrize("audio", [_contract(), _contract(44100, 30000, 2), _contract(2000, 1), _contract(8000, 20000)])
def test_signals_are_finite_in_range_and_long_enough_for_any_contract(audio: AudioContract) -> None:
    for samples in make_signals(audio).values():
        assert samples.dtype == np.float32
        assert samples.shape[0] == audio.channels
        assert samples.shape[1] >= 4 * audio.window_samples
        assert 0 < np.abs(samples).max() < 1


def test_signals_are_a_dataset_that_stays_and_says_what_it_is(tmp_path: Path) -> None:
    manifest = locate_signals(_contract(), tmp_path)
    assert manifest.name == "test-signals.jsonl"
    before = manifest.stat().st_mtime_ns
    assert locate_signals(_contract(), tmp_path) == manifest
    assert manifest.stat().st_mtime_ns == before
    (manifest.parent / "noise.wav").write_bytes(b"damaged")
    dataset = load_dataset(locate_signals(_contract(), tmp_path), audio=_contract(), task=Parity())
    assert [clip.id for clip in dataset.clips] == [
        "sweep",
        "quiet-sweep",
        "noise",
        "tones-and-pauses",
        "tones-in-noise",
    ]
    assert "no recording" in (read_attribution(manifest) or "")
    assert locate_signals(_contract(16000), tmp_path) != manifest

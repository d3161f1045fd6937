from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.datasets.inputs import store_source_outputs, windows_folder
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Windows
from evaluators.errors import EvaluationError
from evaluators.windows import cut
from packager.model import ModelSource
from tests.benches import AUDIO, read_dataset, store_windows, write_dataset
from tests.specimens import GAIN_AUDIO


def test_windows_are_those_of_cut_clip_after_clip(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    windows = store_windows(dataset, AUDIO, tmp_path / "cache")
    stored = np.load(windows.path)
    assert windows.spans == ((0, 4, 300), (4, 2, 100))
    assert windows.count == len(stored) == 6
    assert stored.dtype == np.float32
    for clip, (first, count, n_samples) in zip(dataset.clips, windows.spans, strict=True):
        samples = clip.read(AUDIO)
        assert samples.shape == (1, n_samples)
        np.testing.assert_array_equal(stored[first : first + count], cut(samples, AUDIO))


def test_another_contract_has_windows_of_its_own(tmp_path: Path) -> None:
    other = AUDIO.model_copy(update={"hop_samples": 44})
    places = {windows_folder("1" * 64, audio, tmp_path) for audio in (AUDIO, other)}
    places.add(windows_folder("0" * 64, AUDIO, tmp_path))
    assert len(places) == 3


@pytest.fixture
def gain_windows(tmp_path: Path) -> Windows:
    samples = np.random.default_rng(1123).uniform(-1, 1, (20, 1, 2048)).astype(np.float32)
    folder = tmp_path / "out" / "cache" / "windows" / "abc"
    folder.mkdir(parents=True)
    np.save(folder / "windows.npy", samples)
    (folder / "spans.json").write_text("[[0, 20, 40960]]")
    return Windows(folder / "windows.npy", ((0, 20, 40960),))


def _store(source: ModelSource, windows: Windows, out: Path, **options: Any) -> Path:
    return store_source_outputs(source, windows, audio=GAIN_AUDIO, place=Place(out), **options)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_sources_outputs_are_stored_once(gain_source: ModelSource, gain_windows: Windows, tmp_path: Path) -> None:
    told: list[int] = []
    out = tmp_path / "out"
    folder = _store(gain_source, gain_windows, out, on_windows=told.append)
    assert folder.parent == out / "cache" / "reference"
    assert told == sorted(told)
    assert told[-1] == 20
    stored = np.load(folder / "scaled.npy")
    np.testing.assert_allclose(stored, np.load(gain_windows.path)[:, 0] * 0.5 + 0.25, atol=1.2e-7)  # closed form
    age = (folder / "scaled.npy").stat().st_mtime_ns
    again = _store(gain_source, gain_windows, out, on_windows=told.append)
    assert (again, (folder / "scaled.npy").stat().st_mtime_ns) == (folder, age)
    os.truncate(folder / "scaled.npy", 1000)
    _store(gain_source, gain_windows, out, on_windows=told.append)
    np.testing.assert_array_equal(np.load(folder / "scaled.npy"), stored)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_source_that_cannot_be_run_ends_the_evaluation(
    gain_source: ModelSource, gain_windows: Windows, tmp_path: Path
) -> None:
    source = gain_source.model_copy(update={"spec": gain_source.spec.model_copy(update={"signature": "other"})})
    with pytest.raises(EvaluationError) as caught:
        _store(source, gain_windows, tmp_path / "out", on_windows=lambda _: None)
    assert str(caught.value) == (
        f"the source model cannot be run: {source.path}: has no signature 'other'; "
        f"model.signature can be: serving_default, call\n(log: {tmp_path / 'out' / 'logs' / 'reference.log'})"
    )
    assert not list((tmp_path / "out").rglob("*.partial"))

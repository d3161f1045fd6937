from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benches import AUDIO, read_dataset, write_dataset
from specimens import GAIN_AUDIO

from evaluators.errors import EvaluationError
from evaluators.inputs import Windows, store_source_outputs, store_windows
from evaluators.windows import cut
from packager.model import ModelSource


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


def test_windows_are_cut_once(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    first = store_windows(dataset, AUDIO, tmp_path / "cache")
    age = first.path.stat().st_mtime_ns
    for clip in dataset.clips:
        clip.path.unlink()  # they are not even read
    assert store_windows(dataset, AUDIO, tmp_path / "cache") == first
    assert first.path.stat().st_mtime_ns == age


@pytest.mark.parametrize("name", ["windows.npy", "spans.json", ".seal"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: bytes(len(data)), lambda _: b"["])
def test_windows_that_were_damaged_are_cut_again(name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    first = store_windows(dataset, AUDIO, tmp_path / "cache")
    expected = np.load(first.path)
    path = first.path.parent / name
    path.write_bytes(damage(path.read_bytes()))
    assert store_windows(dataset, AUDIO, tmp_path / "cache") == first
    np.testing.assert_array_equal(np.load(first.path), expected)
    assert [path.name for path in (tmp_path / "cache" / "windows").iterdir()] == [first.path.parent.name]


def test_another_contract_has_windows_of_its_own(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    other = AUDIO.model_copy(update={"hop_samples": 44})
    paths = {store_windows(dataset, audio, tmp_path / "cache").path for audio in (AUDIO, other)}
    paths.add(store_windows(replace(dataset, sha256="0" * 64), AUDIO, tmp_path / "cache").path)
    assert len(paths) == 3


def test_a_cut_that_fails_leaves_nothing(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    dataset.clips[1].path.unlink()
    with pytest.raises(EvaluationError, match=r"clip b: "):
        store_windows(dataset, AUDIO, tmp_path / "cache")
    assert list((tmp_path / "cache" / "windows").iterdir()) == []


@pytest.fixture
def gain_windows(tmp_path: Path) -> Windows:
    samples = np.random.default_rng(1123).uniform(-1, 1, (20, 1, 2048)).astype(np.float32)
    folder = tmp_path / "out" / "cache" / "windows" / "abc"
    folder.mkdir(parents=True)
    np.save(folder / "windows.npy", samples)
    return Windows(folder / "windows.npy", ((0, 20, 40960),))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_sources_outputs_are_stored_once(gain_source: ModelSource, gain_windows: Windows, tmp_path: Path) -> None:
    told: list[int] = []
    out = tmp_path / "out"
    folder = store_source_outputs(gain_source, gain_windows, audio=GAIN_AUDIO, out=out, on_windows=told.append)
    assert folder.parent == out / "cache" / "reference"
    assert told == sorted(told)
    assert told[-1] == 20
    stored = np.load(folder / "scaled.npy")
    np.testing.assert_allclose(stored, np.load(gain_windows.path)[:, 0] * 0.5 + 0.25, atol=1.2e-7)  # closed form
    age = (folder / "scaled.npy").stat().st_mtime_ns
    again = store_source_outputs(gain_source, gain_windows, audio=GAIN_AUDIO, out=out, on_windows=told.append)
    assert (again, (folder / "scaled.npy").stat().st_mtime_ns) == (folder, age)
    os.truncate(folder / "scaled.npy", 1000)
    store_source_outputs(gain_source, gain_windows, audio=GAIN_AUDIO, out=out, on_windows=told.append)
    np.testing.assert_array_equal(np.load(folder / "scaled.npy"), stored)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_source_that_cannot_be_run_ends_the_evaluation(
    gain_source: ModelSource, gain_windows: Windows, tmp_path: Path
) -> None:
    source = replace(gain_source, spec=gain_source.spec.model_copy(update={"signature": "other"}))
    with pytest.raises(EvaluationError) as caught:
        store_source_outputs(source, gain_windows, audio=GAIN_AUDIO, out=tmp_path / "out", on_windows=lambda _: None)
    assert str(caught.value) == (
        f"the source model cannot be run: {source.path}: has no signature 'other'; "
        f"model.signature can be: serving_default, call\n(log: {tmp_path / 'out' / 'logs' / 'reference.log'})"
    )
    assert not list((tmp_path / "out").rglob("*.partial"))

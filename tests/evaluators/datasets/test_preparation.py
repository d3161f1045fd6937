"""A dataset is read by a worker once, and again when anything of it, or of what was stored, is not as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluators.datasets.place import LONG, Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.datasets.prepared import Prepared, PreparedDataset, read_prepared
from evaluators.errors import EvaluationError
from evaluators.evaluation import DatasetInfo
from evaluators.pictures.previewing import preview_clips as make_previews
from evaluators.pictures.previews import add_previews
from packager.jobs.workers import Limits
from tests.benches import AUDIO, TASK, TASK_INFO, read_dataset, store_windows, write_dataset

NOTHING = Limits(time_s=0.0)
"""no worker survives it: what comes with it was stored"""


def _prepare_with_places(manifest: Path, out: Path, limits: Limits = LONG) -> PreparedDataset:
    return prepare_dataset(manifest, task=TASK_INFO, audio=AUDIO, place=Place(out, limits))


def _prepare(manifest: Path, out: Path, limits: Limits = LONG) -> Prepared:
    return _prepare_with_places(manifest, out, limits).found


def preview_clips(prepared: PreparedDataset, shown: list[str], out: Path, limits: Limits = LONG) -> DatasetInfo:
    return make_previews(prepared, shown, audio=AUDIO, place=Place(out, limits))


@pytest.mark.slow
def test_a_worker_finds_what_this_process_would(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    given = _prepare_with_places(manifest, out)
    prepared, dataset = given.found, read_dataset(manifest)
    assert prepared.info == dataset.describe(TASK)
    windows, expected = prepared.find_windows(out), store_windows(dataset, AUDIO, tmp_path / "other" / "cache")
    assert (windows.spans, windows.path.read_bytes()) == (expected.spans, expected.path.read_bytes())
    assert windows.path.parent.name == expected.path.parent.name
    assert prepared.parse_labels(TASK, manifest.parent) == [clip.labels for clip in dataset.clips]
    shown = preview_clips(given, ["b"], out)
    assert shown == add_previews(prepared.info, dataset, ["b"], audio=AUDIO, out=tmp_path / "other")
    assert _prepare(manifest, out, NOTHING) == prepared
    assert preview_clips(given, ["b"], out, NOTHING) == shown
    assert preview_clips(given, [], out, NOTHING) == prepared.info


def _touch(manifest: Path, _: Path) -> None:
    manifest.write_bytes(manifest.read_bytes() + b"\n")


def _change_a_sample(manifest: Path, _: Path) -> None:
    path = manifest.parent / "a.wav"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def _lose_windows(_: Path, out: Path) -> None:
    shutil.rmtree(out / "cache" / "windows")


def _spoil(place: str) -> Callable[[Path, Path], None]:
    def spoil(_: Path, out: Path) -> None:
        (path,) = out.glob(place)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    return spoil


PLACES = (
    "cache/windows/*/windows.npy",
    "cache/windows/*/spans.json",
    "cache/windows/*/.seal",
    "cache/dataset/*.json",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [_touch, _change_a_sample, _lose_windows, *map(_spoil, PLACES)],
    ids=["manifest", "audio", "no windows", *(f"damaged {name}" for name in ("windows", "spans", "seal", "result"))],
)
def test_what_is_not_as_it_was_is_made_again(change: Callable[[Path, Path], None], tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    _prepare(manifest, out)
    change(manifest, out)
    with pytest.raises(EvaluationError, match="took longer than 0 s"):
        _prepare(manifest, out, NOTHING)
    again = _prepare(manifest, out)
    assert again.info == read_dataset(manifest).describe(TASK)
    assert _prepare(manifest, out, NOTHING) == again


@pytest.mark.slow
def test_a_preview_that_is_not_as_it_was_is_made_again(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    prepared = _prepare_with_places(manifest, out)
    shown = preview_clips(prepared, ["a"], out)
    _spoil("previews/*.flac")(manifest, out)
    assert preview_clips(prepared, ["a"], out) == shown
    assert preview_clips(prepared, ["a"], out, NOTHING) == shown


@pytest.mark.slow
def test_faults_are_told_as_they_are(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data")
    (manifest.parent / "a.wav").write_bytes(b"no audio")
    with pytest.raises(EvaluationError) as here:
        read_dataset(manifest)
    with pytest.raises(EvaluationError) as caught:
        _prepare(manifest, tmp_path / "out")
    assert str(caught.value) == str(here.value)
    assert [path for path in (tmp_path / "out" / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_stored_description_that_is_damaged_is_refused(tmp_path: Path) -> None:
    made = prepare_dataset(write_dataset(tmp_path / "data"), task=TASK_INFO, audio=AUDIO, place=Place(tmp_path))
    assert read_prepared(made.path) == made.found
    _spoil("cache/dataset/*.json")(made.path, tmp_path)
    with pytest.raises(EvaluationError, match="missing or damaged"):
        read_prepared(made.path)


@pytest.mark.slow
def test_a_clip_that_is_gone_ends_the_previews_with_one_message(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    prepared = _prepare_with_places(manifest, out)
    (prepared.folder / prepared.found.audio[0]).unlink()
    with pytest.raises(EvaluationError, match=r"clip a: .*a\.wav"):
        preview_clips(prepared, ["a"], out)

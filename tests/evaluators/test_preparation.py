"""A dataset is read by a worker once, and again when anything of it, or of what was stored, is not as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from benches import AUDIO, TASK, read_dataset, write_dataset

from evaluators.errors import EvaluationError
from evaluators.inputs import LONG, store_windows
from evaluators.preparation import Prepared, prepare_dataset, preview_clips
from evaluators.previews import add_previews
from packager.workers import Limits

NOTHING = Limits(time_s=0.0)
"""no worker survives it: what comes with it was stored"""


def _prepare(manifest: Path, out: Path, limits: Limits = LONG) -> Prepared:
    return prepare_dataset(manifest, task=TASK, audio=AUDIO, out=out, limits=limits)


def test_a_worker_finds_what_this_process_would(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    prepared = _prepare(manifest, out)
    dataset = read_dataset(manifest)
    assert prepared.info == dataset.describe(TASK)
    assert prepared.find_windows(out) == store_windows(dataset, AUDIO, out / "cache")
    shown = preview_clips(prepared, ["b"], audio=AUDIO, out=out, limits=LONG)
    assert shown == add_previews(prepared.info, dataset, ["b"], audio=AUDIO, out=tmp_path / "other")
    assert _prepare(manifest, out, NOTHING) == prepared
    assert preview_clips(prepared, ["b"], audio=AUDIO, out=out, limits=NOTHING) == shown
    assert preview_clips(prepared, [], audio=AUDIO, out=out, limits=NOTHING) == prepared.info


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


@pytest.mark.parametrize(
    "change",
    [_touch, _change_a_sample, _lose_windows, _spoil("cache/windows/*/windows.npy"), _spoil("cache/dataset/*.json")],
    ids=["manifest", "audio", "no windows", "damaged windows", "damaged result"],
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


def test_a_preview_that_is_not_as_it_was_is_made_again(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    prepared = _prepare(manifest, out)
    shown = preview_clips(prepared, ["a"], audio=AUDIO, out=out, limits=LONG)
    _spoil("previews/*.flac")(manifest, out)
    assert preview_clips(prepared, ["a"], audio=AUDIO, out=out, limits=LONG) == shown
    assert preview_clips(prepared, ["a"], audio=AUDIO, out=out, limits=NOTHING) == shown


def test_faults_are_told_as_they_are(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data")
    (manifest.parent / "a.wav").write_bytes(b"no audio")
    with pytest.raises(EvaluationError) as here:
        read_dataset(manifest)
    with pytest.raises(EvaluationError) as caught:
        _prepare(manifest, tmp_path / "out")
    assert str(caught.value) == str(here.value)


def test_a_clip_that_is_gone_ends_the_previews_with_one_message(tmp_path: Path) -> None:
    manifest, out = write_dataset(tmp_path / "data"), tmp_path / "out"
    prepared = _prepare(manifest, out)
    Path(prepared.audio[0]).unlink()
    with pytest.raises(EvaluationError, match=r"clip a: .*a\.wav"):
        preview_clips(prepared, ["a"], audio=AUDIO, out=out, limits=LONG)

"""What a worker makes gets into place whole, where it was asked for, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from packager.jobs.workers import Ended, Job, Limits, run_jobs


@pytest.fixture(autouse=True)
def _jobs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def _make(out: Path, places: dict[str, Path], **request: Any) -> tuple[Ended, list[Any]]:
    events: list[Any] = []
    job = Job("job_targets:make", request, out / "log.txt", Limits(time_s=60), results=places)
    (ended,) = run_jobs([job], lambda *_: events.append([place.exists() for place in places.values()]))
    assert not list(out.rglob("*.partial"))
    return ended, events


def test_what_is_made_is_there_before_the_next_event(tmp_path: Path) -> None:
    place = tmp_path / "bundles" / "final"
    files = {"made/x": "1", "made/deep/y": "2", "unasked": "3"}
    ended, events = _make(tmp_path, {"made": place}, files=files, made=["made"])
    assert (ended, events) == (Ended(None), [[True]])
    assert sorted(path.name for path in place.rglob("*")) == ["deep", "x", "y"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundles", "log.txt"]


@pytest.mark.slow
def test_files_are_added_to_a_folder_and_what_is_there_stays(tmp_path: Path) -> None:
    place = tmp_path / "previews"
    for made in ({"previews/a": "1"}, {"previews/a": "1", "previews/b": "2"}):
        age = (place / "a").stat().st_ino if place.is_dir() else None
        ended, _ = _make(tmp_path, {"previews/": place}, files=made, made=list(made))
        assert ended == Ended(None)
        assert age in (None, (place / "a").stat().st_ino)
    assert {path.name: path.read_text() for path in place.iterdir()} == {"a": "1", "b": "2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "made", "reason"),
    [
        ({"other/x": "1"}, "other", "the worker made 'other', which it was not asked for"),
        ({"made/x": "1"}, "../made", "the worker made '../made', which it was not asked for"),
        ({"made/x": "1"}, "made/x", "the worker made 'made/x', which it was not asked for"),
        ({"previews/x": "1"}, "previews/..", "the worker made 'previews/..', which it was not asked for"),
        ({"previews/x": "1"}, "previews/", "the worker made 'previews/', which it was not asked for"),
        ({"made": None}, "made", "the worker made 'made' as a symbolic link; right is a file or folder"),
        ({"made/x": None}, "made", "x: is a symbolic link; only regular files can be packaged"),
        ({}, "made", "made: cannot be read: No such file or directory"),
    ],
)
def test_what_nobody_asked_for_ends_the_worker(files: Any, made: str, reason: str, tmp_path: Path) -> None:
    places = {"made": tmp_path / "out" / "made", "previews/": tmp_path / "out" / "previews"}
    ended, events = _make(tmp_path, places, files=files, made=[made])
    assert str(ended.reason).endswith(reason)
    assert events == []
    assert not (tmp_path / "out" / "made").exists()

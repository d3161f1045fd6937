from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from evaluators.picture_records import Preview
from reports.page.audio import MAX_EMBEDDED, MAX_FILE_BYTES, Player, Shelf

SOUND = b"fLaC" + bytes(range(256))


def _preview(path: str, data: bytes) -> Preview:
    return Preview(path=path, sha256=hashlib.sha256(data).hexdigest(), duration_s=1.5)


def _play(preview: Preview, folder: Path) -> Player:
    return Shelf(folder).take(preview)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "previews").mkdir(parents=True)
    (tmp_path / "out" / "previews" / "a.flac").write_bytes(SOUND)
    (tmp_path / "secret.flac").write_bytes(SOUND)
    return tmp_path / "out"


def test_a_file_that_is_what_it_should_be_is_embedded(folder: Path) -> None:
    player = _play(_preview("previews/a.flac", SOUND), folder)
    assert player.problem is None
    assert (player.source or "").startswith("data:audio/flac;base64,ZkxhQ")
    assert player.duration_s == 1.5


def test_without_a_folder_nothing_is_heard() -> None:
    shelf = Shelf(None)
    player = shelf.take(_preview("previews/a.flac", SOUND))
    assert (shelf.is_open, player.source, player.problem) == (False, None, "the sound is not beside this page")


@pytest.mark.parametrize("name", ["../secret.flac", "previews/../../secret.flac", "..\\secret.flac", "/etc/passwd"])
def test_a_path_that_leads_outside_is_not_followed(name: str, folder: Path) -> None:
    player = _play(_preview(name, SOUND), folder)
    assert player.source is None
    assert "outside the evaluation's folder" in (player.problem or "")


def test_a_link_that_leads_outside_is_not_followed(folder: Path) -> None:
    (folder / "previews" / "link.flac").symlink_to(folder.parent / "secret.flac")
    assert "leads outside" in (_play(_preview("previews/link.flac", SOUND), folder).problem or "")


NO_FILES = ["previews/none.flac", "previews", "", "a\0b", "loop", "loop/x.flac", "pipe", "x" * 300, "\ud800"]


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_told(name: str, folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    player = _play(_preview(name, SOUND), folder)
    assert player.source is None
    assert player.problem


def test_other_bytes_than_the_evaluations_are_refused(folder: Path) -> None:
    (folder / "previews" / "a.flac").write_bytes(SOUND + b"!")
    assert "is not the FLAC file" in (_play(_preview("previews/a.flac", SOUND), folder).problem or "")


def test_what_is_no_flac_is_refused_even_with_the_right_hash(folder: Path) -> None:
    page = b"<script>alert(1)</script>"
    (folder / "previews" / "a.flac").write_bytes(page)
    assert "is not the FLAC file" in (_play(_preview("previews/a.flac", page), folder).problem or "")


def test_a_large_file_is_not_read(folder: Path) -> None:
    large = b"fLaC" + bytes(MAX_FILE_BYTES)
    (folder / "previews" / "a.flac").write_bytes(large)
    assert "is larger than" in (_play(_preview("previews/a.flac", large), folder).problem or "")


def test_who_asks_first_is_heard_until_the_page_is_full(folder: Path) -> None:
    data = b"fLaC" + bytes(MAX_FILE_BYTES - 4)
    (folder / "previews" / "a.flac").write_bytes(data)
    shelf = Shelf(folder)
    players = [shelf.take(_preview("previews/a.flac", data)) for _ in range(4)]
    assert [player.source is not None for player in players] == [True, True, False, False]
    assert sum(len(player.source or "") for player in players) <= MAX_EMBEDDED
    assert "to keep the page small" in (players[-1].problem or "")

"""Previews of clips as players within the page.

The files are named by an evaluation that may come from a stranger: only a small regular file within the evaluation's
own folder is taken, and only if it holds what the evaluation says.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from device_profiles.files import is_file, read_bytes
from device_profiles.text import shorten
from evaluators.picture_records import Preview
from reports.errors import ReportError

MAX_FILE_BYTES = 500_000
MAX_EMBEDDED = 2_000_000
"""characters of base64 in all players together"""

_FLAC = b"fLaC"


@dataclass(frozen=True)
class Player:
    """What plays a clip, or why nothing does."""

    duration_s: float
    source: str | None
    """a data: URI"""
    problem: str | None = None


class Shelf:
    """Makes players until the page holds as much sound as it may: who asks first is heard."""

    def __init__(self, folder: Path | None, *, room: list[int] | None = None) -> None:
        """An empty one.

        Args:
            folder: Where evaluation.json stands; without it nothing can be heard.
            room: Characters that are left, shared with others; default: all.
        """
        self._folder, self._room = folder, [MAX_EMBEDDED] if room is None else room

    def beside(self, folder: Path | None) -> Shelf:
        """One for the sound of another evaluation, which shares the room of this one."""
        return Shelf(folder, room=self._room)

    @property
    def is_open(self) -> bool:
        """Whether anything can be heard at all."""
        return self._folder is not None

    def take(self, preview: Preview) -> Player:
        """What plays a preview, or why nothing does."""
        if self._folder is None:
            return Player(preview.duration_s, None, "the sound is not beside this page")
        player = _make_player(preview, self._folder, self._room[0])
        self._room[0] -= len(player.source or "")
        return player


def _make_player(preview: Preview, folder: Path, room: int) -> Player:
    data = _read(preview.path, folder)
    if isinstance(data, str):
        return Player(preview.duration_s, None, f"{shorten(preview.path)} {data}")
    if not data.startswith(_FLAC) or hashlib.sha256(data).hexdigest() != preview.sha256:
        return Player(
            preview.duration_s, None, f"{shorten(preview.path)} is not the FLAC file the evaluation was made with"
        )
    source = f"data:audio/flac;base64,{base64.b64encode(data).decode()}"
    if len(source) > room:
        return Player(preview.duration_s, None, f"left out to keep the page small; it is {shorten(preview.path)}")
    return Player(preview.duration_s, source)


def _read(name: str, folder: Path) -> bytes | str:
    """The file's bytes, or what is wrong with it."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        return "lies outside the evaluation's folder"
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return "leads outside the evaluation's folder"
        if not is_file(path):
            return "is not beside evaluation.json"
        if path.stat().st_size > MAX_FILE_BYTES:
            return f"is larger than {MAX_FILE_BYTES} bytes"
        return read_bytes(path, error=ReportError, most=MAX_FILE_BYTES)
    except (OSError, ValueError, RuntimeError, ReportError):  # a zero byte in the name; a loop of links
        return "cannot be read"

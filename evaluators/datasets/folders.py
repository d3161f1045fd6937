"""Folders of audio: each file a clip, and where files lie in folders of their own, these name the clips' classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device_profiles.files import is_folder
from evaluators.datasets.recordings import SUFFIXES
from evaluators.errors import EvaluationError

MOST_ENTRIES = 100_000
"""files and folders below a dataset's folder"""
_MOST_DEPTH = 16


@dataclass(frozen=True)
class AudioFolder:
    """What audio lies in a folder.

    Attributes:
        files: Paths from the folder, with `/`, sorted.
        others: How many files are there that are no audio by their names.
        links: How many links to folders, which are not followed.
    """

    files: tuple[str, ...]
    others: int
    links: int


def list_audio(folder: Path) -> AudioFolder:
    """The audio files below a folder; none is opened. What begins with a full stop is left out.

    Raises:
        EvaluationError: It cannot be listed, holds too much or is too deep.
    """
    files: list[str] = []
    others = links = 0
    for count, entry in enumerate(_walk(folder, 0)):
        if count >= MOST_ENTRIES:
            raise EvaluationError(
                f"{folder}: holds more than {MOST_ENTRIES} files; name a folder of the clips alone, or list "
                "them in a manifest"
            )
        if is_folder(Path(entry.path)):
            links += entry.is_symlink()
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            files.append(Path(entry.path).relative_to(folder).as_posix())
        else:
            others += 1
    return AudioFolder(tuple(sorted(files)), others, links)


def _walk(folder: Path, depth: int) -> Iterator[os.DirEntry[str]]:
    if depth > _MOST_DEPTH:
        raise EvaluationError(f"{folder}: lies more than {_MOST_DEPTH} folders deep; right is a folder a class")
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path), depth + 1)
    except OSError as fault:
        raise EvaluationError(f"{folder}: cannot be read: {fault.strerror}") from None

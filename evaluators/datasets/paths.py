"""Where a dataset's files may lie: below one folder, the manifest's own or the one that the recipe names.

What a manifest names is read and parts of it are shown in reports, so that a manifest of somebody else's may not reach
for files elsewhere: neither by its words nor by links. A user who keeps audio elsewhere says so, `task.audio_root`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from device_profiles.files import is_file


def find_root(dataset: Path, audio_root: Path | None) -> Path:
    """The folder that a dataset's files lie in, absolute, links kept: `audio_root`, else the dataset's own."""
    if audio_root is not None:
        return Path(os.path.normpath(audio_root.absolute()))
    return Path(os.path.normpath((dataset if dataset.is_dir() else dataset.parent).absolute()))


def locate_file(name: Any, root: Path, where: str, *, key: str = "audio") -> tuple[str | None, list[str]]:
    """The file that a line names under a key, as a path from the root, or what is wrong with the name.

    Args:
        name: As the line has it: a path from the root, or an absolute one that leads into it.
        root: As `find_root` gives it.
        where: How messages name the line.
        key: The line's.
    """
    if not isinstance(name, str) or not name:
        return None, [f"{where}: {key} must be a path, found {name!r}"]
    try:
        name.encode()
    except UnicodeEncodeError:
        return None, [f"{where}: {key} {name!r}: its name is not UTF-8; rename the file"]
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(root):
        return None, [f"{where}: {key} '{name}' lies outside the dataset; {_right(key, root, path)}"]
    if not is_file(path):
        hint = ", and its path is written with /" if "\\" in name else ""
        return None, [f"{where}: {key} file {path} does not exist{hint}"]
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        return None, [f"{where}: {key} '{name}' is a link to {real}, outside the dataset; {_right(key, root, real)}"]
    return path.relative_to(root).as_posix(), []


def _right(key: str, root: Path, path: Path) -> str:
    folder = os.path.commonpath([os.path.realpath(root), path])
    return (
        f"{key} must lie within {root}, or a folder that holds all of it must be named in the recipe, as audio_root = "
        f'"{folder}" in [task], from which paths are then written'
    )

"""Holding a bundle's files against its manifest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from packager.bundle import MANIFEST_NAME, Bundle, FileDigest
from packager.storage import digest_files, list_files

LINK = "is a symbolic link; only regular files belong into a bundle"


def check_files(bundle: Bundle) -> tuple[str, ...]:
    """The files of a bundle that are not what its manifest says, one line each; none when all hold.

    Raises:
        PackagingError: The bundle holds a symbolic link, which may lead to what is no part of it, a pipe or a device,
            which may have no end, or more than a bundle can.
    """
    list_files(bundle.path)
    return find_faults(bundle)


def find_faults(bundle: Bundle) -> tuple[str, ...]:
    """As `check_files`, with a line for each symbolic link, pipe and device as well."""
    stated, found = bundle.manifest.files, digest_each(bundle.path)
    faults = []
    for name in sorted({*found, *stated, MANIFEST_NAME}):
        path, seen, said = f"{bundle.path}/{to_line(name)}", found.get(name), stated.get(name)
        if isinstance(seen, str):
            faults.append(f"{path}: {seen}")
        elif seen is None:
            faults.append(f"{path}: missing, but in the manifest")
        elif said is None:
            faults += [] if name == MANIFEST_NAME else [f"{path}: not in the manifest"]
        elif seen != said:
            faults.append(
                f"{path}: changed since it was packaged: SHA-256 {seen.sha256[:12]}… ({seen.size_bytes} bytes), "
                f"the manifest says {said.sha256[:12]}… ({said.size_bytes} bytes)"
            )
    return tuple(faults)


def to_line(name: str) -> str:
    """A file's name on one line: what is not seen, a line end too, is written as an escape."""
    return name if name.isprintable() else repr(name)[1:-1]


def digest_each(root: Path) -> dict[str, FileDigest | str]:
    """What lies below a folder but folders, by relative POSIX path: a file's digest, or what anything else is."""
    found: dict[str, FileDigest | str] = {}
    for path in _walk(root):
        name, mode = path.relative_to(root).as_posix(), path.lstat().st_mode
        if stat.S_ISREG(mode):
            found[name] = next(iter(digest_files(path).values()))
        else:
            found[name] = LINK if stat.S_ISLNK(mode) else "is no regular file"
    return found


def _walk(root: Path) -> Iterator[Path]:
    """All below a folder but folders, however deep: Python's own walks go down by recursion."""
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield Path(entry.path)

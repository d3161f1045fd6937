"""Holding a bundle's files against its manifest."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from packager.bundle import MANIFEST_NAME, Bundle, FileDigest
from packager.errors import PackagingError
from packager.storage import digest_files


def check_files(bundle: Bundle) -> tuple[str, ...]:
    """The files of a bundle that are not what its manifest says, one line each; none when all hold.

    Raises:
        PackagingError: The bundle holds a symbolic link, which may lead to what is no part of it.
    """
    links = [path for path in sorted(bundle.path.rglob("*")) if path.is_symlink()]
    if links:
        raise PackagingError(f"{links[0]}: is a symbolic link; only regular files can be packaged")
    return find_faults(bundle)


def find_faults(bundle: Bundle) -> tuple[str, ...]:
    """As `check_files`, with a line for each symbolic link, pipe and device in the bundle as well."""
    stated, found = bundle.manifest.files, dict(_digest_each(bundle.path))
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


def _digest_each(root: Path) -> Iterator[tuple[str, FileDigest | str]]:
    """What lies in a folder but its folders: a file's digest, or what is wrong with anything else."""
    for path in sorted(root.rglob("*")):
        name, mode = path.relative_to(root).as_posix(), path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield name, next(iter(digest_files(path).values()))
        elif stat.S_ISLNK(mode):
            yield name, "is a symbolic link; only regular files belong into a bundle"
        elif not stat.S_ISDIR(mode):
            yield name, "is no regular file"

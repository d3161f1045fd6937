"""Whether what was stored is still what was written: folders sealed with the digests of their files, and sealed text.

A disk loses a sector, a copy breaks off, somebody opens a file and saves it: what is read again is checked first, and
what does not hold is made again. Nobody has to know which folder to delete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from device_profiles.record import Record, dump_json, validate_json
from packager.bundle import FileDigest
from packager.errors import PackagingError
from packager.storage import digest_bytes, digest_files, write_text_atomically

R = TypeVar("R", bound=Record)

SEAL_NAME = ".seal"
"""lines as `sha256sum --check` reads them"""

_whole: dict[Path, tuple[tuple[str, int, int, int], ...]] = {}
"""folder → what the operating system says of its files, at the time they were found whole"""


def seal_folder(folder: Path) -> None:
    """Write down the digests of a folder's files; the last thing that is done before it gets its final name."""
    (folder / SEAL_NAME).write_bytes(_seal(digest_files(folder, bounded=False)))


def is_whole(folder: Path) -> bool:
    """Whether a folder was sealed, and holds what it held then. Files are read once a process, and when they change."""
    try:
        facts = _describe_files(folder)
        if _whole.get(folder) == facts:
            return True
        found = digest_files(folder, bounded=False)
        found.pop(SEAL_NAME, None)
        seal = _seal(found)
        if (folder / SEAL_NAME).stat().st_size != len(seal) or (folder / SEAL_NAME).read_bytes() != seal:
            return False
    except (PackagingError, OSError):  # absent, or no folder of ours
        return False
    _whole[folder] = facts
    return True


def trust_seal(folder: Path) -> None:
    """Take a folder for whole that a worker of ours sealed a moment ago, so that it need not be read."""
    _whole[folder] = _describe_files(folder)


def _seal(digests: Mapping[str, FileDigest]) -> bytes:
    return b"".join(f"{digest.sha256}  ".encode() + os.fsencode(name) + b"\n" for name, digest in digests.items())


def _describe_files(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            status = Path(root, name).lstat()
            found.append((f"{root}/{name}", status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(sorted(found))


def write_sealed_text(path: Path, text: str) -> None:
    """As `write_text_atomically`, with a last line that holds the text's digest."""
    write_text_atomically(path, text + _last_line(text))


def read_sealed_text(path: Path) -> str | None:
    """What `write_sealed_text` wrote; None where nothing is, or not a single sign is as it was."""
    try:
        if not path.is_file():
            return None
        whole = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    text = whole[: -len(_last_line(""))]
    return text if whole == text + _last_line(text) else None


def write_sealed_record(path: Path, record: Record) -> None:
    """As `write_sealed_text`, a record as JSON."""
    write_sealed_text(path, dump_json(record))


def read_sealed_record(path: Path, type_: type[R]) -> R | None:
    """What `write_sealed_record` wrote; None also where it is a record of other code."""
    text = read_sealed_text(path)
    try:
        return None if text is None else validate_json(text, type_, where=str(path), error=PackagingError)
    except PackagingError:
        return None


def _last_line(text: str) -> str:
    return json.dumps({"sha256": digest_bytes(text.encode())}) + "\n"

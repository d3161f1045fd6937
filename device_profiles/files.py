"""The one door for files from outside: regular files of a bounded size, and a message for everything else.

Names come from command lines, recipes, manifests and evaluations, and may be anything: too long, with a zero byte, a
loop of links, a folder, a device that never ends, a pipe that nobody writes to.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Literal

from device_profiles.errors import TestpressError

MOST_TEXT_BYTES = 16 * 2**20
"""of a recipe, profile or manifest: a thousand times what the largest has"""
MOST_MODEL_BYTES = 2**34
"""of a model file: 16 GiB; what phones load is smaller, and FlatBuffers and protobuf end at 2 GiB"""

Kind = Literal["file", "folder", "missing", "other"]


def find_kind(path: Path) -> Kind:
    """What stands at a path, links followed. What cannot be looked at is missing; pipes and devices are other."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a zero byte
        return "missing"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def is_file(path: Path) -> bool:
    """Whether a regular file stands at a path, whatever the path is made of."""
    return find_kind(path) == "file"


def is_folder(path: Path) -> bool:
    """Whether a folder stands at a path, whatever the path is made of."""
    return find_kind(path) == "folder"


def open_file(path: Path, *, error: type[TestpressError]) -> BufferedReader:
    """Open a regular file to be read; nothing else is opened, and nothing waits.

    Raises:
        TestpressError: As `error`; there is no such file, it is no regular file, or it cannot be read.
    """
    try:
        # Looked at first, since opening a device can act on it; without blocking, should it be another thing by then.
        _check_mode(path, path.stat().st_mode, error)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, ValueError) as fault:
        raise error(f"{path}: cannot be read: {_reason(fault)}") from None
    file = os.fdopen(handle, "rb")
    try:
        _check_mode(path, os.fstat(handle).st_mode, error)
    except TestpressError:
        file.close()
        raise
    return file


def read_bytes(path: Path, *, error: type[TestpressError], most: int = MOST_MODEL_BYTES) -> bytes:
    """The contents of a regular file.

    Args:
        path: The file.
        error: The error class to raise.
        most: How many bytes it may hold.

    Raises:
        TestpressError: As `error`; what `open_file` refuses, or more than `most` bytes.
    """
    with open_file(path, error=error) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            data = b"" if size > most else file.read(most + 1)  # files of /proc say 0 and hold something
        except OSError as fault:
            raise error(f"{path}: cannot be read: {_reason(fault)}") from None
    if max(size, len(data)) > most:
        raise error(f"{path}: holds more than {most} bytes, which is no such file; right is a smaller one")
    return data


def read_text(path: Path, *, error: type[TestpressError], most: int = MOST_TEXT_BYTES) -> str:
    """The contents of a regular file of UTF-8; as `read_bytes`."""
    data = read_bytes(path, error=error, most=most)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise error(f"{path}: cannot be read: {fault}; it should be UTF-8") from None


def _check_mode(path: Path, mode: int, error: type[TestpressError]) -> None:
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "no regular file"
    raise error(f"{path}: cannot be read: is {kind}; right is a file")


def _reason(fault: OSError | ValueError) -> str:
    return (fault.strerror or str(fault)) if isinstance(fault, OSError) else str(fault)

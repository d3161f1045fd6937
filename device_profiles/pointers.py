"""Git LFS pointers: the small text that stands in a checkout where the file itself was not fetched."""

from __future__ import annotations

import re
from pathlib import Path

from device_profiles.files import is_file

POINTER_BYTES = 512
"""a pointer is shorter. Source: git-lfs, `docs/spec.md`: less than 1024 bytes, in practice about 130"""

_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v\d\n")
_SIZE = re.compile(rb"(?m)^size (\d{1,18})$")


def describe_pointer(head: bytes) -> str | None:
    """What to say of a file that is a pointer; none where it is not.

    Args:
        head: The file's first `POINTER_BYTES`, or all of it.
    """
    if _POINTER.match(head) is None:
        return None
    size = _SIZE.search(head[:POINTER_BYTES])
    of = "" if size is None else f" of {_size_text(int(size[1]))}"
    return f"is a Git LFS pointer to a file{of}, not the file itself; right is: git lfs pull"


def _size_text(size: int) -> str:
    for step, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


def read_head(path: Path) -> bytes:
    """The first bytes of a regular file, as many as tell what it is; none of what is no file."""
    if not is_file(path):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(POINTER_BYTES)
    except OSError:
        return b""

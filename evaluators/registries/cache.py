"""The user's own cache, which all recipes share: where it lies, and how two processes do not write it at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from packager.disk import refuse_write

CACHE_VARIABLE = "TESTPRESS_CACHE"
"""names another folder than the user's own cache"""


def find_cache() -> Path:
    """The folder that archives and datasets are kept in, for all recipes of a user.

    It is what `TESTPRESS_CACHE` names, else `testpress` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`).
    """
    said = os.environ.get(CACHE_VARIABLE)
    if said:
        return Path(said).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "testpress"


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for a lock; it is the operating system's, and ends with the process that holds it.

    Args:
        path: A file that is made where it is not there, and holds nothing.

    Raises:
        PackagingError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as fault:
        raise refuse_write(path, fault) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

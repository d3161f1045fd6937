"""Private temporary folders: removed with the work they serve, or, where that was killed, by the next run.

A folder's owner holds a lock on a file in it, which the system gives back however the owner ends. A folder whose lock
is free has no owner any more, and whatever still runs for it is ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from packager.errors import PackagingError

MARK = "TESTPRESS_WORKER"
"""environment variable of a worker and all its children: the folder they belong to"""

_PREFIX = "testpress-"
_UNREADY = ".testpress-"
"""before the lock is held a folder has this name, and nobody takes it for abandoned"""
_LOCK = ".lock"
_UNREADY_S = 3600


class Scratch:
    """A temporary folder of one worker, with a folder `tmp` in it for what frameworks write."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            PackagingError: The system's temporary folder cannot be written.
        """
        try:
            unready = Path(tempfile.mkdtemp(prefix=_UNREADY))
            self._lock = (unready / _LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self.path = unready.with_name(_PREFIX + unready.name.removeprefix(_UNREADY))
            unready.rename(self.path)
            self.temporary = self.path / "tmp"
            self.temporary.mkdir()
        except OSError as fault:
            raise PackagingError(
                f"{tempfile.gettempdir()}: cannot be written: {fault.strerror}; set TMPDIR to another folder"
            ) from None

    def remove(self) -> None:
        """End what still runs for it and remove it."""
        end_marked(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep() -> None:
    """Remove this user's folders that nobody owns any more."""
    root = Path(tempfile.gettempdir())
    for path in [*root.glob(f"{_PREFIX}*"), *root.glob(f"{_UNREADY}*")]:
        try:
            if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.getuid():
                continue
            if path.name.startswith(_UNREADY) and time.time() - path.stat().st_mtime < _UNREADY_S:
                continue
            with (path / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_marked(path)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # owned, not ours, or gone between two looks
            continue


def end_marked(folder: Path) -> None:
    """Kill every process of this user that was started for a folder, in whatever group or session it is now."""
    for process in _find_marked(str(folder)):
        try:
            process.kill()
            process.wait(5)
        except psutil.Error:  # it ended by itself, or is not ours
            continue


def _find_marked(folder: str) -> Iterator[psutil.Process]:
    own = os.getpid()
    for process in psutil.process_iter():
        try:
            mark = "" if process.pid == own else process.environ().get(MARK, "")
            if mark == folder or mark.startswith(f"{folder}/"):  # workers start workers, whose folders lie within
                yield process
        except (psutil.Error, OSError):
            continue

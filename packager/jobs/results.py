"""What a worker makes: it writes into a folder of its own, and its parent puts what is finished into place.

A worker that runs a stranger's model so never writes among finished things, and its folder may lie on another machine.
"""

from __future__ import annotations

import contextlib
import filecmp
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from device_profiles.record import Record
from packager.disk import refuse_write
from packager.errors import PackagingError
from packager.storage import PARTIAL, list_files, name_full_disk, put_into_place


class Made(Record):
    """A worker's word that a file or folder of its own is finished; it is put into place before the next event."""

    made: str
    """its name in the worker's folder, one of those that the job expects"""


@contextlib.contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """Inside a worker: make a folder and have it filled; it is gone again when the block fails.

    Raises:
        DiskError: The disk takes no more of what the block writes.
    """
    folder.mkdir()
    try:
        with name_full_disk(folder):
            yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class ResultsFolder:
    """Where one worker writes, beside the places that its results get."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        """Make it.

        Args:
            places: Name in the folder → where the file or folder of that name belongs, all on one file system. A name
                that ends with a slash is a folder whose files are added to what is in its place already.

        Raises:
            PackagingError: It cannot be made.
        """
        self._places = {name: place.absolute() for name, place in places.items()}
        base = next(iter(self._places.values())).parent
        try:
            base.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=".worker.", suffix=PARTIAL, dir=base))
            for name in self._places:
                if name.endswith("/"):
                    (self.path / name).mkdir()
        except OSError as fault:
            raise refuse_write(base, fault) from None

    def take(self, name: str) -> None:
        """Put what a worker made into its place.

        Raises:
            PackagingError: Nobody asked for it, it is not there, it holds a link, or it cannot be put there.
        """
        place = self._find_place(name)
        if (self.path / name).is_symlink():
            raise PackagingError(f"the worker made {name!r} as a symbolic link; right is a file or folder")
        list_files(self.path / name, bounded=False)
        if "/" in name and place.is_file() and filecmp.cmp(self.path / name, place, shallow=False):
            return  # what was finished stays as it is
        put_into_place(self.path / name, place)

    def _find_place(self, name: str) -> Path:
        folder, slash, inner = name.partition("/")
        place = self._places.get(folder + slash)
        if place is None or (slash and (inner in {"", ".."} or Path(inner).name != inner)):
            raise PackagingError(f"the worker made {name!r}, which it was not asked for")
        return place / inner

    def remove(self) -> None:
        """Remove it with all that was not finished."""
        shutil.rmtree(self.path, ignore_errors=True)

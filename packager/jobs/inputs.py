"""What a job reads, by content: an executor may bring it to another machine, and say there where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packager.bundle import FileDigest
from packager.errors import PackagingError
from packager.storage import digest_file, digest_files


@dataclass(frozen=True)
class Input:
    """A file or folder that a job's request names, itself or something in it.

    Attributes:
        path: As the request writes it, absolute.
        names: The files below a folder that the job reads; None where it is all of them.
    """

    path: Path
    names: tuple[str, ...] | None = None

    def digest(self) -> dict[str, FileDigest]:
        """Its files by their names below it; of a file, itself by its own name.

        Raises:
            PackagingError: There is nothing, or what is no regular file.
        """
        if self.names is None:
            return digest_files(self.path, bounded=False)
        found = {}
        for name in self.names:
            try:
                with (self.path / name).open("rb") as file:
                    found[name] = digest_file(file)
            except OSError as fault:
                raise PackagingError(f"{self.path / name}: cannot be read: {fault.strerror}") from None
        return found

    def locate(self, name: str) -> Path:
        """Where a file lies that `digest` named."""
        return self.path if self.path.is_file() else self.path / name


_AS_WRITTEN = frozenset({"spec"})
"""keys of a request under which stands what a recipe says: its text goes into what is made, and is no place to read"""


def relocate(value: Any, places: Mapping[str, str]) -> Any:
    """A request with other paths in it; a recipe's own words stay as they are.

    Args:
        value: What JSON can hold.
        places: Path → what stands in its place, also where it is the beginning of another one; the longest counts.
    """
    if isinstance(value, dict):
        return {key: inner if key in _AS_WRITTEN else relocate(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [relocate(inner, places) for inner in value]
    if not isinstance(value, str) or not value.startswith("/"):
        return value
    for old in sorted(places, key=len, reverse=True):
        if value == old or value.startswith(f"{old}/"):
            return places[old] + value[len(old) :]
    return value

"""The text of a model's licence, which a bundle hands on: as the recipe names it, or of the package the model is in."""

from __future__ import annotations

import functools
import importlib.metadata
from pathlib import Path

from device_profiles.files import read_text
from packager.errors import PackagingError

LICENSE_NAME = "LICENSE.txt"
"""in a bundle"""
_MOST_BYTES = 2**20
_PACKAGE = "pkg://"


def read_license(named: Path | None, uris: tuple[str, ...]) -> str | None:
    """A licence's text; None where none is known.

    Args:
        named: The file that the recipe names.
        uris: Where the model and its weights come from; an installed package's own licence counts for what is in it.

    Raises:
        PackagingError: The file that the recipe names cannot be read as text.
    """
    if named is not None:
        return read_text(named, error=PackagingError, most=_MOST_BYTES)
    for uri in uris:
        if uri.startswith(_PACKAGE):
            found = _read_of_package(uri.removeprefix(_PACKAGE).partition("/")[0])
            if found is not None:
                return found
    return None


@functools.cache
def _read_of_package(module: str) -> str | None:
    for name in importlib.metadata.packages_distributions().get(module, ()):
        distribution = importlib.metadata.distribution(name)
        wanted = {Path(each).name for each in distribution.metadata.get_all("License-File") or ()}
        for file in sorted(distribution.files or (), key=str):
            if file.name in wanted and ".dist-info" in str(file):
                try:
                    return read_text(Path(str(distribution.locate_file(file))), error=PackagingError, most=_MOST_BYTES)
                except PackagingError:
                    continue
    return None

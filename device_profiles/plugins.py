"""What can be added without a line of this tree changed: files and folders of a room, and other packages' entry points.

A room is a package whose files (or folders) each hold one thing of a kind: a format, a target, a task, an executor. A
package of somebody else's offers more of the kind by an entry point of the group `testpress.<kind>`; its name is the
thing's, its value `module:attribute`. Names are listed without importing anything.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.errors import TestpressError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class PluginError(TestpressError):
    """An installed package offers something that cannot be used."""


@dataclass(frozen=True)
class Plugin:
    """One thing of a kind, not loaded yet.

    Attributes:
        name: How recipes and messages name it.
        module: The dotted name of the module that holds it.
        attribute: Its name in that module.
        distribution: The installed package that offers it; None of what is built in.
    """

    name: str
    module: str
    attribute: str
    distribution: str | None = None

    def load(self) -> Any:
        """The thing itself.

        Raises:
            PluginError: Somebody else's module cannot be imported, or does not hold it.
        """
        if self.distribution is None:
            return getattr(importlib.import_module(self.module), self.attribute)
        try:
            return getattr(importlib.import_module(self.module), self.attribute)
        except Exception as fault:
            offer = f"{self.name} = {self.module}:{self.attribute}"
            raise PluginError(f"{self.distribution} offers {offer!r}, which cannot be loaded: {fault}") from fault


@functools.cache
def list_plugins(kind: str, room: Path, attribute: str, *, folders: bool = False) -> Mapping[str, Plugin]:
    """All there are of a kind, by name, sorted; nothing is imported.

    Args:
        kind: For example `formats`; entry points of others stand in the group `testpress.formats`.
        room: The folder of the package whose files and folders are the built-in ones, those with an underscore aside.
        attribute: What each of them calls the thing.
        folders: Whether each is a folder, so that the room's files are something else.

    Raises:
        PluginError: An entry point has a name that cannot be one, or that is taken.
    """
    package = _dotted(room)
    places = [path.parent for path in room.glob("[a-z]*/__init__.py")] if folders else room.glob("[a-z]*.py")
    names = [path.stem for path in places]
    found = {name: Plugin(name, f"{package}.{name}", attribute) for name in names}
    for offer in importlib.metadata.entry_points(group=f"testpress.{kind}"):
        distribution = offer.dist.name if offer.dist is not None else "an installed package"
        if not _NAME.fullmatch(offer.name) or not offer.attr:
            raise PluginError(
                f"{distribution}: the entry point {offer.name!r} of testpress.{kind} should read "
                "name = module:attribute, its name in small letters, digits and underscores"
            )
        if offer.name in found:
            owner = found[offer.name].distribution or "testpress itself"
            raise PluginError(f"{distribution} offers {offer.name!r} of testpress.{kind}, which {owner} has already")
        found[offer.name] = Plugin(offer.name, offer.module, offer.attr, distribution)
    return dict(sorted(found.items()))


def _dotted(room: Path) -> str:
    """The dotted name of a package, by its folder: as many folders up as are packages themselves."""
    parts = [room.name]
    while (room.parent / "__init__.py").is_file():
        room = room.parent
        parts.insert(0, room.name)
    return ".".join(parts)

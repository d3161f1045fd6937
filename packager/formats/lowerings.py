"""How ops are lowered that a format's converter does not know, or lowers badly: one folder a format, one file a family.

Each file has `NAME` and `register()`, which tells the converter; registering again changes nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path


def register_all(format_: str) -> None:
    """Tell a format's converter of every lowering there is for it."""
    for path in sorted((Path(__file__).parent / format_ / "lowerings").glob("[a-z]*.py")):
        importlib.import_module(f"packager.formats.{format_}.lowerings.{path.stem}").register()

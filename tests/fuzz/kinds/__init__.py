"""One module a kind of input, found by its file's name; each is a `Kind`."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import cast

from tests.fuzz.cases import Kind


@functools.cache
def kind_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"))


def load_kind(name: str) -> Kind:
    return cast("Kind", importlib.import_module(f"{__name__}.{name}"))

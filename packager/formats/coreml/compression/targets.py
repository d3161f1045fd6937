"""Deployment targets of Core ML, by name."""

from __future__ import annotations

from typing import Any

from packager.errors import PackagingError
from packager.formats.coreml.mlpackage import import_coremltools


def find_target(name: str) -> Any:
    """A deployment target of coremltools, for example `iOS15`.

    Raises:
        PackagingError: It is unknown.
    """
    targets = import_coremltools().target
    target = getattr(targets, name, None)
    if target is None:
        known = ", ".join(name for name in dir(targets) if name.startswith("iOS"))
        raise PackagingError(f"unknown deployment target {name!r}; known: {known}")
    return target

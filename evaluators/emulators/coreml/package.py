"""An .mlpackage folder or an .mlmodel file: where the specification is and where weights may lie."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import EvaluationError

COMPILED = ".mlmodelc"
"""a model that Core ML compiled: only its interface can be read"""

_MANIFEST = "Manifest.json"


@dataclass(frozen=True)
class ModelPackage:
    """A model on disk."""

    path: Path
    """what the caller named"""
    specification: Path
    """the file that holds the `Model` message"""
    root: Path
    """the folder no weight file may lie outside of"""


def open_package(path: Path) -> ModelPackage:
    """Find the specification of an .mlpackage folder or an .mlmodel file. Nothing but the manifest is read.

    Raises:
        EvaluationError: The path does not exist, is neither, or its manifest is missing or malformed.
    """
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder; expected an .mlpackage folder or an .mlmodel file")
    if path.suffix == COMPILED:
        raise EvaluationError(f"{path}: a compiled model; the .mlpackage or .mlmodel it was compiled from is needed")
    if path.is_file():
        return ModelPackage(path, path, path.parent)
    manifest = path / _MANIFEST
    data = path / "Data"
    item = _root_item(manifest, _read_manifest(manifest))
    try:
        specification = (data / item).resolve()
        exists = specification.is_file()
    except (OSError, ValueError) as fault:  # longer than a path may be, or with a null character
        raise EvaluationError(f"{manifest}: the root model's path {item[:80]!r} is none: {fault}") from None
    if not specification.is_relative_to(data.resolve()):
        raise EvaluationError(f"{manifest}: the root model lies outside the package ({specification})")
    if not exists:
        raise EvaluationError(f"{manifest}: names {specification.relative_to(data.resolve())}, which is not in {data}")
    return ModelPackage(path, specification, data.resolve())


def _read_manifest(manifest: Path) -> dict[str, Any]:
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvaluationError(f"{manifest.parent}: has no {_MANIFEST}, so it is not an .mlpackage folder") from None
    except (OSError, ValueError) as fault:  # ValueError covers text that is neither UTF-8 nor JSON
        raise EvaluationError(f"{manifest}: malformed: {fault}") from None
    if not isinstance(data, dict):
        raise EvaluationError(f"{manifest}: malformed: holds a {type(data).__name__}, expected an object")
    return data


def _root_item(manifest: Path, data: dict[str, Any]) -> str:
    """Path of the root model, relative to the folder `Data`."""
    root, entries = data.get("rootModelIdentifier"), data.get("itemInfoEntries")
    if not isinstance(root, str) or not isinstance(entries, dict):
        raise EvaluationError(f"{manifest}: malformed: needs rootModelIdentifier (text) and itemInfoEntries (object)")
    entry = entries.get(root)
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise EvaluationError(f"{manifest}: malformed: itemInfoEntries has no entry with a path for the root {root!r}")
    return str(entry["path"])

"""What to package: the model a recipe names, found on this machine and fingerprinted, without loading it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from packager.bundle import ModelIdentity
from packager.errors import PackagingError
from packager.storage import digest_tree

Framework = Literal["torch", "tensorflow"]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class OutputSpec(Record):
    """What the recipe says of one output."""

    axes: tuple[str, ...]
    """one word a dimension without the batch, for example ["frame", "pitch"]"""
    aliases: tuple[str, ...] = ()
    """other names of it in ready-made files, for example ["Identity_1"]"""


class ModelSpec(Record):
    """The recipe's [model] section."""

    name: Name
    """a name for people, for example "basic-pitch\""""
    version: Name
    """the model's version, for example "0.4.0\""""
    license: Name
    """the model's licence, for example "Apache-2.0\""""
    source: Name
    """a path, or "pkg://installed_package/path\""""
    framework: Framework | None = None
    """"torch" or "tensorflow"; derived from the file where it can be"""
    signature: str | None = None
    """which signature of a SavedModel; default "serving_default\""""
    outputs: dict[str, OutputSpec]
    """one table an output, bound by name"""

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(name=self.name, version=self.version, license=self.license)


@dataclass(frozen=True)
class ModelSource:
    """A model found: where it is, what loads it, and the digest of its bytes."""

    spec: ModelSpec
    path: Path
    framework: Framework
    sha256: str


def find_source(spec: ModelSpec, base: Path) -> ModelSource:
    """Resolve the recipe's `source` to files.

    Args:
        spec: The recipe's [model] section.
        base: The folder that relative paths start from: the recipe's.

    Raises:
        PackagingError: Nothing is there, or its framework cannot be told.
    """
    path = resolve_path(spec.source, base)
    if not path.exists():
        raise PackagingError(f"model.source: {spec.source!r}: no such file or folder ({path})")
    framework = spec.framework or _derive_framework(path)
    return ModelSource(spec=spec, path=path, framework=framework, sha256=digest_tree(path))


def resolve_path(uri: str, base: Path) -> Path:
    """A path, or `pkg://package/path` inside an installed package (which is not imported), as a path."""
    if not uri.startswith("pkg://"):
        return (base / uri).resolve()
    package, _, inner = uri.removeprefix("pkg://").partition("/")
    if not package.isidentifier():
        raise PackagingError(f"{uri!r}: {package!r} is not a package name; write pkg://installed_package/path")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise PackagingError(
            f"{uri!r}: the package {package!r} is not installed in this environment; install it with pip first"
        )
    root = Path(next(iter(found.submodule_search_locations))).resolve()
    path = (root / inner).resolve()
    if not path.is_relative_to(root):
        raise PackagingError(f"{uri!r}: leads outside the package {package!r}")
    return path


def _derive_framework(path: Path) -> Framework:
    if (path / "saved_model.pb").is_file() or path.suffix in {".keras", ".h5"}:
        return "tensorflow"
    if path.suffix in {".pt", ".pt2"}:
        return "torch"
    raise PackagingError(
        f"model.source: {path}: not a SavedModel folder (no saved_model.pb), .keras, .h5, .pt or .pt2 file, "
        'so its framework cannot be told; say framework = "torch" or "tensorflow"'
    )

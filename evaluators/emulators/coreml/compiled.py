"""Compiled models, as coremltools means them: folders that end in .mlmodelc.

Core ML compiles a model into a folder of its own format. Here such a folder holds the specification and the weights as
they were, under the names the emulator reads. It stands in for Apple's where coremltools insists on one, and is of use
to the emulator only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from evaluators.emulators.coreml.package import open_package
from evaluators.errors import EvaluationError

SUFFIX = ".mlmodelc"
_SPECIFICATION = "model.mlmodel"


def compile_model(path: Path) -> Path:
    """A new folder in the system's temporary folder that holds the model at `path`; it is the caller's to remove.

    Raises:
        EvaluationError: There is no model at `path`, or it is compiled already.
    """
    package = open_package(path)
    folder = _new_folder(path.stem)
    if path.is_dir():
        shutil.copytree(package.specification.parent, folder, dirs_exist_ok=True)
        (folder / package.specification.name).replace(folder / _SPECIFICATION)
    else:
        shutil.copyfile(package.specification, folder / _SPECIFICATION)
    return folder


def compile_bytes(specification: bytes, blobs: Mapping[str, bytes]) -> Path:
    """As `compile_model`, from memory.

    Args:
        specification: A serialized `Model` message.
        blobs: Content of each weight file by its path, relative to the specification, as in `weights/weight.bin`.

    Raises:
        EvaluationError: A path leads out of the folder.
    """
    folder = _new_folder("memory")
    (folder / _SPECIFICATION).write_bytes(specification)
    for name, content in blobs.items():
        file = (folder / name).resolve()
        if not file.is_relative_to(folder.resolve()):
            shutil.rmtree(folder)
            raise EvaluationError(f"blob {name!r} lies outside the model; expected a path such as weights/weight.bin")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def source_of(path: Path) -> Path:
    """What to load for a path that may be a compiled model.

    Raises:
        EvaluationError: It was compiled by Core ML itself.
    """
    if path.suffix != SUFFIX or not path.is_dir():
        return path
    if not (path / _SPECIFICATION).is_file():
        raise EvaluationError(
            f"{path}: compiled by Core ML, which the emulator cannot read; "
            "load the .mlpackage or .mlmodel it was compiled from"
        )
    return path / _SPECIFICATION


def _new_folder(stem: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{stem}-", suffix=SUFFIX))

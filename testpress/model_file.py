"""The model file a command is given: a bundle, a .tflite, an .mlpackage or an .mlmodel, found but not opened."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from device_profiles.files import find_kind, is_file, is_folder
from device_profiles.pointers import POINTER_BYTES, describe_pointer, read_head
from device_profiles.text import shorten
from evaluators.errors import EvaluationError
from evaluators.formats import get_reader, is_folder_suffix, recognise, suffixes
from packager.bundle import MANIFEST_NAME, Bundle, Format, read_bundle
from packager.formats import format_names
from packager.model import resolve_path
from packager.storage import list_files

_RIGHT = "right is a bundle folder, a .tflite file, an .mlpackage folder or an .mlmodel file"

_MOST_NAMES = 8
_MOST_ENTRIES = 1000

_OTHERS = {
    ".mlmodelc": "a compiled Core ML model; name the .mlpackage or .mlmodel it was compiled from",
    ".onnx": "an ONNX model; testpress plays what phones run",
    ".pt": "a PyTorch file; package it first, with a recipe",
    ".pt2": "a PyTorch file; package it first, with a recipe",
    ".pth": "a PyTorch file; package it first, with a recipe",
    ".keras": "a Keras model; package it first, with a recipe",
    ".h5": "a Keras model; package it first, with a recipe",
    ".toml": "a recipe or a profile; name a model",
}


@dataclass(frozen=True)
class ModelFile:
    """A model file and, where it lies in a bundle, the bundle."""

    path: Path
    """the model file or .mlpackage folder itself"""
    format: Format
    bundle: Bundle | None


def locate_model(name: str, *, to_run: bool = True) -> ModelFile:
    """Find a model by its path or `pkg://package/path`.

    Args:
        name: A path.
        to_run: Whether it is to be run or counted, which is not to be had of a compiled Core ML model.

    Raises:
        TestpressError: Nothing is there, it is no model a phone runs, or the bundle's manifest is faulty.
    """
    path = resolve_path(name, Path.cwd()) if name.startswith("pkg://") else Path(name)
    if path.name == MANIFEST_NAME and is_file(path):
        path = path.parent
    kind = find_kind(path)
    if kind == "missing":
        raise EvaluationError(f"{path}: no such file or folder; {_RIGHT}")
    if kind == "folder" and is_file(path / MANIFEST_NAME) and path.suffix not in suffixes():
        return _in_bundle(path)
    head = read_head(path)
    pointer = describe_pointer(head)
    if pointer is not None:
        raise EvaluationError(f"{path}: {pointer}")
    # What a file holds says more than what it is called: .lite, .bin and .task are names of TFLite models too.
    format_ = recognise(head) or suffixes().get(path.suffix)
    if not to_run:
        readers = (get_reader(name) for name in format_names())
        format_ = next((one.name for one in readers if one.interface_suffix == path.suffix), format_)
    if format_ is None:
        raise EvaluationError(f"{path}: {_what_it_is(path)}")
    right = "folder" if is_folder_suffix(path.suffix) else "file"
    if kind != right:
        found = "no regular file" if kind == "other" else f"a {kind}"
        raise EvaluationError(f"{path}: is {found}; right for {path.suffix} is a {right}")
    if kind == "folder":
        list_files(path)  # a link in it, which leads who knows where, is refused before anything is opened
    return ModelFile(path, format_, None)


def _in_bundle(path: Path) -> ModelFile:
    bundle = read_bundle(path)
    list_files(path)
    if find_kind(bundle.model_path) == "missing":
        raise EvaluationError(f"{path}: the manifest names {bundle.manifest.file}, which is not in the bundle")
    return ModelFile(bundle.model_path, bundle.manifest.format, bundle)


def _what_it_is(path: Path) -> str:
    if is_folder(path):
        # No deeper than bundles lie in an output folder: the folder named may be that of the whole disk.
        places = (*path.glob(f"*/{MANIFEST_NAME}"), *path.glob(f"bundles/*/{MANIFEST_NAME}"))
        bundles = sorted(found.parent for found in places)
        if bundles:
            return f"holds bundles, name one of them: {', '.join(map(str, bundles[:_MOST_NAMES]))}"
        if is_file(path / "saved_model.pb"):
            return "a TensorFlow SavedModel; package it first, with a recipe"
    inside = _models_inside(path)
    if inside:
        return f"an archive of models, unpack it and name one of them: {', '.join(inside)}"
    return _OTHERS.get(path.suffix, f"not a model that phones run; {_RIGHT}")


def _models_inside(path: Path) -> list[str]:
    """TFLite models in a zip archive, as MediaPipe packs them into a .task; their names only.

    An archive is known by its end: MediaPipe puts a few bytes before it, so that the models in it are aligned.
    """
    if not is_file(path):
        return []
    try:
        if not zipfile.is_zipfile(path):
            return []
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()[:_MOST_ENTRIES]
            names = [entry.filename for entry in entries if _names_model(archive, entry)]
    except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
        return []
    return [shorten(name) for name in names[:_MOST_NAMES]]


def _names_model(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    if PurePosixPath(entry.filename).suffix in suffixes():
        return True
    if entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:  # encrypted, or to be unpacked to be known
        return False
    with archive.open(entry) as file:
        return recognise(file.read(POINTER_BYTES)) is not None

"""Keras files as the loaders read them: which format a file is, its description, and what its weights refer to.

The loaders' rule, of Keras 3 (`saving_api.load_model`) and of tf-keras (`saving_api.load_model`, `legacy.save`): a name
that ends in `.keras` with a ZIP archive behind it is read as one; else `.h5` and `.hdf5` are HDF5, whatever follows it
in the file, and Keras 2 takes any other file for HDF5 too. Folders, which either would take for something else again,
are not files of Keras here.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from packager.diagnosis import describe_fault
from packager.errors import PackagingError
from packager.sources.archives import check_zip, parse_json

CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_HDF5 = b"\x89HDF\r\n\x1a\n"

_MOST_OBJECTS = 100_000
_FLOOR_BYTES = 2**28
_MOST_EXPANSION = 1000
"""what an array says it holds, against what is stored of it: zeros compress well, and no further"""


def read_config(path: Path) -> Any:
    """The architecture as the loaders read it, after the file was looked at; None where HDF5 holds none.

    Raises:
        PackagingError: It is no Keras file, two formats at once, refers to other files, or would exhaust memory.
    """
    if not path.is_file():
        raise PackagingError(f"{path}: not a Keras file but a folder; give the .keras or .h5 file, or a SavedModel")
    with path.open("rb") as file:
        starts_as_hdf5 = file.read(len(_HDF5)) == _HDF5
    is_archive = zipfile.is_zipfile(path)
    try:
        if is_archive and starts_as_hdf5:
            raise PackagingError(
                f"{path}: is HDF5 and has a ZIP archive after it, so that two readers see two models; give a file "
                "that is one of them"
            )
        if is_archive and path.suffix == ".keras":
            return _read_archive(path)
        if is_archive:
            raise PackagingError(f"{path}: is a ZIP archive, which {path.suffix} files are not; rename it to .keras")
        return _read_hdf5(path)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as fault:
        raise PackagingError(
            f"{path}: not a Keras model; it may be damaged, or hold weights only: {describe_fault(fault)}"
        ) from fault


def _read_archive(path: Path) -> Any:
    names = {member.filename for member in check_zip(path)}
    with zipfile.ZipFile(path) as archive:
        config = parse_json(archive.read(CONFIG), f"{path}: {CONFIG}")
        for name in sorted(name for name in names if name.endswith((".h5", ".hdf5"))):
            check_hdf5(io.BytesIO(archive.read(name)), f"{path}: {name}")
        arrays = sorted(name for name in names if name.endswith(".npz"))
    if arrays and _WEIGHTS not in names:
        raise PackagingError(f"{path}: holds its weights as {arrays[0]}, which are not read; save it with {_WEIGHTS}")
    return config


def _read_hdf5(path: Path) -> Any:
    import h5py  # type: ignore[import-untyped]

    check_hdf5(path, str(path))
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        return None
    if not isinstance(text, str | bytes):
        raise PackagingError(f"{path}: its model_config is a {type(text).__name__}; Keras writes text")
    return parse_json(text, f"{path}: model_config")


def check_hdf5(file: Path | io.BytesIO, where: str) -> None:
    """Refuse an HDF5 file that leads to other files, or whose arrays say they hold far more than is stored.

    Args:
        file: The file, or its bytes.
        where: For messages.

    Raises:
        PackagingError: With the object.
        OSError: It is not HDF5.
    """
    import h5py

    seen = 0

    def look(name: str, link: Any) -> str | None:
        """What is wrong; h5py ends its walk then, and would lose an exception."""
        nonlocal seen
        seen += 1
        if seen > _MOST_OBJECTS:
            return f"has more than {_MOST_OBJECTS} objects, as no model's file has"
        if not isinstance(link, h5py.HardLink):
            return f"has {name!r}, which is a link to another place or file, as Keras writes none"
        is_array = opened.get(name, getclass=True) is h5py.Dataset
        return _judge_array(opened[name]) if is_array else None

    with h5py.File(file, "r") as opened:
        wrong = opened.visititems_links(look)
    if wrong is not None:
        raise PackagingError(f"{where}: {wrong}")


def _judge_array(array: Any) -> str | None:
    if array.external or array.is_virtual:
        return f"has the array {array.name!r}, which lies in another file, as Keras writes none"
    stored = array.id.get_storage_size()
    if array.shape is not None and array.nbytes > max(_FLOOR_BYTES, _MOST_EXPANSION * stored):
        return (
            f"has the array {array.name!r}, which says that it holds {array.nbytes} bytes, of which {stored} are "
            "stored; it is damaged, or made to exhaust memory"
        )
    return None

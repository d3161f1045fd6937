"""Weight files: MIL blob storage, version 2, mapped into memory.

Layout: a 64-byte header (number of blobs, version), then blobs. A blob is a 64-byte record (mark, element type, size in
bytes, offset of the data, padding in bits for packed types) and its data. Source: read from files written by
coremltools' own blob writer, one element type each.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from device_profiles.pointers import POINTER_BYTES, describe_pointer
from evaluators.emulators.coreml.dtypes import DType, unpack
from evaluators.errors import EvaluationError

_HEADER_BYTES = 64
_RECORD = struct.Struct("<IIQQQ")
_MARK = 0xDEADBEEF
_VERSION = 2
_PREFIX = "@model_path/"


class WeightFiles:
    """The weight files of one model. Files are mapped on first use; pages are read when touched."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root.resolve()
        self._maps: dict[str, tuple[Path, np.ndarray]] = {}

    def read(self, file_name: str, offset: int, *, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
        """One blob's elements.

        Args:
            file_name: As the specification spells it; `@model_path/` stands for the specification's folder.
            offset: Of the blob's record, in bytes.
            dtype: The element type the specification promises.
            shape: The shape it promises.

        Returns:
            A view of the mapped file (packed types: a new array) with `shape`.

        Raises:
            EvaluationError: The file is missing, truncated, outside the package, or holds something else there.
        """
        path, data = self._map(file_name)
        where = f"{path}, offset {offset}"
        if dtype.blob_code is None:
            raise EvaluationError(f"{where}: weight files do not hold elements of {dtype.name}")
        if offset < 0 or offset + _RECORD.size > data.size:
            raise EvaluationError(f"{where}: outside the file, which has {data.size} bytes; the file may be truncated")
        mark, code, size, start, _ = _RECORD.unpack(data[offset : offset + _RECORD.size].tobytes())
        if mark != _MARK:
            raise EvaluationError(f"{where}: no weight record begins here (mark {mark:#x}, expected {_MARK:#x})")
        if code != dtype.blob_code:
            raise EvaluationError(f"{where}: holds element type code {code}, expected {dtype.blob_code} ({dtype.name})")
        if start + size > data.size:
            raise EvaluationError(f"{where}: {size} bytes at {start} end after the file ({data.size} bytes): truncated")
        count = math.prod(shape)
        needed = -(-count * dtype.bits // 8)
        if size != needed:
            raise EvaluationError(f"{where}: holds {size} bytes, expected {needed} for {dtype.name} {list(shape)}")
        raw = data[start : start + size]
        if dtype.is_packed:
            return unpack(raw, dtype, count).reshape(shape)
        if start % (dtype.bits // 8):
            raw = raw.copy()  # torch wants its numbers aligned; coremltools aligns blobs to 64 bytes
        return raw.view(dtype.stored).reshape(shape)

    def _path(self, file_name: str) -> Path:
        try:
            path = (self._folder / file_name.removeprefix(_PREFIX)).resolve()
            path.is_file()
        except (OSError, ValueError) as fault:  # longer than a path may be, or with a null character
            raise EvaluationError(f"weight file {file_name[:80]!r} is no path: {fault}") from None
        if not path.is_relative_to(self._root):
            raise EvaluationError(f"weight file {file_name!r} lies outside the package {self._root}; refused")
        return path

    def _map(self, file_name: str) -> tuple[Path, np.ndarray]:
        if file_name in self._maps:
            return self._maps[file_name]
        path = self._path(file_name)
        if not path.is_file():
            raise EvaluationError(f"{path}: weight file is missing; the specification refers to it as {file_name!r}")
        if path.stat().st_size < _HEADER_BYTES:
            raise EvaluationError(
                f"{path}: truncated: {path.stat().st_size} bytes, the header alone has {_HEADER_BYTES}"
            )
        # Copy on write: torch wants writable memory to share, the file must stay as it is.
        data = np.memmap(path, dtype=np.uint8, mode="c")
        pointer = describe_pointer(data[:POINTER_BYTES].tobytes())
        if pointer is not None:
            raise EvaluationError(f"{path}: {pointer}")
        _, version = struct.unpack("<II", data[:8].tobytes())
        if version != _VERSION:
            raise EvaluationError(f"{path}: blob storage version {version}; only version {_VERSION} is known")
        self._maps[file_name] = path, np.asarray(data)  # slices of a plain array are cheaper
        return self._maps[file_name]

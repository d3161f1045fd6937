"""Arrays as files: `.npy` larger than memory, written row by row and read as memory maps, and `.npz` of several."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from packager.errors import PackagingError


class ArrayWriter:
    """A `.npy` file of float32, written plainly, header first and then rows in their order.

    A memory map would do for the same, but a full disk ends the process that writes to one, without a word (SIGBUS).
    A context manager: at its end all rows must be there.
    """

    def __init__(self, path: Path, shape: tuple[int | None, *tuple[int, ...]]) -> None:
        """Begin the file.

        Args:
            path: The file; it must not be there yet.
            shape: Of the whole array, rows first; None for as many as will be written.
        """
        self._path, self._shape = path, shape
        self._n_rows = 0
        self._file = path.open("xb")
        self._write_header(shape[0] or 0)

    def _write_header(self, n_rows: int) -> None:
        # Its length is the same for any number of rows: the format leaves room for the first dimension to grow.
        facts = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, *self._shape[1:])}
        np.lib.format.write_array_header_1_0(self._file, facts)  # type: ignore[no-untyped-call]

    def append(self, rows: npt.NDArray[np.float32]) -> None:
        """Write the next rows, `(rows, …)` in the array's other dimensions."""
        if rows.shape[1:] != self._shape[1:]:
            raise PackagingError(f"{self._path.name}: rows of shape {rows.shape[1:]} in an array of {self._shape}")
        self._file.write(np.ascontiguousarray(rows, "<f4").data)
        self._n_rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if fault is None and self._shape[0] is None:
                self._file.seek(0)
                self._write_header(self._n_rows)
        if fault is None and self._shape[0] not in (None, self._n_rows):
            raise PackagingError(f"{self._path.name}: {self._n_rows} rows were written of {self._shape[0]}")


def drop_batch(values: npt.NDArray[Any], declared: tuple[int | None, ...] | None = None) -> npt.NDArray[Any]:
    """One call's output without its batch of 1, where it has one: a single number, or a bare vector, has none.

    Args:
        values: What a model gave.
        declared: The shape it declares, where that is known; another rank than that has lost its batch already.
    """
    array = np.asarray(values)
    # What a file declares without dimensions, but is no single number, is of a size that it leaves open.
    has_batch = not declared or array.ndim == len(declared)
    return array[0] if array.ndim and array.shape[0] == 1 and has_batch else array


def pack_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays as an .npz holds them, none of them an object; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.save(file, array, allow_pickle=False)
    return buffer.getvalue()

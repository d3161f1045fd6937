"""Arrays larger than memory: `.npy` files written row by row, and read as memory maps."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from packager.errors import PackagingError


class ArrayWriter:
    """A `.npy` file of float32, written plainly, header first and then rows in their order.

    A memory map would do for the same, but a full disk ends the process that writes to one, without a word (SIGBUS).
    A context manager: at its end all rows must be there.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        """Begin the file.

        Args:
            path: The file; it must not be there yet.
            shape: Of the whole array, rows first.
        """
        self._path, self._shape = path, shape
        self._n_rows = 0
        self._file = path.open("xb")
        facts = {"descr": "<f4", "fortran_order": False, "shape": shape}
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
        self._file.close()
        if fault is None and self._n_rows != self._shape[0]:
            raise PackagingError(f"{self._path.name}: {self._n_rows} rows were written of {self._shape[0]}")

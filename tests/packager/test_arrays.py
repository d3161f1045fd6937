from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packager.arrays import ArrayWriter
from packager.errors import DiskError, PackagingError
from packager.storage import stage_folder
from tests.small_disks import small_disk


@pytest.mark.parametrize("shape", [(5, 2, 3), (1, 7), (4,), (0, 3), (3, 0)])
def test_rows_become_the_array_that_numpy_reads(shape: tuple[int, ...], tmp_path: Path) -> None:
    expected = np.random.default_rng(1123).normal(size=shape).astype(np.float32)
    with ArrayWriter(tmp_path / "x.npy", shape) as writer:
        for start in range(0, len(expected), 2):
            writer.append(expected[start : start + 2])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", mmap_mode="r") if expected.size else expected, expected)
    np.save(tmp_path / "numpy.npy", expected)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_rows_may_lie_in_memory_in_any_order(tmp_path: Path) -> None:
    expected = np.arange(12, dtype=np.float32).reshape(3, 4).T
    with ArrayWriter(tmp_path / "x.npy", (4, 3)) as writer:
        writer.append(expected)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)


@pytest.mark.parametrize("n_rows", [0, 2, 4])
def test_rows_that_are_missing_or_too_many_are_told(n_rows: int, tmp_path: Path) -> None:
    with (
        pytest.raises(PackagingError, match=rf"x\.npy: {n_rows} rows were written of 3"),
        ArrayWriter(tmp_path / "x.npy", (3, 2)) as writer,
    ):
        writer.append(np.zeros((n_rows, 2), np.float32))


def test_rows_of_another_shape_are_told(tmp_path: Path) -> None:
    with (
        pytest.raises(PackagingError, match=r"x\.npy: rows of shape \(3,\) in an array of \(2, 2\)"),
        ArrayWriter(tmp_path / "x.npy", (2, 2)) as writer,
    ):
        writer.append(np.zeros((2, 3), np.float32))


def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        with (
            pytest.raises(DiskError) as caught,
            stage_folder(disk.path / "one") as stage,
            ArrayWriter(stage / "x.npy", (1000, 1000)) as writer,
        ):
            for _ in range(1000):
                writer.append(np.ones((1, 1000), np.float32))
        assert str(caught.value) == (
            f"{disk.path}: no space left on the device: nothing more can be written; "
            "free some or choose another folder with -o"
        )
        assert list(disk.path.iterdir()) == []

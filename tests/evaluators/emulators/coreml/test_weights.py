from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.emulators.coreml.dtypes import dtype_named, unpack
from evaluators.emulators.coreml.weights import WeightFiles
from evaluators.errors import EvaluationError

from .programs import weight_file

NAME = "@model_path/weights/weight.bin"


def write(folder: Path, data: bytes) -> WeightFiles:
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "weight.bin").write_bytes(data)
    return WeightFiles(folder, folder)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_elements_come_back(tmp_path: Path, dtype: str) -> None:
    known = dtype_named(dtype)
    values = np.arange(6, dtype=known.stored).reshape(2, 3)
    assert known.blob_code is not None
    files = write(tmp_path, weight_file(values.tobytes(), known.blob_code))
    np.testing.assert_array_equal(files.read(NAME, 64, dtype=known, shape=(2, 3)), values)


GOOD = weight_file(np.arange(6, dtype=np.float32).tobytes(), 2)


@pytest.mark.parametrize(
    ("data", "offset", "message"),
    [
        (GOOD[:-1], 64, "truncated"),
        (GOOD[:40], 64, "truncated: 40 bytes, the header alone has 64"),
        (GOOD, len(GOOD), "outside the file, which has 152 bytes"),
        (GOOD, 2**62, "outside the file"),
        (GOOD, 72, "no weight record begins here"),
        (weight_file(b"\0" * 24, 1), 64, r"element type code 1, expected 2 \(float32\)"),
        (weight_file(b"\0" * 24, 2, version=1), 64, "version 1; only version 2"),
        (weight_file(b"\0" * 20, 2), 64, r"holds 20 bytes, expected 24 for float32 \[2, 3\]"),
        (weight_file(b"\0" * 24, 2, size=2**63), 64, "truncated"),
    ],
)
def test_damage_is_named(tmp_path: Path, data: bytes, offset: int, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        write(tmp_path, data).read(NAME, offset, dtype=dtype_named("float32"), shape=(2, 3))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"weight\.bin: weight file is missing"):
        WeightFiles(tmp_path, tmp_path).read(NAME, 64, dtype=dtype_named("float32"), shape=(1,))


@pytest.mark.parametrize("name", ["@model_path/../outside.bin", "/etc/hostname", "@model_path//etc/hostname"])
def test_files_outside_the_package_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.bin").write_bytes(GOOD)
    folder = tmp_path / "package"
    folder.mkdir()
    with pytest.raises(EvaluationError, match="outside the package"):
        WeightFiles(folder, folder).read(name, 64, dtype=dtype_named("float32"), shape=(2, 3))


def test_a_link_out_of_the_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(GOOD)
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "weight.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(EvaluationError, match="outside the package"):
        WeightFiles(folder, folder).read("@model_path/weight.bin", 64, dtype=dtype_named("float32"), shape=(2, 3))


@given(st.sampled_from([1, 2, 3, 4, 6]), st.lists(st.integers(0, 63), min_size=1, max_size=40))
def test_packed_elements_fill_bytes_from_the_lowest_bit_up(bits: int, numbers: list[int]) -> None:
    values = [number % (1 << bits) for number in numbers]
    whole = sum(value << (i * bits) for i, value in enumerate(values))
    packed = whole.to_bytes(-(-len(values) * bits // 8), "little")
    found = unpack(np.frombuffer(packed, np.uint8), dtype_named(f"uint{bits}"), len(values))
    assert found.tolist() == values


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("count", [0, 1, 7, 32_768, 32_769, 100_003])
def test_many_packed_elements_come_back(bits: int, count: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, count, dtype=np.uint8)
    by_bit = (values[:, None] >> np.arange(bits, dtype=np.uint8)) & 1
    found = unpack(np.packbits(by_bit, bitorder="little"), dtype_named(f"uint{bits}"), count)
    np.testing.assert_array_equal(found, values)


def test_numbers_that_lie_askew_are_read(tmp_path: Path) -> None:
    values = np.array([1.5, -2, 3], np.float32)
    data = weight_file(b"?" + values.tobytes(), 2, size=12)
    askew = data[:80] + (129).to_bytes(8, "little") + data[88:]
    found = write(tmp_path, askew).read(NAME, 64, dtype=dtype_named("float32"), shape=(3,))
    np.testing.assert_array_equal(found, values)
    assert found.ctypes.data % 4 == 0


def test_reading_does_not_change_the_file(tmp_path: Path) -> None:
    found = write(tmp_path, GOOD).read(NAME, 64, dtype=dtype_named("float32"), shape=(2, 3))
    found += 1
    assert (tmp_path / "weights" / "weight.bin").read_bytes() == GOOD


@pytest.mark.parametrize("name", ["bool", "int64", "float64"])
def test_types_weight_files_do_not_hold_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvaluationError, match=f"weight files do not hold elements of {name}"):
        write(tmp_path, GOOD).read(NAME, 64, dtype=dtype_named(name), shape=(3,))


@pytest.mark.parametrize(("dtype", "code"), [("uint1", 9), ("uint3", 12), ("uint6", 13), ("int4", 8), ("float16", 1)])
def test_shapes_the_bytes_cannot_fill_are_refused(tmp_path: Path, dtype: str, code: int) -> None:
    files = write(tmp_path, weight_file(bytes(6), code))
    with pytest.raises(EvaluationError, match=f"holds 6 bytes, expected [0-9]+ for {dtype}"):
        files.read(NAME, 64, dtype=dtype_named(dtype), shape=(1 << 40, 1 << 20))


def test_int4_has_a_sign() -> None:
    assert unpack(np.array([0x8F, 0x70], np.uint8), dtype_named("int4"), 4).tolist() == [-1, -8, 0, 7]


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.parametrize(
    ("writer", "dtype", "values"),
    [
        ("float", "float32", np.array([1.5, -2, 3], np.float32)),
        ("int8", "int8", np.array([1, -2, 3], np.int8)),
        ("uint16", "uint16", np.array([1, 2, 65535], np.uint16)),
        ("int4", "int4", np.array([1, -8, 7], np.int8)),
        ("uint6", "uint6", np.array([1, 63, 7], np.uint8)),
        ("uint3", "uint3", np.array([1, 7, 5], np.uint8)),
        ("uint1", "uint1", np.array([1, 0, 1], np.uint8)),
    ],
)
def test_what_coremltools_writes_is_read(
    tmp_path: Path, coremltools: Any, writer: str, dtype: str, values: np.ndarray
) -> None:
    storage = pytest.importorskip("coremltools.libmilstoragepython")
    (tmp_path / "weights").mkdir()
    blobs = storage._BlobStorageWriter(str(tmp_path / "weights" / "weight.bin"))
    blobs.write_float_data(np.ones(5, np.float32))
    offset = getattr(blobs, f"write_{writer}_data")(values)
    del blobs
    found = WeightFiles(tmp_path, tmp_path).read(NAME, offset, dtype=dtype_named(dtype), shape=(3,))
    np.testing.assert_array_equal(found, values)

"""Compressed weights against the examples of the MIL documentation, and against its formulas element by element."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.ops import compression as ops
from evaluators.emulators.coreml.program import ValueType
from evaluators.errors import EvaluationError

from .programs import Blob, Op, Program, set_blob, set_value, weight_file, write_package

A, B = (1.0, 2.0, 3.0), (-1.0, -2.0, -3.0)


def t(values: Any, dtype: Any = np.float32) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype))


def bytes_of(values: Any) -> torch.Tensor:
    return t(values, np.uint8)


def declared(*shapes: Sequence[int], dtype: str = "float32") -> list[ValueType]:
    return [ValueType("tensor", dtype_named(dtype), tuple(shape)) for shape in shapes]


# Palettes


@pytest.mark.parametrize(
    ("entries", "packed", "shape", "indices"),
    [
        # The documentation's example of 2 bits: i0 = 0, i1 = 3, i2 = 2, i3 = 1, i4 = 3.
        (4, [0b01101100, 0b00000011], [5], [0, 3, 2, 1, 3]),
        (2, [0b10000001], [2, 4], [1, 0, 0, 0, 0, 0, 0, 1]),
        (16, [0x21, 0xF3], [4], [1, 2, 3, 15]),
        # 6 bits: the second index has two bits in the first byte and four in the second.
        (64, [0b01_000001, 0b0010_1000, 0b111111_01], [4], [1, 33, 18, 63]),
        (256, [0, 255, 7], [3, 1], [0, 255, 7]),
    ],
)
def test_packed_indices_choose_from_a_palette(entries: int, packed: list[int], shape: list[int], indices: Any) -> None:
    lut = np.arange(entries, dtype=np.float32) * 0.5 - 3
    found = ops.constexpr_lut_to_dense_16(bytes_of(packed), t(lut), shape, declared(shape))
    np.testing.assert_array_equal(found.numpy(), lut[indices].reshape(shape))


GROUPED = np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float32).reshape(2, 1, 4, 1)
PAIR = np.array([A, B], np.float32).reshape(1, 1, 1, 2, 3)
CUBE = [[[0, 0], [1, 0]], [[1, 1], [0, 0]]]


@pytest.mark.parametrize(
    ("indices", "lut", "axis", "expected"),
    [
        ([[2, 3], [3, 0], [1, 0], [3, 0], [2, 1], [0, 3]], GROUPED, None,
         [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]),
        (CUBE, PAIR, 1, [[[1, 1], [2, 2], [3, 3], [-1, 1], [-2, 2], [-3, 3]],
                         [[-1, -1], [-2, -2], [-3, -3], [1, 1], [2, 2], [3, 3]]]),
        (CUBE, PAIR, 2, [[[*A, *A], [*B, *A]], [[*B, *B], [*A, *A]]]),
        (CUBE, PAIR, -1, [[[*A, *A], [*B, *A]], [[*B, *B], [*A, *A]]]),
        (np.zeros((0, 2)), GROUPED[:1], None, np.zeros((0, 2))),
    ],
    ids=["groups", "vectors along axis 1", "along axis 2", "along the last", "empty"],
)  # fmt: skip
def test_the_documented_palettes(indices: Any, lut: np.ndarray, axis: int | None, expected: Any) -> None:
    wanted = np.array(expected, np.float32)
    found = ops.constexpr_lut_to_dense(bytes_of(indices), t(lut), declared(wanted.shape), axis)
    np.testing.assert_array_equal(found.numpy(), wanted)


BLOCKS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4)
"""blocks and block length of each axis"""


def shapes_of(blocks: list[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(count * length for count, length in blocks), tuple(count for count, _ in blocks)


def places(shape: Sequence[int]) -> Any:
    return itertools.product(*(range(size) for size in shape))


def block_of(place: Sequence[int], blocks: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(i // length for i, (_, length) in zip(place, blocks, strict=True))


@pytest.mark.slow
@given(BLOCKS, st.integers(1, 3), st.data())
def test_every_index_chooses_from_its_blocks_palette(blocks: Any, vector: int, data: st.DataObject) -> None:
    shape, counts = shapes_of(blocks)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(0)
    indices, lut = rng.integers(0, 4, shape), rng.standard_normal((*counts, 4, vector)).astype(np.float32)
    wide = list(shape)
    wide[axis] *= vector
    expected = np.empty(wide, np.float32)
    for place in places(wide):
        source = list(place)
        source[axis] //= vector
        entry = lut[block_of(source, blocks)][indices[tuple(source)]]
        expected[place] = entry[place[axis] % vector]
    found = ops.constexpr_lut_to_dense(bytes_of(indices), t(lut), declared(wide), axis)
    np.testing.assert_array_equal(found.numpy(), expected)


# Scales and offsets


@given(BLOCKS, st.booleans(), st.sampled_from(["float16", "float32"]))
def test_every_element_is_scaled_by_its_block(blocks: Any, with_offset: bool, dtype: str) -> None:
    shape, counts = shapes_of(blocks)
    rng = np.random.default_rng(1)
    data, offset = rng.integers(-128, 128, shape).astype(np.int8), rng.integers(-128, 128, counts).astype(np.int8)
    scale = rng.uniform(0.01, 3, counts).astype(dtype)
    expected = np.empty(shape, dtype)
    for place in places(shape):
        block = block_of(place, blocks)
        shifted = int(data[place]) - (int(offset[block]) if with_offset else 0)
        expected[place] = np.float64(scale[block]) * shifted  # exact in float64, rounded once
    found = ops.constexpr_blockwise_shift_scale(
        t(data, np.int8), t(scale), declared(shape, dtype=dtype), t(offset, np.int8) if with_offset else None
    )
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        ((100_000,), (1,)),
        ((100_000,), (2,)),
        ((3, 40_000), (3, 1)),
        ((3, 40_000), (1, 1250)),
        ((700, 128), (7, 4)),
        ((2, 5, 7001), (2, 5, 1)),
        ((1, 1, 70_000), (1, 1, 70_000)),
    ],
)
def test_large_weights_are_the_same_in_pieces(shape: tuple[int, ...], counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(0, 256, shape, dtype=np.uint8)
    scale = rng.uniform(0.01, 3, counts).astype(np.float32)
    offset = rng.integers(0, 256, counts, dtype=np.uint8)
    repeats = [size // count for size, count in zip(shape, counts, strict=True)]
    full = (
        np.kron(scale, np.ones(repeats, np.float32)),
        np.kron(offset.astype(np.float32), np.ones(repeats, np.float32)),
    )
    found = ops.constexpr_blockwise_shift_scale(bytes_of(data), t(scale), declared(shape), bytes_of(offset))
    np.testing.assert_array_equal(found.numpy(), (data.astype(np.float32) - full[1]) * full[0])
    lut = rng.standard_normal((*counts, 256, 1)).astype(np.float32)
    blocks = np.kron(np.arange(scale.size).reshape(counts), np.ones(repeats, np.int64))
    chosen = ops.constexpr_lut_to_dense(bytes_of(data), t(lut), declared(shape))
    np.testing.assert_array_equal(chosen.numpy(), lut.reshape(-1, 256)[blocks, data])


@pytest.mark.parametrize(
    ("data", "zero_point", "scale", "axis", "expected"),
    [
        (t([[1, 2], [3, 255]], np.uint8), bytes_of(1), t(0.5), 0, [[0, 0.5], [1, 127]]),
        (t([[-128, 127], [0, 1]], np.int8), t([-128, 1], np.int8), t([2, 3]), 1, [[0, 378], [256, 0]]),
        (t([[-128, 127], [0, 1]], np.int8), t(0, np.int8), t([2, 3]), -2, [[-256, 254], [0, 3]]),
        (t([7], np.int8), t(0.5), t(2.0), 0, [13]),
        (t([[1, 2]], np.int8), t([1, 2], np.int8), t(4.0), 1, [[0, 0]]),
    ],
    ids=["numbers", "along axis 1", "along axis -2", "float zero point", "one scale, two zero points"],
)
def test_affine_dequantization(data: Any, zero_point: Any, scale: Any, axis: int, expected: Any) -> None:
    found = ops.constexpr_affine_dequantize(data, zero_point, scale, axis, declared(data.shape))
    np.testing.assert_array_equal(found.numpy(), np.array(expected, np.float32))


# Sparse weights

MASK = [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]]
CHOICES = [0, 1, 1, 0, 1, 1, 0, 0, 1]


def test_a_bit_mask_places_values() -> None:
    found = ops.constexpr_sparse_to_dense_16(t([5.0, 7.0]), bytes_of([0b00001100]), [5], declared([5]))
    assert found.tolist() == [0, 0, 5, 7, 0]


def test_a_mask_places_values() -> None:
    found = ops.constexpr_sparse_to_dense(t([5, -7], np.int8), bytes_of([[0, 1], [1, 0]]), declared([2, 2]))
    assert found.dtype == torch.int8
    assert found.tolist() == [[0, 5], [-7, 0]]


def test_sparse_indices_choose_numbers() -> None:
    mask, values = ops.constexpr_lut_to_sparse(
        bytes_of(MASK), bytes_of(CHOICES), t([2, 3]).reshape(1, 1, 2, 1), declared([4, 6], [9])
    )
    assert mask.tolist() == MASK
    assert values.tolist() == [2, 3, 3, 2, 3, 3, 2, 2, 3]


def test_sparse_indices_choose_vectors() -> None:
    lut = t([[2, -2], [3, -3]]).reshape(1, 1, 2, 2)
    mask, values = ops.constexpr_lut_to_sparse(
        bytes_of(MASK), bytes_of(CHOICES), lut, declared([8, 6], [18]), vector_axis=0
    )
    assert mask.tolist() == [row for row in MASK for _ in range(2)]
    # Row by row of the widened mask: the first numbers of a row's vectors, then their second numbers.
    assert values.tolist() == [2, 3, -2, -3, 3, 2, 3, -3, -2, -3, 3, 2, 2, -3, -2, -2, 3, -3]


def test_sparse_values_are_scaled_as_they_would_lie() -> None:
    mask = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
    found, values = ops.constexpr_sparse_blockwise_shift_scale(
        bytes_of(mask),
        bytes_of([10, 11, 3, 4, 5, 6, 7, 8, 9]),
        t([[0.1, 0.2, 0.3, 0.4]]),
        declared([4, 4], [9]),
        bytes_of([[1, 2, 3, 4]]),
    )
    assert found.tolist() == mask
    np.testing.assert_allclose(values.numpy(), [0.9, 1.8, 0.2, 0.4, 0.6, 0.9, 1.2, 0.7, 1.4], rtol=1e-6)


# What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.constexpr_lut_to_dense_16(bytes_of([0]), t([0, 1]), [9], declared([9])),
         "'indices' has 1 bytes, expected 2 for 9 times 1 bits"),
        (lambda: ops.constexpr_lut_to_dense_16(bytes_of([0]), t([0, 1]), [1 << 40], declared([1 << 40])),
         "'indices' has 1 bytes, expected 137438953472"),
        (lambda: ops.constexpr_lut_to_dense_16(bytes_of([0]), t([0, 1, 2]), [8], declared([8])),
         "a palette of 3; expected 2, 4, 16, 64 or 256"),
        (lambda: ops.constexpr_sparse_to_dense_16(t([1]), bytes_of([1]), [1 << 40], declared([1 << 40])),
         "'mask' has 1 bytes, expected 137438953472"),
        (lambda: ops.constexpr_sparse_to_dense_16(t([1, 2]), bytes_of([1]), [8], declared([8])),
         r"the mask has 1 ones for nonzero data of shape \[2\]"),
        (lambda: ops.constexpr_sparse_to_dense(t([1]), bytes_of([1, 0]), declared([3])),
         r"make shape \[2\], the file declares \[3\]"),
        (lambda: ops.constexpr_lut_to_dense(bytes_of([4]), t(np.zeros((1, 4, 1))), declared([1])),
         "index 4 is outside a palette of 4 entries"),
        (lambda: ops.constexpr_lut_to_dense(bytes_of([0, 0]), t(np.zeros((1, 2, 3))), declared([6])),
         "vectors of 3 need a vector_axis from -1 to 0, found None"),
        (lambda: ops.constexpr_lut_to_dense(bytes_of([0, 0]), t(np.zeros((1, 2, 1 << 20))), declared([2]), 0),
         r"make shape \[2097152\], the file declares \[2\]"),
        (lambda: ops.constexpr_lut_to_dense(bytes_of([0, 0]), t(np.zeros((2, 1))), declared([2])),
         "expected rank 3 for indices of rank 1"),
        (lambda: ops.constexpr_lut_to_dense(bytes_of([0, 0, 0]), t(np.zeros((2, 2, 1))), declared([3])),
         r"\[2\] blocks do not divide a tensor of shape \[3\]"),
        (lambda: ops.constexpr_blockwise_shift_scale(t([1], np.int8), t([1]), declared([1]), t([1, 1], np.int8)),
         r"offset has shape \[2\], expected the scale's \[1\]"),
        (lambda: ops.constexpr_affine_dequantize(t([1], np.int8), t(0, np.int8), t(1.0), 1, declared([1])),
         "axis 1; expected -1 to 0"),
        (lambda: ops.constexpr_cast(t([1]), "fp16", declared([1])), "output_dtype 'fp16'; expected fp32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        call()


# Whole files


def compressed(kind: str, operands: Any, *, opset: str, dtype: str = "float32", as_attributes: bool = False) -> Any:
    """`y = x + weight`, the weight (2, 4) compressed; operands are attributes, as before iOS 18, or inputs."""
    add = Op("add", {"x": "x", "y": "w"}, "y", dtype=dtype, shape=(2, 4))
    program = Program([Op(kind, {}, "w", dtype=dtype, shape=(2, 4)), add], {"y": (dtype, (2, 4))}, opset=opset)
    program.inputs = {"x": (dtype, (2, 4))}
    message = program.message()
    target = message.mlProgram.functions["main"].block_specializations[opset].operations[0]
    for name, operand in operands.items():
        value = target.attributes[name] if as_attributes else target.inputs[name].arguments.add().value
        set_blob(value, operand) if isinstance(operand, Blob) else set_value(value, operand)
    return message


def test_operands_are_attributes_before_ios_18(tmp_path: Path) -> None:
    operands = {
        "quantized_data": Blob("uint8", (2, 4)),
        "zero_point": np.array([0, 4], np.uint8),
        "scale": np.array([0.5, 2], np.float32),
        "axis": np.int32(0),
    }
    message = compressed("constexpr_affine_dequantize", operands, opset="CoreML6", as_attributes=True)
    path = write_package(tmp_path, message, weight_file(bytes(range(8)), 3))
    found = CoreMLModel(path).predict({"x": np.full((2, 4), 10, np.float32)})["y"]
    np.testing.assert_array_equal(found, [[10, 10.5, 11, 11.5], [10, 12, 14, 16]])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_operands_are_inputs_from_ios_18(tmp_path: Path, dtype: str) -> None:
    operands = {"data": Blob("int4", (2, 4)), "scale": np.array([[0.1, 3], [1, 2]], dtype)}
    message = compressed("constexpr_blockwise_shift_scale", operands, opset="CoreML8", dtype=dtype)
    path = write_package(tmp_path, message, weight_file(bytes([0x87, 0xF0, 0x21, 0x43]), 8))
    found = CoreMLModel(path).predict({"x": np.zeros((2, 4), dtype)})["y"]
    data = np.array([[7, -8, 0, -1], [1, 2, 3, 4]])
    scale = np.repeat(np.array([[0.1, 3], [1, 2]], dtype), 2, axis=1).astype(np.float64)
    np.testing.assert_array_equal(found, (data * scale).astype(dtype))


def test_a_declared_shape_the_operands_do_not_make_is_refused(tmp_path: Path) -> None:
    operands = {"data": Blob("int4", (2, 2)), "scale": np.ones((1, 1), np.float32)}
    message = compressed("constexpr_blockwise_shift_scale", operands, opset="CoreML8")
    path = write_package(tmp_path, message, weight_file(bytes([0, 0]), 8))
    with pytest.raises(EvaluationError, match=r"make shape \[2, 2\], the file declares \[2, 4\]"):
        CoreMLModel(path)


def test_an_operand_the_op_does_not_have_is_refused(tmp_path: Path) -> None:
    operands = {"data": np.ones((2, 4), np.float32), "scale": np.ones((1, 1), np.float32), "bias": np.float32(1)}
    path = write_package(tmp_path, compressed("constexpr_blockwise_shift_scale", operands, opset="CoreML8"))
    with pytest.raises(EvaluationError, match="parameter 'bias' is unknown"):
        CoreMLModel(path)


# What coremltools writes

HALVES = np.arange(-4, 4, dtype=np.float32) / 2
BY_NUMBER = np.arange(8, dtype=np.uint8).reshape(2, 4)


def builder(kind: str, **operands: Any) -> Callable[..., Any]:
    return lambda mb, x: mb.add(x=x, y=getattr(mb, kind)(**operands))


def of_type(values: Any, name: str) -> np.ndarray:
    """An array of one of coremltools' narrow types."""
    from coremltools.converters.mil.mil import types

    return np.array(values).astype(types.string_to_nptype(name))


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.parametrize(
    ("target", "make", "expected"),
    [
        ("iOS16", lambda: builder("constexpr_lut_to_dense", indices=np.array([0xE4, 0x1B], np.uint8),
                                  lut=HALVES[:4], shape=np.array([2, 4], np.uint32)),
         [HALVES[:4], HALVES[3::-1]]),
        ("iOS16", lambda: builder("constexpr_sparse_to_dense", nonzero_data=HALVES[:2],
                                  mask=np.array([0x81], np.uint8), shape=np.array([2, 4], np.uint32)),
         [[-2, 0, 0, 0], [0, 0, 0, -1.5]]),
        ("iOS16", lambda: builder("constexpr_cast", source_val=HALVES.reshape(2, 4).astype(np.float16),
                                  output_dtype="fp32"),
         HALVES.reshape(2, 4)),
        ("iOS18", lambda: builder("constexpr_blockwise_shift_scale", data=of_type(BY_NUMBER, "uint4"),
                                  scale=HALVES[:2].reshape(1, 2), offset=of_type([[1, 2]], "uint4")),
         [[2, 0, 0, -1.5], [-6, -8, -6, -7.5]]),
        ("iOS18", lambda: builder("constexpr_lut_to_dense", indices=of_type(BY_NUMBER, "uint3"),
                                  lut=HALVES.reshape(1, 1, 8, 1)),
         HALVES.reshape(2, 4)),
        ("iOS18", lambda: builder("constexpr_sparse_to_dense", nonzero_data=HALVES[:2],
                                  mask=of_type([[0, 1, 0, 0], [0, 0, 1, 0]], "uint1")),
         [[0, -2, 0, 0], [0, 0, -1.5, 0]]),
    ],
)  # fmt: skip
def test_what_coremltools_writes_is_read(run_mil: Any, target: str, make: Callable[[], Any], expected: Any) -> None:
    (found,) = run_mil(make(), {"x": np.ones((2, 4), np.float32)}, target)
    np.testing.assert_array_equal(found, np.array(expected) + 1)

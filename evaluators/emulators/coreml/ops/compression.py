"""Compressed weights, made dense once, when a program is loaded. Source: iOS16/constexpr_ops.py, iOS18/compression.py.

`declared` is the type the file declares for each output: what does not fit it is refused before memory is taken for
it. Dense weights are made some rows at a time, so that what lies between stays in the processor's cache and is never as
large as the result. The formula is computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from evaluators.emulators.coreml.dtypes import dtype_named, unpack
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.program import ValueType
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

_PIECE = (1 << 15) - 1
"""elements made at a time: one fewer than make torch wake its other threads, which costs more than it brings"""
_PALETTE_BITS = {2: 1, 4: 2, 16: 4, 64: 6, 256: 8}
"""entries of an iOS 16 palette → bits of an index"""


@op("constexpr_affine_dequantize", since=16, exact=True)
def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int, declared: list[ValueType]
) -> Tensor:
    """`scale · (quantized_data - zero_point)` (iOS16); both are one number, or one for each index of `axis`."""
    rank = quantized_data.ndim
    if not -rank <= axis < rank:
        raise EvaluationError(f"constexpr_affine_dequantize has axis {axis}; expected {-rank} to {rank - 1}")
    along = [-1 if i == axis % rank else 1 for i in range(rank)]
    counts = [max(scale.numel(), zero_point.numel()) if size == -1 else 1 for size in along]
    scales, offsets = (values.reshape(along).expand(counts) for values in (scale, zero_point))
    return _scaled(quantized_data, scales, offsets, declared[0])


@op("constexpr_cast", since=16, exact=True)
def constexpr_cast(source_val: Tensor, output_dtype: str, declared: list[ValueType]) -> Tensor:
    """The same values as float32 (iOS16)."""
    if output_dtype != "fp32":
        raise EvaluationError(f"constexpr_cast has output_dtype {output_dtype!r}; expected fp32")
    _check_shape(source_val.shape, declared[0])
    return source_val


@op("constexpr_lut_to_dense", since=16, exact=True)
def constexpr_lut_to_dense_16(indices: Tensor, lut: Tensor, shape: list[int], declared: list[ValueType]) -> Tensor:
    """`lut[indices]` (iOS16); the indices are packed into bytes, from the lowest bit up."""
    _check_shape(shape, declared[0])
    bits = _PALETTE_BITS.get(lut.numel())
    if bits is None:
        raise EvaluationError(f"constexpr_lut_to_dense has a palette of {lut.numel()}; expected 2, 4, 16, 64 or 256")
    count = math.prod(shape)
    _check_packed(indices, count, bits=bits, parameter="indices")
    dense = indices
    if bits < 8:
        dense = torch.from_numpy(unpack(indices.numpy(), dtype_named(f"uint{bits}"), count))
    return _chosen(dense.reshape(shape), lut.reshape([*(1 for _ in shape), -1, 1]))


@op("constexpr_sparse_to_dense", since=16, exact=True)
def constexpr_sparse_to_dense_16(
    nonzero_data: Tensor, mask: Tensor, shape: list[int], declared: list[ValueType]
) -> Tensor:
    """Zeros, and `nonzero_data` in order where a bit is set in `mask` (iOS16), packed from the lowest bit up."""
    _check_shape(shape, declared[0])
    count = math.prod(shape)
    _check_packed(mask, count, bits=1, parameter="mask")
    bits = unpack(mask.numpy(), dtype_named("uint1"), count)
    return _placed(nonzero_data, torch.from_numpy(bits).reshape(shape))


@op("constexpr_blockwise_shift_scale", since=18, exact=True)
def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, declared: list[ValueType], offset: Tensor | None = None
) -> Tensor:
    """`scale · (data - offset)` (iOS18), with one scale and one offset a block."""
    return _scaled(data, scale, offset, declared[0])


@op("constexpr_lut_to_dense", since=18, exact=True)
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, declared: list[ValueType], vector_axis: int | None = None
) -> Tensor:
    """What `indices` choose from their block's palette (iOS18); vectors are laid out along `vector_axis`."""
    _check_shape(_chosen_shape(indices.shape, lut, vector_axis), declared[0])
    return _chosen(indices, lut, vector_axis)


@op("constexpr_sparse_to_dense", since=18, exact=True)
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, declared: list[ValueType]) -> Tensor:
    """Zeros, and `nonzero_data` in order where `mask` is 1 (iOS18)."""
    _check_shape(mask.shape, declared[0])
    return _placed(nonzero_data, mask)


@op("constexpr_lut_to_sparse", since=18, exact=True)
def constexpr_lut_to_sparse(
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    declared: list[ValueType],
    vector_axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The mask, and what the indices choose where it is 1 (iOS18); vectors widen both along `vector_axis`."""
    _check_shape(_chosen_shape(indices_mask.shape, lut, vector_axis), declared[0])
    dense = _chosen(_placed(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask
    if lut.shape[-1] > 1 and vector_axis is not None:
        mask = mask.repeat_interleave(lut.shape[-1], vector_axis)
    return mask, _taken(dense, mask)


@op("constexpr_sparse_blockwise_shift_scale", since=18, exact=True)
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor,
    nonzero_data: Tensor,
    scale: Tensor,
    declared: list[ValueType],
    offset: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The mask, and `scale · (data - offset)` where it is 1 (iOS18), with one scale and one offset a block."""
    dense = _scaled(_placed(nonzero_data, data_mask), scale, offset, ValueType("tensor", declared[1].dtype))
    return data_mask, _taken(dense, data_mask)


def _check_shape(shape: Sequence[int], declared: ValueType) -> None:
    if declared.shape is not None and tuple(shape) != declared.shape:
        raise EvaluationError(f"the operands make shape {list(shape)}, the file declares {list(declared.shape)}")


def _check_packed(packed: Tensor, count: int, *, bits: int, parameter: str) -> None:
    needed = -(-count * bits // 8)
    if packed.numel() != needed:
        raise EvaluationError(
            f"{parameter!r} has {packed.numel()} bytes, expected {needed} for {count} times {bits} bits"
        )


def _empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    # numpy asks the system for large pages, torch does not; first touching small ones costs more than the arithmetic.
    return torch.from_numpy(np.empty(shape, torch.empty(0, dtype=dtype).numpy().dtype))


Axes = list[tuple[int, int]]
"""how many blocks each axis has, and how long a block is"""


def _axes(shape: Sequence[int], counts: Sequence[int]) -> Axes:
    """The blocks of each axis; axes that lie in memory as one are joined.

    Raises:
        EvaluationError: The counts do not divide the shape.
    """
    fits = len(shape) == len(counts) and all(
        count and size % count == 0 for size, count in zip(shape, counts, strict=True)
    )
    if not fits:
        raise EvaluationError(f"{list(counts)} blocks do not divide a tensor of shape {list(shape)}")
    axes: Axes = []
    for size, count in zip(shape, counts, strict=True):
        length = size // count
        if axes and axes[-1][1] == 1:
            axes[-1] = (axes[-1][0] * count, length)
        elif axes and count == 1:
            axes[-1] = (axes[-1][0], axes[-1][1] * length)
        else:
            axes.append((count, length))
    return axes


def _pieces(axes: Axes) -> Iterator[tuple[slice, slice]]:
    """Rows of the first axis, about `_PIECE` elements at a time, and the blocks they lie in."""
    (count, length), *rest = axes
    rows = max(1, _PIECE // math.prod(size for axis in rest for size in axis))
    blocks = rows // length
    if blocks:
        for begin in range(0, count, blocks):
            end = min(begin + blocks, count)
            yield slice(begin * length, end * length), slice(begin, end)
        return
    for block in range(count):
        for begin in range(0, length, rows):
            start = block * length
            yield slice(start + begin, start + min(begin + rows, length)), slice(block, block + 1)


def _scaled(data: Tensor, scale: Tensor, offset: Tensor | None, declared: ValueType) -> Tensor:
    """`scale · (data - offset)`, one scale and offset a block, rounded where float16 is declared."""
    _check_shape(data.shape, declared)
    if offset is not None and offset.shape != scale.shape:
        raise EvaluationError(f"offset has shape {list(offset.shape)}, expected the scale's {list(scale.shape)}")
    axes = _axes(data.shape, scale.shape)
    result = _empty(data.shape, torch.float32)
    if not data.numel():
        return result
    is_half = declared.dtype is not None and declared.dtype.name == "float16"
    (count, _), *rest = axes
    across = [count, 1, *(size for blocks, _ in rest for size in (blocks, 1))]
    inner = [size for axis in rest for size in axis]
    scales = scale.float().reshape(across)
    offsets = None if offset is None else offset.float().reshape(across)
    flat_result, flat_data = result.view(math.prod(axes[0]), -1), data.reshape(math.prod(axes[0]), -1)
    for rows, blocks in _pieces(axes):
        piece = flat_result[rows].copy_(flat_data[rows])
        blocked = piece.view(blocks.stop - blocks.start, -1, *inner)
        if offsets is not None:
            blocked.sub_(offsets[blocks])
        blocked.mul_(scales[blocks])
        if is_half:
            piece.copy_(piece.half())
    return result


def _chosen_shape(shape: Sequence[int], lut: Tensor, vector_axis: int | None) -> list[int]:
    """The shape of what indices of `shape` choose.

    Raises:
        EvaluationError: The palettes do not fit the indices, or vectors have no axis to lie along.
    """
    rank, vector = len(shape), lut.shape[-1] if lut.ndim else 0
    if lut.ndim != rank + 2:
        raise EvaluationError(f"lut has shape {list(lut.shape)}, expected rank {rank + 2} for indices of rank {rank}")
    widened = list(shape)
    if vector > 1:
        if vector_axis is None or not -rank <= vector_axis < rank:
            raise EvaluationError(
                f"vectors of {vector} need a vector_axis from {-rank} to {rank - 1}, found {vector_axis}"
            )
        widened[vector_axis] *= vector
        check_size(widened)  # the only constants that can be much larger than their file
    return widened


def _chosen(indices: Tensor, lut: Tensor, vector_axis: int | None = None) -> Tensor:
    """What indices choose from the palettes of their blocks; `lut` is `(*blocks, entries, vector)`."""
    shape = _chosen_shape(indices.shape, lut, vector_axis)
    entries, vector = lut.shape[-2:]
    axes = _axes(indices.shape, lut.shape[:-2])
    if not indices.numel():
        return _empty(shape, lut.dtype)
    largest = int(indices.numpy().max())
    if largest >= entries:
        raise EvaluationError(f"index {largest} is outside a palette of {entries} entries")
    palettes = lut.reshape(-1, vector).numpy()
    result = _empty((indices.numel(), vector), lut.dtype)
    flat = palettes if vector > 1 else palettes[:, 0]
    _choose(indices.numpy(), flat, axes=axes, entries=entries, result=result.numpy())
    if vector == 1 or vector_axis is None:
        return result.reshape(shape)
    laid = result.reshape(*indices.shape, vector).movedim(-1, vector_axis % indices.ndim + 1)
    return laid.reshape(shape)


def _choose(indices: np.ndarray, palettes: np.ndarray, *, axes: Axes, entries: int, result: np.ndarray) -> None:
    """Fill `result`; `palettes` holds those of all blocks one after the other."""
    (count, _), *rest = axes
    across = [count, 1, *(size for blocks, _ in rest for size in (blocks, 1))]
    inner = [size for axis in rest for size in axis]
    starts = np.arange(0, math.prod(across) * entries, entries, dtype=np.intp).reshape(across)
    flat, row = indices.reshape(-1), math.prod(inner)
    if palettes.ndim == 1:
        result = result[:, 0]
    for rows, blocks in _pieces(axes):
        span = slice(rows.start * row, rows.stop * row)
        numbers = flat[span].astype(np.intp)
        if starts.size > 1:
            numbers = (numbers.reshape(blocks.stop - blocks.start, -1, *inner) + starts[blocks]).reshape(-1)
        # The indices are known to lie inside; unlike "raise", "clip" writes straight to `out`.
        np.take(palettes, numbers, axis=0, out=result[span], mode="clip")


def _placed(values: Tensor, mask: Tensor) -> Tensor:
    """Zeros of the mask's shape, and the values in order where the mask is 1."""
    where = mask.numpy().view(np.bool_)
    count = int(np.count_nonzero(where))
    if values.ndim != 1 or values.numel() != count:
        raise EvaluationError(f"the mask has {count} ones for nonzero data of shape {list(values.shape)}")
    dense = np.zeros(where.shape, values.numpy().dtype)
    dense[where] = values.numpy()
    return torch.from_numpy(dense)


def _taken(dense: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is 1, in order."""
    return torch.from_numpy(dense.numpy()[mask.numpy().view(np.bool_)])

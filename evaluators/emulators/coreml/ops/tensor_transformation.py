"""Shapes and order changed, values kept. Source: tensor_transformation.py of iOS15, iOS16, iOS17 and iOS18."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.padding import padded
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.ops.scatter_gather import scattered
from evaluators.emulators.coreml.sizes import check_rank, check_size


@op("reshape", exact=True)
def reshape(x: Tensor, shape: list[int]) -> Tensor:
    """The elements in a new shape (iOS15): 0 keeps the size of the same dimension of `x`, -1 is what remains."""
    check_rank(len(shape))
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape)])


@op("reshape", since=17, exact=True)
def reshape_from_right(x: Tensor, shape: list[int]) -> Tensor:
    """As before, but each 0 is matched with the dimensions of `x` from the right; beyond them it is 1 (iOS17)."""
    check_rank(len(shape))
    offset = x.ndim - len(shape)
    sizes = [(x.shape[i + offset] if i + offset >= 0 else 1) if size == 0 else size for i, size in enumerate(shape)]
    return x.reshape(sizes)


@op("reshape_like", since=16, exact=True)
def reshape_like(
    x: Tensor, ref_tensors: list[Tensor], begins: list[int], ends: list[int], end_masks: list[bool]
) -> Tensor:
    """The elements in a shape put together from dimensions `begin` to `end` of each reference (iOS16)."""
    shape: list[int] = []
    for reference, begin, end, to_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += reference.shape[begin:] if to_end else reference.shape[begin:end]
    check_rank(len(shape))
    return x.reshape(shape)


@op("expand_dims", operands=("x",), exact=True)
def expand_dims(axes: list[int]) -> Callable[[Tensor], Tensor]:
    """A dimension of size 1 at each of `axes`, which count in the result (iOS15)."""
    if len(axes) == 1:
        (only,) = axes
        return lambda x: _unsqueezed(x, only)

    def compute(x: Tensor) -> Tensor:
        rank = x.ndim + len(axes)
        check_rank(rank)
        for axis in sorted(axis % rank for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return compute


def _unsqueezed(x: Tensor, axis: int) -> Tensor:
    check_rank(x.ndim + 1)
    return x.unsqueeze(axis)


@op("squeeze", operands=("x",), exact=True)
def squeeze(axes: list[int] | None = None) -> Callable[[Tensor], Tensor]:
    """Without the dimensions of size 1 among `axes`, by default among all (iOS15)."""
    if axes is None:
        return torch.squeeze
    chosen = axes[0] if len(axes) == 1 else tuple(axes)
    return lambda x: x.squeeze(chosen)


@op("transpose", exact=True)
def transpose(x: Tensor, perm: list[int]) -> Tensor:
    """The dimensions in another order (iOS15)."""
    return x.permute(perm)


@op("reverse", exact=True)
def reverse(x: Tensor, axes: list[int] | None = None) -> Tensor:
    """Turned round along `axes`, by default all (iOS15)."""
    return torch.flip(x, list(range(x.ndim)) if axes is None else axes)


@op("reverse_sequence", exact=True)
def reverse_sequence(x: Tensor, lengths: Tensor, seq_axis: int = 0, batch_axis: int = 0) -> Tensor:
    """The first `lengths[b]` elements along `seq_axis` turned round, for each `b` along `batch_axis` (iOS15)."""
    size = x.shape[seq_axis]
    positions = torch.arange(size)
    reach = lengths.long().unsqueeze(1)
    index = torch.where(positions < reach, reach - 1 - positions, positions)
    shape = [1] * x.ndim
    shape[seq_axis], shape[batch_axis] = size, x.shape[batch_axis]
    index = index if batch_axis % x.ndim < seq_axis % x.ndim else index.T
    return torch.gather(x, seq_axis, index.reshape(shape).expand(x.shape))


def _slice(size: int, begin: int | None, end: int | None, stride: int) -> Callable[[Tensor, int], Tensor]:
    """What takes `begin:end:stride` of a dimension of this size, with Python's meaning of negative numbers."""
    taken = range(size)[slice(begin, end, stride)]
    if stride > 0:
        return lambda x, axis: x if len(taken) == size else _forward(x, axis, taken)
    index = torch.arange(taken.start, taken.stop, taken.step)
    return lambda x, axis: x.index_select(axis, index)


def _forward(x: Tensor, axis: int, taken: range) -> Tensor:
    part = x.narrow(axis, taken.start, max(0, taken.stop - taken.start)) if len(taken) else x.narrow(axis, 0, 0)
    return part if taken.step == 1 else part[(slice(None),) * axis + (slice(None, None, taken.step),)]


@op("slice_by_index", exact=True)
def slice_by_index(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """`x[begin:end:stride]` in each dimension (iOS15); masked limits are open, squeezed dimensions taken at `begin`."""
    for axis in reversed(range(x.ndim)):
        if squeeze_mask and squeeze_mask[axis]:
            x = x.select(axis, begin[axis])
            continue
        step = stride[axis] if stride else 1
        low = None if begin_mask and begin_mask[axis] else begin[axis]
        high = None if end_mask and end_mask[axis] else end[axis]
        x = _slice(x.shape[axis], low, high, step)(x, axis)
    return x


@op("slice_by_size", exact=True)
def slice_by_size(x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    """`size` elements from `begin` on in each dimension; -1 is all that remain (iOS15)."""
    for axis, (start, length) in enumerate(zip(begin, size, strict=True)):
        first = start % x.shape[axis] if start < 0 else start
        x = x.narrow(axis, first, x.shape[axis] - first if length == -1 else length)
    return x


@op("slice_update", since=18, exact=True)
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """`x` with `x[begin:end:stride]` replaced by `update` (iOS18); masks as in `slice_by_index`."""
    if stride is None or min(stride) > 0:  # then a slice is a view
        result = x.clone(memory_format=torch.contiguous_format)
        part = slice_by_index(result, begin, end, stride, begin_mask, end_mask, squeeze_mask)
        part.copy_(update.reshape(part.shape))
        return result
    check_size(x.shape, times=4)
    places = torch.arange(x.numel()).reshape(x.shape)
    chosen = slice_by_index(places, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    return scattered(x, chosen, update, "update")


@op("depth_to_space", exact=True)
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """Channels to blocks of space, the block's position being the slower part of the channel (iOS15)."""
    n, c, h, w = x.shape
    parts = x.reshape(n, block_size, block_size, c // block_size**2, h, w)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, c // block_size**2, h * block_size, w * block_size)


@op("space_to_depth", exact=True)
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """The inverse of `depth_to_space` (iOS15)."""
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block_size, block_size, w // block_size, block_size)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block_size**2, h // block_size, w // block_size)


@op("pixel_shuffle", exact=True)
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Channels to blocks of space as torch does it (iOS15)."""
    return F.pixel_shuffle(x, upscale_factor)


@op("pixel_unshuffle", since=16, exact=True)
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle` (iOS16)."""
    return F.pixel_unshuffle(x, downscale_factor)


@op("space_to_batch", exact=True)
def space_to_batch(x: Tensor, block_shape: list[int], paddings: list[list[int]]) -> Tensor:
    """Space, padded with zeros, to batches, one for each position in a block (iOS15)."""
    (top, bottom), (left, right) = paddings
    x = padded(x, [(top, bottom), (left, right)])
    n, c, h, w = x.shape
    high, wide = block_shape
    parts = x.reshape(n, c, h // high, high, w // wide, wide)
    return parts.permute(3, 5, 0, 1, 2, 4).reshape(n * high * wide, c, h // high, w // wide)


@op("batch_to_space", exact=True)
def batch_to_space(x: Tensor, block_shape: list[int], crops: list[list[int]]) -> Tensor:
    """The inverse of `space_to_batch`, cropped (iOS15)."""
    high, wide = block_shape
    n, c, h, w = x.shape
    parts = x.reshape(high, wide, n // (high * wide), c, h, w).permute(2, 3, 4, 0, 5, 1)
    whole = parts.reshape(n // (high * wide), c, h * high, w * wide)
    (top, bottom), (left, right) = crops
    return whole[:, :, top : h * high - bottom, left : w * wide - right]


@op("sliding_windows", exact=True)
def sliding_windows(x: Tensor, axis: int, size: int, stride: int = 1) -> Tensor:
    """All windows of `size` along `axis`, in a new dimension after it (iOS15)."""
    place = axis % x.ndim
    windows = x.unfold(place, size, stride)
    check_size(windows.shape)
    return windows.movedim(-1, place + 1)

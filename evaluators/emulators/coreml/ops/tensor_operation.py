"""Tensors made, joined, cut and ordered. Source: tensor_operation.py of iOS15, iOS16 and iOS17."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluators.emulators.coreml.constants import HELD_AS
from evaluators.emulators.coreml.ops.padding import padded
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.program import ValueType
from evaluators.emulators.coreml.sizes import check_rank, check_size, check_total
from evaluators.errors import EvaluationError


@op("identity", exact=True)
def identity(x: Tensor) -> Tensor:
    """`x` (iOS15)."""
    return x


@op("concat", exact=True)
def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    """Joined along `axis` (iOS15); interleaved, element `i` of each before element `i + 1` of any."""
    check_total(values)
    if interleave:
        place = axis % values[0].ndim
        return torch.stack(values, place + 1).flatten(place, place + 1)
    return torch.cat(values, axis) if values[0].ndim else torch.stack(values)


@op("stack", exact=True)
def stack(values: list[Tensor], axis: int) -> Tensor:
    """Joined along a new dimension (iOS15)."""
    check_total(values)
    check_rank(values[0].ndim + 1)
    return torch.stack(values, axis)


@op("split", exact=True)
def split(
    x: Tensor,
    declared: list[ValueType],
    axis: int,
    num_splits: int | None = None,
    split_sizes: list[int] | None = None,
) -> tuple[Tensor, ...]:
    """Cut along `axis`, into parts of the given sizes or equal ones (iOS15)."""
    parts = num_splits if split_sizes is None else len(split_sizes)
    if parts != len(declared):
        raise EvaluationError(f"split makes {parts} parts, but has {len(declared)} outputs")
    if split_sizes is not None:
        return torch.split(x, split_sizes, axis)
    if not num_splits or x.shape[axis] % num_splits:
        raise EvaluationError(f"split cannot cut {x.shape[axis]} elements into {num_splits} equal parts")
    return torch.split(x, x.shape[axis] // num_splits, axis)


@op("pad", exact=True)
def pad(x: Tensor, pad: list[int], mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """The last `len(pad) / 2` dimensions padded before and after (iOS15): with a constant, reflected or repeated."""
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))
    if mode == "constant":
        return padded(x, pairs, constant_val)
    if mode not in ("reflect", "replicate"):
        raise EvaluationError(f"pad has mode {mode!r}; expected constant, reflect or replicate")
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            x = _padded_from_itself(x, axis, before, after, mode)
    return x


def _padded_from_itself(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    size = x.shape[axis]
    check_size((*x.shape[:axis], size + before + after, *x.shape[axis + 1 :]))
    if mode == "reflect":
        if max(before, after) >= size:
            raise EvaluationError(f"pad cannot reflect {max(before, after)} of {size} elements")
        head, tail = x.narrow(axis, 1, before).flip(axis), x.narrow(axis, size - 1 - after, after).flip(axis)
    else:
        edges = [list(x.shape), list(x.shape)]
        edges[0][axis], edges[1][axis] = before, after
        head, tail = x.narrow(axis, 0, 1).expand(edges[0]), x.narrow(axis, size - 1, 1).expand(edges[1])
    return torch.cat((head, x, tail), axis)


@op("shape", exact=True)
def shape(x: Tensor) -> Tensor:
    """The sizes of the dimensions (iOS15)."""
    return torch.tensor(x.shape, dtype=torch.int32)


@op("flatten2d", exact=True)
def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    """A matrix: the dimensions before `axis`, and the others (iOS15)."""
    return x.reshape(x.shape[:axis].numel(), x.shape[axis:].numel())


@op("fill", exact=True)
def fill(shape: list[int], value: Tensor | None = None) -> Tensor:
    """One value everywhere (iOS15)."""
    check_size(shape)
    return torch.zeros(shape) if value is None else torch.full(shape, value.item(), dtype=value.dtype)


@op("fill_like", since=16, exact=True)
def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    """One value everywhere, in the reference's shape (iOS16)."""
    return fill(list(ref_tensor.shape), value)


@op("range_1d")
def range_1d(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    """`start`, `start + step` … below `end` (iOS15)."""
    first, limit, stride = start.item(), end.item(), step.item()
    if stride:  # torch refuses 0, and what is not finite
        check_size((math.ceil((limit - first) / stride),))
    return torch.arange(first, limit, stride, dtype=start.dtype)


@op("tile", exact=True)
def tile(x: Tensor, reps: list[int]) -> Tensor:
    """Dimension `i` repeated `reps[i]` times (iOS15)."""
    check_size((*x.shape, *reps))
    return x.repeat(reps)


@op("band_part", exact=True)
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """Zero outside a band around the diagonal of the last two dimensions; negative widths are unlimited (iOS15)."""
    check_size(x.shape[-2:], times=4)
    rows, columns = torch.arange(x.shape[-2]).unsqueeze(1), torch.arange(x.shape[-1])
    kept = torch.ones((), dtype=torch.bool)
    if lower >= 0:
        kept = kept & (rows - columns <= lower)
    if upper >= 0:
        kept = kept & (columns - rows <= upper)
    return torch.where(kept, x, torch.zeros((), dtype=x.dtype))


@op("cumsum")
def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Running sum along `axis` (iOS15); `exclusive` leaves each element out of its own sum.

    Added one after another and rounded each time, as coremltools' value inference (numpy) and LiteRT's kernel do. Core
    ML's order is not documented; torch keeps the sum in float64, which over long sequences is kinder than any phone.
    """
    given = x.flip(axis) if reverse else x
    total = torch.from_numpy(np.cumsum(given.numpy(), axis=axis, dtype=given.numpy().dtype))
    if exclusive and x.shape[axis]:
        total = torch.cat((torch.zeros_like(total.narrow(axis, 0, 1)), total.narrow(axis, 0, x.shape[axis] - 1)), axis)
    return total.flip(axis) if reverse else total


@op("argsort", exact=True)
def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    """The order that sorts along `axis`, equals as they come (iOS15)."""
    return _order(x, axis, ascending).int()


def _order(x: Tensor, axis: int, ascending: bool) -> Tensor:
    """The order that sorts, NaN last in both directions as in the value inference, which sorts `-x` by numpy."""
    check_size(x.shape, times=4)
    if ascending or not x.is_floating_point():
        return torch.argsort(x, dim=axis, descending=not ascending, stable=True)
    return torch.argsort(-x, dim=axis, stable=True)


@op("topk", exact=True)
def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,  # noqa: ARG001  # unsorted results may come in any order, so also in this one
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    """The `k` largest elements along `axis`, or smallest if ascending; -1 is all (iOS15, iOS16, iOS17)."""
    count = x.shape[axis] if k == -1 else k
    order = _order(x, axis, ascending).narrow(axis, 0, count)
    values = torch.take_along_dim(x, order, axis)
    return (values, order.to(HELD_AS[output_indices_dtype])) if return_indices else (values,)


@op("non_zero", exact=True)
def non_zero(x: Tensor) -> Tensor:
    """The indices of elements other than 0, a row each (iOS15)."""
    check_size((x.numel(), x.ndim), times=2)
    return torch.nonzero(x).int()


@op("one_hot", exact=True)
def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    """`on_value` where the place along the new `axis` is the index, else `off_value` (iOS15)."""
    check_size((*indices.shape, one_hot_vector_size))
    on, off = _scalar(on_value, 1), _scalar(off_value, 0)
    hot = indices.unsqueeze(-1) == torch.arange(one_hot_vector_size)
    return torch.where(hot, on, off).movedim(-1, axis)


def _scalar(value: Tensor | None, default: Any) -> Tensor:
    return torch.tensor(default, dtype=torch.int32) if value is None else value.reshape(())

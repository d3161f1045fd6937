"""Elements picked and placed by index. Source: scatter_gather.py of iOS15, iOS16 and iOS17.

`validate_indices` only adds a check in Core ML; torch always refuses an index out of range.
"""

# ruff: noqa: ARG001  # validate_indices is part of the contract

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.errors import EvaluationError


def _positive(indices: Tensor, size: int) -> Tensor:
    """Indices from the front, as int64: up to iOS16 negative ones count from the end."""
    wide = indices.long()
    return torch.where(wide < 0, wide + size, wide)


@op("gather", exact=True)
def gather(x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0, validate_indices: bool = False) -> Tensor:
    """Slices of `x` along `axis`, in the shape of `indices` (iOS15; `batch_dims` since iOS16)."""
    place = axis % x.ndim
    index = _positive(indices, x.shape[place])
    if batch_dims == 0:
        taken = x.index_select(place, index.reshape(-1))
        return taken.reshape(x.shape[:place] + index.shape + x.shape[place + 1 :])
    batch = x.shape[:batch_dims].numel()
    flat_x, flat_index = x.reshape(batch, *x.shape[batch_dims:]), index.reshape(batch, -1)
    inner = place - batch_dims
    parts = [part.index_select(inner, chosen) for part, chosen in zip(flat_x, flat_index, strict=True)]
    return torch.stack(parts).reshape(x.shape[:place] + index.shape[batch_dims:] + x.shape[place + 1 :])


@op("gather_along_axis", exact=True)
def gather_along_axis(x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool = False) -> Tensor:
    """The element at `indices` along `axis`, for each position of `indices` (iOS15)."""
    return torch.gather(x, axis, _positive(indices, x.shape[axis]))


@op("gather_nd", exact=True)
def gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0, validate_indices: bool = False) -> Tensor:
    """Slices of `x` whose first indices are the rows of `indices` (iOS15; `batch_dims` since iOS16)."""
    depth = indices.shape[-1]
    sizes = x.shape[batch_dims : batch_dims + depth]
    picks = [_positive(indices[..., i], sizes[i]) for i in range(depth)]
    trailing = indices.ndim - 1 - batch_dims
    batches = [
        torch.arange(size).reshape([-1 if i == j else 1 for j in range(batch_dims)] + [1] * trailing)
        for i, size in enumerate(x.shape[:batch_dims])
    ]
    return x[tuple(batches + picks)]


@op("scatter")
def scatter(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add", validate_indices: bool = False
) -> Tensor:
    """`data` with slice `indices[i]` along `axis` changed by slice `i` of `updates`, as `mode` says (iOS15)."""
    return scattered(data, gather(_places(data), indices, axis), updates, mode)


@op("scatter_along_axis")
def scatter_along_axis(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add", validate_indices: bool = False
) -> Tensor:
    """`data` with the element at `indices` along `axis` changed by `updates`, for each position (iOS15)."""
    return scattered(data, gather_along_axis(_places(data), indices, axis), updates, mode)


@op("scatter_nd")
def scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add", validate_indices: bool = False
) -> Tensor:
    """`data` with the slices whose first indices are the rows of `indices` changed by `updates` (iOS15)."""
    return scattered(data, gather_nd(_places(data), indices), updates, mode)


def _places(data: Tensor) -> Tensor:
    """Each element's number, in the shape of `data`."""
    return torch.arange(data.numel()).reshape(data.shape)


_REDUCTIONS = {"add": "sum", "sub": "sum", "mul": "prod", "div": "prod", "max": "amax", "min": "amin"}


def scattered(data: Tensor, places: Tensor, updates: Tensor, mode: str) -> Tensor:
    """`data` with the elements of these numbers changed by `updates`.

    Raises:
        EvaluationError: The mode is unknown.
    """
    index, values, flat = places.reshape(-1), updates.reshape(-1).to(data.dtype), data.reshape(-1)
    if mode == "update":
        return flat.scatter(0, index, values).reshape(data.shape)
    if mode not in _REDUCTIONS:
        raise EvaluationError(f"scatter has mode {mode!r}; expected update, {', '.join(_REDUCTIONS)}")
    if mode == "div":
        divisor = torch.ones_like(flat).scatter_reduce(0, index, values, "prod")
        quotient = torch.div(flat, divisor, rounding_mode=None if flat.is_floating_point() else "trunc")
        return quotient.reshape(data.shape)
    values = -values if mode == "sub" else values
    return flat.scatter_reduce(0, index, values, _REDUCTIONS[mode]).reshape(data.shape)

"""Elements picked and placed by index. Source: scatter_gather.py of iOS15, iOS16 and iOS17.

Up to iOS16 negative indices count from the end. Since iOS17 they are out of range, as those from the size on are. With
`validate_indices` an index out of range is an error; without, the documentation calls the behaviour undefined but
memory safe: here what is picked comes from the nearest index in range, and what would be placed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.constants import round_to_half
from evaluators.emulators.coreml.ops.elementwise_binary import real_div
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.program import ValueType
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

Rule = Callable[[Tensor, int], Tensor]
"""What becomes of indices (int64) into a dimension of some size"""


def _from_either_end(indices: Tensor, size: int) -> Tensor:
    """Negative indices count from the end: the rule up to iOS16. Torch refuses those out of range."""
    return torch.where(indices < 0, indices + size, indices)


def _nearest_in_range(indices: Tensor, size: int) -> Tensor:
    return indices.clamp(0, size - 1)


def _beyond_if_out(indices: Tensor, size: int) -> Tensor:
    """Indices out of range become `size`."""
    return torch.where((indices < 0) | (indices >= size), size, indices)


def _in_range(indices: Tensor, size: int) -> Tensor:
    """Refuses indices out of range."""
    outside = indices[(indices < 0) | (indices >= size)]
    if outside.numel():
        raise EvaluationError(f"index {int(outside[0])} is out of range; expected 0 to {size - 1} (validate_indices)")
    return indices


def _position(index: Tensor, size: int, rule: Rule) -> int:
    """As `rule`, of one index; all rules leave what is in range as it is. Loops pick and place one slice at a time."""
    value = int(index)
    return value if 0 <= value < size else int(rule(index, size))


def _gather(x: Tensor, indices: Tensor, axis: int, batch_dims: int, rule: Rule) -> Tensor:
    if not -x.ndim <= axis < x.ndim or not 0 <= batch_dims <= min(axis % x.ndim, indices.ndim):
        raise EvaluationError(
            f"gather has axis {axis}, batch_dims {batch_dims}, x of shape {list(x.shape)} and indices of shape"
            f" {list(indices.shape)}; expected an axis of x, and batch_dims of dimensions before it"
        )
    place = axis % x.ndim
    if batch_dims == 0 and indices.numel() == 1:
        position = _position(indices, x.shape[place], rule)
        if indices.ndim == 0:
            return x.select(place, position)
        taken = x.narrow(place, position, 1)
        return taken if indices.ndim == 1 else taken.reshape(x.shape[:place] + indices.shape + x.shape[place + 1 :])
    check_size((*x.shape[:place], *indices.shape[batch_dims:], *x.shape[place + 1 :]))
    index = rule(indices.long(), x.shape[place])
    if batch_dims == 0:
        taken = x.index_select(place, index.reshape(-1))
        return taken.reshape(x.shape[:place] + index.shape + x.shape[place + 1 :])
    if x.shape[:batch_dims] != index.shape[:batch_dims]:
        raise EvaluationError(
            f"gather has x of shape {list(x.shape)} and indices of shape {list(indices.shape)}; expected the first"
            f" {batch_dims} to be the same (batch_dims)"
        )
    batch, size = x.shape[:batch_dims].numel(), x.shape[place]
    rows = x.movedim(place, batch_dims).flatten(0, batch_dims)  # an element of every batch after the other
    starts = torch.arange(0, batch * size, size) if size else torch.zeros(batch, dtype=torch.long)
    outside = (index < 0) | (index >= size)
    if outside.any():
        raise EvaluationError(f"index {int(index[outside][0])} is out of range; expected {-size} to {size - 1}")
    chosen = index.reshape(batch, -1) + starts.unsqueeze(1)
    taken = rows.index_select(0, chosen.reshape(-1))
    outer, inner = x.shape[batch_dims:place], x.shape[place + 1 :]
    shaped = taken.reshape(*x.shape[:batch_dims], chosen.shape[1], *outer, *inner).movedim(batch_dims, place)
    return shaped.reshape(x.shape[:place] + index.shape[batch_dims:] + inner)


def _gather_along_axis(x: Tensor, indices: Tensor, axis: int, rule: Rule) -> Tensor:
    return torch.gather(x, axis, rule(indices, x.shape[axis]))


def _gather_nd(x: Tensor, indices: Tensor, batch_dims: int, rule: Rule) -> Tensor:
    depth = indices.shape[-1]
    if batch_dims < 0 or batch_dims + depth > x.ndim or batch_dims >= indices.ndim:
        raise EvaluationError(
            f"gather_nd has batch_dims {batch_dims}, x of shape {list(x.shape)} and indices of shape"
            f" {list(indices.shape)}; expected at most as many numbers a row as x has dimensions after the batch"
        )
    check_size((*indices.shape[:-1], *x.shape[batch_dims + depth :]), times=2)
    picks = [rule(indices[..., i], x.shape[batch_dims + i]) for i in range(depth)]
    trailing = indices.ndim - 1 - batch_dims
    batches = [
        torch.arange(size).reshape([-1 if i == j else 1 for j in range(batch_dims)] + [1] * trailing)
        for i, size in enumerate(x.shape[:batch_dims])
    ]
    return x[tuple(batches + picks)]


@op("gather", exact=True)
def gather(x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0) -> Tensor:
    """Slices of `x` along `axis`, in the shape of `indices` (iOS15; `batch_dims` since iOS16)."""
    return _gather(x, indices, axis, batch_dims, _from_either_end)


@op("gather", since=17, exact=True)
def gather_in_range(
    x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0, validate_indices: bool = False
) -> Tensor:
    """As before, negative indices being out of range (iOS17)."""
    return _gather(x, indices, axis, batch_dims, _in_range if validate_indices else _nearest_in_range)


@op("gather_along_axis", operands=("x",), exact=True)
def gather_along_axis(indices: Tensor, axis: int = 0) -> Callable[[Tensor], Tensor]:
    """The element at `indices` along `axis`, for each position of `indices` (iOS15)."""
    wide = indices.long()
    return lambda x: _gather_along_axis(x, wide, axis, _from_either_end)


@op("gather_along_axis", since=17, operands=("x",), exact=True)
def gather_along_axis_in_range(
    indices: Tensor, axis: int = 0, validate_indices: bool = False
) -> Callable[[Tensor], Tensor]:
    """As before, negative indices being out of range (iOS17)."""
    wide, rule = indices.long(), _in_range if validate_indices else _nearest_in_range
    return lambda x: _gather_along_axis(x, wide, axis, rule)


@op("gather_nd", operands=("x",), exact=True)
def gather_nd(indices: Tensor, batch_dims: int = 0) -> Callable[[Tensor], Tensor]:
    """Slices of `x` whose first indices are the rows of `indices` (iOS15; `batch_dims` since iOS16)."""
    wide = indices.long()
    return lambda x: _gather_nd(x, wide, batch_dims, _from_either_end)


@op("gather_nd", since=17, operands=("x",), exact=True)
def gather_nd_in_range(
    indices: Tensor, batch_dims: int = 0, validate_indices: bool = False
) -> Callable[[Tensor], Tensor]:
    """As before, negative indices being out of range (iOS17)."""
    wide, rule = indices.long(), _in_range if validate_indices else _nearest_in_range
    return lambda x: _gather_nd(x, wide, batch_dims, rule)


@op("scatter", exact=True, reuses="data")
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    declared: list[ValueType] | None = None,
    owned: bool = False,
) -> Tensor:
    """`data` with slice `indices[i]` along `axis` changed by slice `i` of `updates`, as `mode` says (iOS15)."""
    is_half = _is_half(declared)
    if mode == "add" and indices.numel() == 1:
        position = _position(indices, data.shape[axis], _from_either_end)
        return _added(data if owned else data.clone(), position, updates, axis, is_half=is_half)
    result = scattered(data, _gather(_places(data), indices, axis, 0, _from_either_end), updates, mode)
    return round_to_half(result) if is_half else result


@op("scatter", since=17, exact=True, reuses="data")
def scatter_in_range(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
    declared: list[ValueType] | None = None,
    owned: bool = False,
) -> Tensor:
    """As before, negative indices being out of range (iOS17)."""
    is_half = _is_half(declared)
    if mode == "add" and indices.numel() == 1 and 0 <= int(indices) < data.shape[axis]:
        return _added(data if owned else data.clone(), int(indices), updates, axis, is_half=is_half)
    if validate_indices:
        result = scattered(data, _gather(_places(data), indices, axis, 0, _in_range), updates, mode)
    else:
        wide = _beyond_if_out(indices.long(), data.shape[axis])
        result = scattered(data, _gather(_places(data, [axis]), wide, axis, 0, _in_range), updates, mode)
    return round_to_half(result) if is_half else result


@op("scatter_along_axis")
def scatter_along_axis(data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add") -> Tensor:
    """`data` with the element at `indices` along `axis` changed by `updates`, for each position (iOS15)."""
    return scattered(data, _gather_along_axis(_places(data), indices.long(), axis, _from_either_end), updates, mode)


@op("scatter_along_axis", since=17)
def scatter_along_axis_in_range(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add", validate_indices: bool = False
) -> Tensor:
    """As before, negative indices being out of range (iOS17)."""
    if validate_indices:
        return scattered(data, _gather_along_axis(_places(data), indices.long(), axis, _in_range), updates, mode)
    wide = _beyond_if_out(indices.long(), data.shape[axis])
    return scattered(data, torch.gather(_places(data, [axis]), axis, wide), updates, mode)


@op("scatter_nd")
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add") -> Tensor:
    """`data` with the slices whose first indices are the rows of `indices` changed by `updates` (iOS15)."""
    return scattered(data, _gather_nd(_places(data), indices.long(), 0, _from_either_end), updates, mode)


@op("scatter_nd", since=17)
def scatter_nd_in_range(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add", validate_indices: bool = False
) -> Tensor:
    """As before, negative indices being out of range (iOS17)."""
    if validate_indices:
        return scattered(data, _gather_nd(_places(data), indices.long(), 0, _in_range), updates, mode)
    wide = [_beyond_if_out(indices[..., i].long(), data.shape[i]) for i in range(indices.shape[-1])]
    return scattered(data, _places(data, range(indices.shape[-1]))[tuple(wide)], updates, mode)


def _is_half(declared: Sequence[ValueType] | None) -> bool:
    dtype = declared[0].dtype if declared else None
    return dtype is not None and dtype.name == "float16"


def _added(data: Tensor, position: int, updates: Tensor, axis: int, *, is_half: bool) -> Tensor:
    """`data`, which is written to: one slice along `axis` made greater by `updates`, and rounded if it is float16."""
    part = data.narrow(axis, position, 1)
    change = updates if updates.shape == part.shape else updates.reshape(part.shape)
    if not is_half:
        part += change.to(data.dtype)
    else:
        part.copy_((part + change).half())
    return data


def _places(data: Tensor, extended: Sequence[int] = ()) -> Tensor:
    """Each element's number, in the shape of `data`; one past the end of the `extended` dimensions stands `numel`."""
    check_size(data.shape, times=4)
    numbers = torch.arange(data.numel()).reshape(data.shape)
    if not extended:
        return numbers
    ends = [0] * data.ndim
    for axis in extended:
        ends[axis] = 1
    return F.pad(numbers, [amount for end in reversed(ends) for amount in (0, end)], value=data.numel())


_REDUCTIONS = {"add": "sum", "sub": "sum", "mul": "prod", "div": "prod", "max": "amax", "min": "amin"}


def scattered(data: Tensor, places: Tensor, updates: Tensor, mode: str) -> Tensor:
    """`data` with the elements of these numbers changed by `updates`; those of number `numel` are left out.

    Raises:
        EvaluationError: The mode is unknown.
    """
    if mode != "update" and mode not in _REDUCTIONS:
        raise EvaluationError(f"scatter has mode {mode!r}; expected update, {', '.join(_REDUCTIONS)}")
    if places.numel() != updates.numel():
        raise EvaluationError(
            f"scatter has updates of shape {list(updates.shape)}; expected {places.numel()} elements, shape"
            f" {list(places.shape)}"
        )
    index, values = places.reshape(-1), updates.reshape(-1).to(data.dtype)
    flat = torch.cat((data.reshape(-1), data.new_zeros(1)))
    if mode == "update":
        flat = flat.scatter(0, index, values)
    elif mode == "div":
        divisor = torch.ones_like(flat).scatter_reduce(0, index, values, "prod")
        flat = real_div(flat, divisor)
    else:
        flat = flat.scatter_reduce(0, index, -values if mode == "sub" else values, _REDUCTIONS[mode])
    return flat[:-1].reshape(data.shape)

"""Values added up, or written, at the places that indices name.

Replaces: `index_put`, `index_add`, `index_copy`, `index_fill`, `index_reduce`, `scatter_add`, `scatter_reduce`,
    `scatter` with a reduction or of a row of whole numbers, `put`, `masked_scatter`, `diagonal_scatter` and
    `as_strided_scatter`.
Why: litert-torch 0.10 makes scatters of them that LiteRT 2.3 refuses to run as soon as they add up, or has no lowering;
    coremltools 9.0 lacks several, or gets shapes wrong.
Given: such an op. Result: where the indices are constants, gathers from old and new values; else a matrix of 0 and 1
    that says which value goes where, multiplied with the values, or their largest, smallest or product along it.
Equal because: no number is computed but the sums and products that are asked for; a product with 0 or 1 is exact. Of
    several values written to one place the last one counts, and torch promises no order for those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from packager.rewrites.torch.arguments import known_value
from packager.rewrites.torch.axes import move_axis
from packager.rewrites.torch.masked_values import spread_values

if TYPE_CHECKING:
    from torch import Tensor

NAME = "scattering"

MOST_ELEMENTS = 2**24
"""of a matrix of 0 and 1"""

SMALL_MATRIX = 2**12
"""elements of a constant matrix up to which a product is better than gathers, whose indices are fewer"""

_KINDS = {"add": "sum", "multiply": "prod"}
"""`scatter`'s words for what `scatter_reduce` calls otherwise"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.index_put.default: _index_put,
        aten.index_add.default: _index_add,
        aten.index_copy.default: _index_copy,
        aten.index_fill.int_Scalar: _index_fill,
        aten.index_fill.int_Tensor: _index_fill,
        aten.index_reduce.default: _index_reduce,
        aten.scatter_add.default: lambda x, dim, index, src: _scatter(x, dim, index, src, "sum"),
        aten.scatter_reduce.two: _scatter,
        aten.scatter.src: _scatter_row,
        aten.scatter.value: _scatter_truth,
        aten.scatter.reduce: lambda x, dim, index, src, *, reduce: _scatter(x, dim, index, src, _KINDS[reduce]),
        aten.scatter.value_reduce: _scatter_number,
        aten.put.default: _put,
        aten.masked_scatter.default: _masked_scatter,
        aten.diagonal_scatter.default: _diagonal_scatter,
        aten.as_strided_scatter.default: _as_strided_scatter,
    }


def _index_put(x: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False) -> Any:
    import torch

    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    masks = [index for _, index in given if index.dtype in (torch.bool, torch.uint8)]
    if len(given) == 1 and masks:
        behind = x.ndim - given[0][0] - masks[0].ndim
        mask = masks[0].to(torch.bool).reshape(*masks[0].shape, *[1] * behind)
        value = spread_values(values, behind, masks[0].ndim).to(x.dtype)
        return torch.where(mask, x + value if accumulate else value, x)
    if masks or not all(isinstance(size, int) for size in x.shape):
        return NotImplemented
    axes = [axis for axis, _ in given]
    sizes = [x.shape[axis] for axis in axes]
    others = [axis for axis in range(x.ndim) if axis not in axes]
    kept = [x.shape[axis] for axis in others]
    spread: Callable[..., Any] = torch.broadcast_tensors
    shape = list(spread(*[index for _, index in given])[0].shape)
    # Where the indexed axes stand side by side, the indices' own take their place, else they come first.
    before = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    wanted = [*kept[:before], *shape, *kept[before:]]
    order = [*range(before), *range(before + len(shape), len(wanted)), *range(before, before + len(shape))]
    source = values.to(x.dtype).expand(wanted).permute(order).reshape(*kept, math.prod(shape))
    flat = x.permute(*others, *axes).reshape(*kept, math.prod(sizes))
    places = _Places.of_several([index for _, index in given], sizes)
    result = _added(flat, places, source) if accumulate else _written(flat, places, source)
    if result is NotImplemented:
        return NotImplemented
    return result.reshape(*kept, *sizes).permute([int(axis) for axis in np.argsort([*others, *axes])])


class _Places:
    """Places along an axis of a size.

    Attributes:
        index: (n,), counted from the start.
        known: The same as numpy, where they are constants.
        size: Of the axis.
    """

    def __init__(self, index: Tensor, known: Any, size: int) -> None:
        self.index, self.known, self.size = index, known, size

    @classmethod
    def of(cls, index: Tensor, size: int) -> _Places:
        """Of one index, (n,) or a number."""
        return cls.of_several([index], [size])

    @classmethod
    def of_several(cls, indices: Sequence[Tensor], sizes: Sequence[int]) -> _Places:
        """Of an index an axis, as places in these axes laid out as one."""
        import torch

        known = [known_value(index) for index in indices]
        if all(value is not None for value in known):
            wrapped = [np.where(value < 0, value + size, value) for value, size in zip(known, sizes, strict=True)]
            places = np.ravel_multi_index(np.broadcast_arrays(*wrapped), tuple(sizes)).reshape(-1)
            return cls(torch.from_numpy(places), places, math.prod(sizes))
        total: Any = 0
        for number, (index, size) in enumerate(zip(indices, sizes, strict=True)):
            total = total + torch.where(index < 0, index + size, index) * math.prod(sizes[number + 1 :])
        return cls(total.reshape(-1), None, math.prod(sizes))

    def matches(self) -> Tensor:
        """(n, size): whether a place is the one that an index names."""
        import torch

        return self.index[:, None] == torch.arange(self.size, dtype=self.index.dtype)[None]

    def gathered(self) -> Any:
        """(m, size) places in what is added up, n for none; None where a matrix takes fewer constants."""
        if self.known is None or self.known.size * self.size <= SMALL_MATRIX:
            return None
        most = int(np.bincount(self.known, minlength=self.size).max())
        if 2 * most > self.known.size:
            return None
        table = np.full((most, self.size), self.known.size)
        filled = np.zeros(self.size, np.int64)
        for number, place in enumerate(self.known):
            table[filled[place], place] = number
            filled[place] += 1
        return table


def _added(x: Tensor, places: _Places, source: Tensor) -> Any:
    """`x` (…, size), with `source` (…, n) added at places."""
    import torch

    table = places.gathered()
    if table is not None:
        padded = torch.cat([source, torch.zeros(*source.shape[:-1], 1, dtype=source.dtype)], -1)
        found = padded.index_select(-1, torch.from_numpy(table.reshape(-1)))
        return x + found.reshape(*source.shape[:-1], *table.shape).sum(-2, dtype=x.dtype)
    if places.index.numel() * places.size > MOST_ELEMENTS:
        return NotImplemented
    if x.is_floating_point():
        return x + source @ places.matches().to(x.dtype)
    if source.numel() * places.size > MOST_ELEMENTS:
        return NotImplemented
    return x + torch.where(places.matches(), source[..., None], 0).sum(-2, dtype=x.dtype)


def _written(x: Tensor, places: _Places, source: Tensor) -> Any:
    """`x` (…, size), with `source` (…, n) in place of what stood at places."""
    import torch

    count, size = places.index.shape[0], places.size
    if places.known is not None:
        taken = np.arange(size)
        taken[places.known] = size + np.arange(count)
        order = torch.from_numpy(taken)
    elif count * size <= MOST_ELEMENTS:
        last = (places.matches().to(torch.float32) * torch.arange(1, count + 1, dtype=torch.float32)[:, None]).amax(0)
        number = last.to(torch.int64)
        order = torch.where(number > 0, number - 1 + size, torch.arange(size))
    else:
        return NotImplemented
    return torch.cat([x, source.to(x.dtype)], -1).index_select(-1, order)


def _along(call: Callable[..., Any], x: Tensor, dim: int, places: _Places, source: Tensor) -> Any:
    result = call(move_axis(x, dim, -1), places, move_axis(source, dim, -1))
    return result if result is NotImplemented else move_axis(result, -1, dim)


def _index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Any:
    return _along(_added, x, dim, _Places.of(index, x.shape[dim]), source if alpha == 1 else source * alpha)


def _index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Any:
    return _along(_written, x, dim, _Places.of(index, x.shape[dim]), source)


def _index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Any:
    import torch

    places = _Places.of(index, x.shape[dim])
    hit = places.matches().to(torch.float32).amax(0) > 0
    filled = torch.where(hit, torch.as_tensor(value, dtype=x.dtype), move_axis(x, dim, -1))
    return move_axis(filled, -1, dim)


def _scatter_truth(x: Tensor, dim: int, index: Tensor, value: Any) -> Any:
    """Truth values, as numbers: coremltools 9.0 traces none of them."""
    import torch

    if x.dtype != torch.bool:
        return NotImplemented
    return x.to(torch.float32).scatter(dim, index, float(bool(value))) > 0.5


def _scatter_row(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    """Whole numbers of one row: litert-torch 0.10 makes a scatter of 64 bits of them that its passes refuse."""
    if x.ndim != 1 or x.is_floating_point() or not isinstance(x.shape[0], int):
        return NotImplemented
    return _along(_written, x, dim, _Places.of(index, x.shape[0]), src[: index.shape[0]])


def _index_reduce(x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True) -> Any:
    shape = [-1 if axis == dim % x.ndim else 1 for axis in range(x.ndim)]
    return _scatter(x, dim, index.reshape(shape).expand(source.shape), source, reduce, include_self=include_self)


def _put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Any:
    places = _Places.of(index.reshape(-1), x.numel())
    result = (_added if accumulate else _written)(x.reshape(-1), places, source.reshape(-1))
    return result if result is NotImplemented else result.reshape(x.shape)


def _masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Each place of the mask takes the next value."""
    import torch

    mask = mask.expand(x.shape)
    number = mask.reshape(-1).to(torch.int64).cumsum(0) - 1
    number = torch.minimum(torch.maximum(number, torch.tensor(0)), torch.tensor(source.numel() - 1))
    return torch.where(mask, source.reshape(-1).index_select(0, number).reshape(x.shape), x)


def _diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return _written_at(x, np.arange(x.numel()).reshape(x.shape).diagonal(offset, dim1, dim2), src)


def _as_strided_scatter(
    x: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Any:
    places = np.full(tuple(size), storage_offset or 0)
    for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
        places = places + np.arange(count).reshape([-1 if at == axis else 1 for at in range(len(size))]) * step
    return _written_at(x, places, src)


def _written_at(x: Tensor, places: Any, src: Tensor) -> Any:
    import torch

    known = places.reshape(-1)
    result = _written(x.reshape(-1), _Places(torch.from_numpy(known.copy()), known, x.numel()), src.reshape(-1))
    return result.reshape(x.shape)


def _scatter_number(x: Tensor, dim: int, index: Tensor, value: float, *, reduce: str) -> Any:
    import torch

    return _scatter(x, dim, index, torch.full(index.shape, value, dtype=x.dtype), _KINDS[reduce])


def _scatter(x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Any:
    """Values reduced into places that are told for each of them."""
    if not x.ndim or not all(isinstance(size, int) for size in (*x.shape, *index.shape)):
        return NotImplemented
    dim = dim % x.ndim
    src = src[tuple(slice(0, count) for count in index.shape)].to(x.dtype)
    reached = x  # by indices, which may be fewer than there are rows
    for axis, count in enumerate(index.shape):
        reached = reached if axis == dim else reached.narrow(axis, 0, count)
    found = _scatter_all(reached, dim, index, src, reduce, include_self)
    if found is NotImplemented:
        return NotImplemented
    return _put_back(x, found, dim, index.shape)


def _put_back(x: Tensor, part: Tensor, dim: int, shape: Sequence[int]) -> Tensor:
    """`x` with its first rows along every other axis than `dim` replaced."""
    import torch

    for axis in reversed(range(x.ndim)):
        missing = x.shape[axis] - shape[axis]
        if axis != dim and missing:
            rest = x.narrow(axis, shape[axis], missing)
            for earlier in range(axis):
                rest = rest if earlier == dim else rest.narrow(earlier, 0, shape[earlier])
            part = torch.cat([part, rest], axis)
    return part


def _scatter_all(x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool) -> Any:
    import torch

    if reduce == "sum" and include_self:
        places = _shared_places(index, dim, x.shape[dim])
        if places is not None:
            return _along(_added, x, dim, places, src)
    size = x.shape[dim]
    if index.numel() * size > MOST_ELEMENTS:
        return NotImplemented
    x, index, src = (move_axis(one, dim, -1) for one in (x, index, src))
    matches = index[..., None] == torch.arange(size, dtype=index.dtype)  # (…, n, size)
    hits = matches.to(x.dtype).sum(-2)
    result = _reduce(reduce, matches, src)
    if reduce == "mean":
        result = result / torch.maximum(hits + (1 if include_self else 0), torch.tensor(1, dtype=x.dtype))
    result = _JOINED[reduce](x, result, hits) if include_self else torch.where(hits > 0, result, x)
    return move_axis(result, -1, dim)


def _shared_places(index: Tensor, dim: int, size: int) -> _Places | None:
    """The places along one axis, where they are the same along all others; else None."""
    if any(axis != dim and count > 1 and index.stride(axis) for axis, count in enumerate(index.shape)):
        return None
    known, one = known_value(index), index
    for axis in reversed([axis for axis in range(index.ndim) if axis != dim]):
        one = one.select(axis, 0)
        known = None if known is None else known.take(0, axis)
    return _Places(one, known, size)


def _reduce(kind: str, matches: Tensor, src: Tensor) -> Tensor:
    """Of the values (…, n) that match, for each place; what is neutral where none does."""
    import torch

    if kind in ("sum", "mean"):
        if src.is_floating_point():
            return (src[..., None, :] @ matches.to(src.dtype)).squeeze(-2)
        return torch.where(matches, src[..., None], 0).sum(-2, dtype=src.dtype)
    if kind == "prod":
        return torch.where(matches, src[..., None], 1).prod(-2, dtype=src.dtype)
    info = torch.finfo(src.dtype) if src.is_floating_point() else torch.iinfo(src.dtype)
    neutral = torch.tensor(info.min if kind == "amax" else info.max, dtype=src.dtype)
    spread = torch.where(matches, src[..., None], neutral)
    return spread.amax(-2) if kind == "amax" else spread.amin(-2)


def _maximum(largest: bool, x: Tensor, result: Tensor, _: Tensor) -> Tensor:
    import torch

    return torch.maximum(x, result) if largest else torch.minimum(x, result)


_JOINED: dict[str, Callable[..., Any]] = {
    "sum": lambda x, result, _: x + result,
    "mean": lambda x, result, hits: result + x / (hits + 1),
    "prod": lambda x, result, _: x * result,
    "amax": partial(_maximum, True),
    "amin": partial(_maximum, False),
}
"""what was there before, with what came in"""

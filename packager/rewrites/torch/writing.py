"""Writing into part of a tensor, as a new tensor made of parts.

Replaces: `slice_scatter`, `select_scatter`, `index_put`, `index_add`, `scatter_add`, `index_copy` and `one_hot`, which
    are what `x[a:b] = y`, `x[mask] = 0` and overlap-add in loops become.
Why: coremltools 9.0 gets shapes of part of them wrong; litert-torch 0.10 makes scatters of them that LiteRT refuses, or
    has no lowering.
Given: such an op. Result: parts laid side by side; a gather from old and new values where they are interleaved; a
    choice where a mask says what is written; a product with a matrix of 0 and 1 where values are added up.
Equal because: no number is computed but the sums that are asked for; a product with 0 or 1 is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.axes import move_axis

if TYPE_CHECKING:
    from torch import Tensor

NAME = "writing"

MOST_ELEMENTS = 2**24
"""of a matrix of 0 and 1"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.slice_scatter.default: _slice_scatter,
        aten.select_scatter.default: _select_scatter,
        aten.index_put.default: _index_put,
        aten.index_put_.default: lambda *_: NotImplemented,
        aten.index_add.default: _index_add,
        aten.index_copy.default: _index_copy,
        aten.scatter_add.default: _scatter_add,
        aten.one_hot.default: _one_hot,
    }


def _slice_scatter(
    x: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    import torch

    size = x.shape[dim]
    if not isinstance(size, int):
        return NotImplemented
    places = range(size)[slice(start, end, step)]
    if not places:
        return x
    src = src.to(x.dtype).expand([len(places) if axis == dim % x.ndim else n for axis, n in enumerate(x.shape)])
    if step != 1:
        taken = {place: size + number for number, place in enumerate(places)}
        order = torch.tensor([taken.get(place, place) for place in range(size)])
        return torch.cat([x, src], dim).index_select(dim, order)
    first, behind = places[0], places[-1] + 1
    parts = [x.narrow(dim, 0, first), src, x.narrow(dim, behind, size - behind)]
    parts = [part for part in parts if part.shape[dim]]
    return torch.cat(parts, dim) if len(parts) > 1 else src.clone()


def _select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Any:
    at = index % x.shape[dim]
    return _slice_scatter(x, src.unsqueeze(dim), dim, at, at + 1)


def _index_put(x: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False) -> Any:
    import torch

    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    masks = [index for _, index in given if index.dtype in (torch.bool, torch.uint8)]
    if len(given) == 1 and masks and values.numel() == 1 and given[0][0] == 0:
        mask = masks[0].to(torch.bool)
        mask = mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
        value = values.reshape(()).to(x.dtype)
        return torch.where(mask, x + value if accumulate else value, x)
    if len(given) != 1 or masks or given[0][1].ndim != 1:
        return NotImplemented
    axis, index = given[0]
    shape = [index.shape[0] if at == axis else size for at, size in enumerate(x.shape)]
    spread = values.to(x.dtype).expand(shape)
    return _index_add(x, axis, index, spread) if accumulate else _index_copy(x, axis, index, spread)


def _ones_where(index: Tensor, size: int, dtype: Any) -> Tensor:
    """(size, index): 1 where a place of the result is what an index says."""
    import torch

    index = torch.where(index < 0, index + size, index)
    return (torch.arange(size, dtype=index.dtype)[:, None] == index[None]).to(dtype)


def _along(matrix: Tensor, x: Tensor, dim: int) -> Tensor:
    """Multiply a matrix with a tensor along one of its axes."""
    return move_axis((matrix @ move_axis(x, dim, -1).unsqueeze(-1)).squeeze(-1), -1, dim)


def _index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Any:
    if not x.is_floating_point() or index.ndim != 1:
        return NotImplemented
    added = _along(_ones_where(index, x.shape[dim], x.dtype), source, dim)
    return x + (added if alpha == 1 else added * alpha)


def _index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Any:
    """The last one of equal indices counts, and torch promises no order for those."""
    import torch

    if index.ndim != 1:
        return NotImplemented
    size, count = x.shape[dim], index.shape[0]
    matches = _ones_where(index, size, torch.float32)
    number = (matches * torch.arange(1, count + 1, dtype=torch.float32)).amax(1).to(torch.int64)
    order = torch.where(number > 0, number - 1 + size, torch.arange(size))
    return torch.cat([x, source.to(x.dtype)], dim).index_select(dim, order)


def _scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    import torch

    size = x.shape[dim]
    if not x.is_floating_point() or index.numel() * size > MOST_ELEMENTS:
        return NotImplemented
    if any(a != b for at, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if at != dim % x.ndim):
        return NotImplemented
    src = src[tuple(slice(0, count) for count in index.shape)]
    places, values = move_axis(index, dim, -1).unsqueeze(-1), move_axis(src, dim, -1).unsqueeze(-2)
    matches = (places == torch.arange(size, dtype=index.dtype)).to(x.dtype)
    return x + move_axis((values @ matches).squeeze(-2), -1, dim)


def _one_hot(index: Tensor, num_classes: int = -1) -> Any:
    import torch

    if num_classes < 0:
        return NotImplemented
    return (index.unsqueeze(-1) == torch.arange(num_classes, dtype=index.dtype)).to(torch.int64)

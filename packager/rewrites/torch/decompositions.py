"""Ops that torch itself defines by others.

Replaces: a list of seldom used ops, each by torch's own definition or one line.
Why: coremltools 9.0 takes traced modules, whose ops it lowers one by one, and has none of these.
Given: such an op. Result: the ops that torch's documentation defines it by.
Equal because: the definitions are torch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.axes import move_axis

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "decompositions"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.take_along_dim.default: _take_along,
        aten.kron.default: _kron,
        aten.diag.default: lambda x, diagonal=0: (_diagonal if x.ndim == 2 else _diag_embed)(x, diagonal),
        aten.rot90.default: _turned,
        aten.channel_shuffle.default: _shuffled,
        aten.select.int: _selected,
        aten.pixel_unshuffle.default: _unshuffled,
        aten.narrow_copy.default: lambda x, dim, start, length: x.narrow(dim, start, length).clone(),
        aten.diff.default: _differences,
        aten.trapezoid.dx: _trapezoid,
        aten.vdot.default: lambda x, y: (x * y).sum(),
        aten.cross.default: lambda x, y, dim=None: _cross(x, y, -1 if dim is None else dim),
        aten.linalg_cross.default: lambda x, y, *, dim=-1: _cross(x, y, dim),
        aten.diagonal.default: _diagonal,
        aten.diag_embed.default: _diag_embed,
        aten.movedim.int: move_axis,
        aten.movedim.intlist: _moved,
        aten.moveaxis.int: move_axis,
        aten.moveaxis.intlist: _moved,
        aten.tensor_split.sections: _split_evenly,
        aten.tensor_split.indices: _split_at,
        aten.argmax.default: lambda x, dim=None, keepdim=False: _flat(torch.argmax, x, dim, keepdim),
        aten.argmin.default: lambda x, dim=None, keepdim=False: _flat(torch.argmin, x, dim, keepdim),
    }


def _selected(x: Tensor, dim: int, index: int) -> Any:
    """One of several numbers laid side by side: coremltools 9.0 takes these for a shape that is not known yet."""
    if x.ndim != 1 or not isinstance(index, int):
        return NotImplemented
    return x.narrow(dim, index % x.shape[0], 1).reshape(())


def _unshuffled(x: Tensor, factor: int) -> Tensor:
    *others, channels, height, width = x.shape
    parts = x.reshape(-1, channels, height // factor, factor, width // factor, factor).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(*others, channels * factor * factor, height // factor, width // factor)


def wanted(node: Node) -> bool:
    """Whether what is selected from is made of single numbers; all other ops here are always replaced."""
    import torch

    aten = torch.ops.aten
    if node.target is not aten.select.int:
        return True
    source: Any = node.args[0]
    return source.target in (aten.stack.default, aten.cat.default) and source.meta["val"].ndim == 1


def _take_along(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    if dim is None:
        return x.reshape(-1).gather(0, indices.reshape(-1))
    axes = range(x.ndim)
    sizes = [max(x.shape[axis], indices.shape[axis]) for axis in axes]
    source, places = ([v.shape[axis] if axis == dim % x.ndim else sizes[axis] for axis in axes] for v in (x, indices))
    return x.expand(source).gather(dim, indices.expand(places))


def _differences(
    x: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    import torch

    parts = [part for part in (prepend, x, append) if part is not None]
    x = torch.cat(parts, dim) if len(parts) > 1 else x
    for _ in range(min(n, x.shape[dim])):
        later, earlier = x.narrow(dim, 1, x.shape[dim] - 1), x.narrow(dim, 0, x.shape[dim] - 1)
        x = torch.logical_xor(later, earlier) if x.dtype is torch.bool else later - earlier
    return x


def _trapezoid(y: Tensor, *, dx: float = 1, dim: int = -1) -> Tensor:
    inner = y.sum(dim) - (y.select(dim, 0) + y.select(dim, -1)) / 2
    return inner * dx


def _kron(x: Tensor, y: Tensor) -> Tensor:
    ndim = max(x.ndim, y.ndim)
    first, second = ([1] * (ndim - v.ndim) + list(v.shape) for v in (x, y))
    left = x.reshape([size for pair in zip(first, [1] * ndim, strict=True) for size in pair])
    right = y.reshape([size for pair in zip([1] * ndim, second, strict=True) for size in pair])
    return (left * right).reshape([a * b for a, b in zip(first, second, strict=True)])


def _turned(x: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    first, second = dims
    if k % 4 == 0:
        return x.clone()
    if k % 4 == 2:
        return x.flip(first, second)
    return x.transpose(first, second).flip(first if k % 4 == 1 else second)


def _shuffled(x: Tensor, groups: int) -> Tensor:
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def _cross(x: Tensor, y: Tensor, dim: int) -> Tensor:
    import torch

    a, b = ([v.narrow(dim, index, 1) for index in range(3)] for v in (x, y))
    parts = [a[(n + 1) % 3] * b[(n + 2) % 3] - a[(n + 2) % 3] * b[(n + 1) % 3] for n in range(3)]
    return torch.cat(parts, dim)


def _moved(x: Tensor, source: Sequence[int], destination: Sequence[int]) -> Tensor:
    places = {after % x.ndim: before % x.ndim for before, after in zip(source, destination, strict=True)}
    others = iter(axis for axis in range(x.ndim) if axis not in places.values())
    return x.permute([places[at] if at in places else next(others) for at in range(x.ndim)])


def _split_evenly(x: Tensor, sections: int, dim: int = 0) -> list[Tensor]:
    small, larger = divmod(x.shape[dim], sections)
    return _split_at(x, [index * small + min(index, larger) for index in range(1, sections)], dim)


def _split_at(x: Tensor, indices: Sequence[int], dim: int = 0) -> list[Tensor]:
    size = x.shape[dim]
    bounds = [0, *(range(size)[slice(index, None)].start for index in indices), size]
    return [x.narrow(dim, start, max(0, end - start)) for start, end in pairwise(bounds)]


def _flat(call: Callable[..., Tensor], x: Tensor, dim: int | None, keepdim: bool) -> Any:
    if dim is not None or keepdim:
        return NotImplemented
    return call(x.reshape(-1), 0)


def _diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    import torch

    moved = _moved(x, (dim1, dim2), (-2, -1))
    rows, columns = moved.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    count = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    return moved.flatten(-2).index_select(-1, torch.arange(count) * (columns + 1) + start)


def _diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    import torch

    size = x.shape[-1] + abs(offset)
    before, after = max(0, -offset), max(0, offset)
    padded = torch.nn.functional.pad(x, (before, size - x.shape[-1] - before))
    rows = torch.eye(size, dtype=x.dtype).roll(after - before, 1) if offset else torch.eye(size, dtype=x.dtype)
    return _moved(padded.unsqueeze(-1) * rows, (-2, -1), (dim1, dim2))

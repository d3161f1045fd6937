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

NAME = "decompositions"

COMPOSITE = "channel_shuffle cross diag kron linalg_cross rot90 take_along_dim vdot"
"""packets; those overloads are taken that torch has a definition of"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch
    from torch._decomp import decomposition_table

    aten = torch.ops.aten
    found: dict[Any, Callable[..., Any]] = {}
    for name in COMPOSITE.split():
        packet = getattr(aten, name, None)
        for overload in packet.overloads() if packet is not None else ():
            op = getattr(packet, overload)
            if any(argument.is_out for argument in op._schema.arguments) or not torch._C._dispatch_has_kernel(op._name):
                continue
            if op in decomposition_table:
                found[op] = decomposition_table[op]
            elif op._can_decompose():
                found[op] = op.decompose
    return found | {
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

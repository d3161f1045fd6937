"""Writing into part of a tensor, as a new tensor made of parts.

Replaces: `slice_scatter`, `select_scatter` and `one_hot`, which are what `x[a:b] = y` and overlap-add in loops become.
Why: coremltools 9.0 gets shapes of part of them wrong; litert-torch 0.10 makes scatters of them that LiteRT refuses, or
    has no lowering.
Given: such an op. Result: parts laid side by side; a gather from old and new values where they are interleaved.
Equal because: no number is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "writing"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.slice_scatter.default: _slice_scatter,
        aten.select_scatter.default: _select_scatter,
        aten.index_put_.default: lambda *_: NotImplemented,
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


def _one_hot(index: Tensor, num_classes: int = -1) -> Any:
    import torch

    if num_classes < 0:
        return NotImplemented
    return (index.unsqueeze(-1) == torch.arange(num_classes, dtype=index.dtype)).to(torch.int64)

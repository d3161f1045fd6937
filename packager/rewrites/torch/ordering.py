"""Sorting, and what is found by sorting, as one search for the largest values along the last axis.

Replaces: `sort`, `argsort`, `msort`, `topk` along other axes, `median`, `nanmedian`, `kthvalue` and `quantile`.
Why: LiteRT 2.3 has no sort, only the k largest along the last axis; coremltools 9.0 has no median and no quantile.
Given: such an op. Result: `topk` along the last axis, of the negated values where the smallest are wanted.
Equal because: the k largest of k values are all of them, in order, and negating is exact. Among equal values torch
    promises no order of their places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import of_node
from packager.rewrites.torch.axes import move_axis

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "ordering"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.sort.default: _sort,
        aten.sort.stable: lambda x, dim=-1, descending=False, **_: _sort(x, dim, descending),
        aten.argsort.default: lambda x, dim=-1, descending=False: _sort(x, dim, descending)[1],
        aten.argsort.stable: lambda x, dim=-1, descending=False, **_: _sort(x, dim, descending)[1],
        aten.msort.default: lambda x: _sort(x, 0)[0],
        aten.topk.default: _topk,
        aten.median.dim: _median,
        aten.median.default: lambda x: _median(x.reshape(-1), 0)[0],
        aten.nanmedian.dim: _median,
        aten.nanmedian.default: lambda x: _median(x.reshape(-1), 0)[0],
        aten.kthvalue.default: _kth,
        aten.quantile.scalar: _quantile,
    }


def wanted(node: Node) -> bool:
    """All but `topk` along the last axis whose places are wanted, too."""
    if "topk" not in str(node.target):
        return True
    call: Any = of_node(node)
    used = {user.args[1] for user in node.users if user.users}
    return call.dim not in (-1, call.self.meta["val"].ndim - 1) or 1 not in used


def _topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Tensor]:  # noqa: A002  torch's name
    import torch

    values = move_axis(x, dim, -1)
    places = torch.topk(values if largest else -values, k, -1, sorted=sorted)[1]
    # Values by their places: where nobody wants the places, litert-torch makes a sort, which LiteRT does not have.
    return move_axis(values.gather(-1, places), -1, dim), move_axis(places, -1, dim)


def _sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    import torch

    if x.ndim == 0:
        return x, torch.zeros((), dtype=torch.int64)
    return _topk(x, x.shape[dim], dim, descending)


def _kth(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    if x.ndim == 0:
        return _sort(x)
    # From the nearer end, so that fewer values are searched for.
    from_above = x.shape[dim] - k + 1 < k
    count = x.shape[dim] - k + 1 if from_above else k
    values, places = _topk(x, count, dim, from_above)
    pair = values.narrow(dim, count - 1, 1), places.narrow(dim, count - 1, 1)
    return pair if keepdim else (pair[0].squeeze(dim), pair[1].squeeze(dim))


def _median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return _kth(x, (x.shape[dim] + 1) // 2, dim, keepdim) if x.ndim else _kth(x, 1)


def _quantile(
    x: Tensor, q: float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    if dim is None:
        if keepdim:
            return NotImplemented
        x, dim = x.reshape(-1), 0
    place = q * (x.shape[dim] - 1)
    below, above = math.floor(place), math.ceil(place)
    shares = {"linear": place - below, "lower": 0.0, "higher": 1.0, "midpoint": 0.5, "nearest": round(place) - below}
    share = shares[interpolation] if above > below else 0.0
    low = _kth(x, below + 1, dim, keepdim)[0]
    if share == 0:
        return low
    high = _kth(x, above + 1, dim, keepdim)[0]
    return high if share == 1 else low + (high - low) * share

"""Distances between points as sums of differences.

Replaces: `aten.cdist`, `_cdist_forward`, `_euclidean_dist`, `pdist` and `pairwise_distance`, of every order.
Why: coremltools 9.0 has none of them.
Given: `cdist(x, y, p)`. Result: for p = 2, the square root of |x|^2 - 2xy + |y|^2 where torch would use that itself
    (more than 25 points), else, and for every other p, differences of all pairs, summed up.
Equal because: torch chooses between the same two formulas by the same count of points. The first one's sum is cut off
    at 0 before the root, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "distances"

MANY = 25
"""points from which on torch multiplies matrices"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.cdist.default: _cdist,
        aten._cdist_forward.default: _cdist,
        aten._euclidean_dist.default: lambda x, y: _euclidean(x, y),  # noqa: PLW0108  takes exactly two
        aten.pdist.default: _pdist,
        aten._pdist_forward.default: _pdist,
        aten.pairwise_distance.default: _pairwise,
    }


def _cdist(x: Tensor, y: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    multiply = compute_mode == 1 or (compute_mode in (None, 0) and max(x.shape[-2], y.shape[-2]) > MANY)
    if p == 2 and multiply:
        return _euclidean(x, y)
    return _order(x.unsqueeze(-2) - y.unsqueeze(-3), p)


def _euclidean(x: Tensor, y: Tensor) -> Tensor:
    import torch

    squares = x.square().sum(-1, keepdim=True) + y.square().sum(-1).unsqueeze(-2)
    return torch.sqrt(torch.relu(squares - 2 * torch.matmul(x, y.transpose(-1, -2))))


def _order(difference: Tensor, p: float, keepdim: bool = False) -> Tensor:
    import torch

    if p == 2:
        return torch.sqrt(difference.square().sum(-1, keepdim=keepdim))
    magnitude = difference.abs()
    if p == 1:
        return magnitude.sum(-1, keepdim=keepdim)
    if p == float("inf"):
        return magnitude.amax(-1, keepdim=keepdim)
    if p == 0:
        return (magnitude != 0).to(difference.dtype).sum(-1, keepdim=keepdim)
    return magnitude.pow(p).sum(-1, keepdim=keepdim).pow(1 / p)


def _pdist(x: Tensor, p: float = 2.0) -> Tensor:
    import numpy as np
    import torch

    first, second = (torch.from_numpy(index) for index in np.triu_indices(x.shape[0], 1))
    return _order(x.index_select(0, first) - x.index_select(0, second), p)


def _pairwise(x: Tensor, y: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    return _order(x - y + eps, p, keepdim)

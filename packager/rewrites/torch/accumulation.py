"""Running products, maxima, minima and sums of exponentials, by doubling steps.

Replaces: `cumprod`, `cummax`, `cummin` and `logcumsumexp`.
Why: litert-torch 0.10 has none of them, coremltools 9.0 not the maxima and minima.
Given: such an op along n values. Result: log2(n) steps, each of which joins every value with the one 1, 2, 4 … places
    before it.
Equal because: the joining op is associative. Maxima round nothing; products and sums are rounded in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "accumulation"

Join = Callable[[Sequence[Any], Sequence[Any]], list[Any]]


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.cumprod.default: _cumprod,
        aten.logcumsumexp.default: _logcumsumexp,
        aten.cummax.default: lambda x, dim: _extreme(x, dim, 1),
        aten.cummin.default: lambda x, dim: _extreme(x, dim, -1),
    }


def scan(values: Sequence[Tensor], dim: int, join: Join) -> list[Tensor]:
    """Join each place with all before it.

    Args:
        values: Tensors of one shape, which are joined together.
        dim: Along which axis.
        join: Takes the values that come before and those that come after.

    Returns:
        Tensors of the same shapes.
    """
    import torch

    size = values[0].shape[dim]
    step = 1
    done = list(values)
    while step < size:
        before = [value.narrow(dim, 0, size - step) for value in done]
        after = [value.narrow(dim, step, size - step) for value in done]
        joined = join(before, after)
        done = [torch.cat([value.narrow(dim, 0, step), new], dim) for value, new in zip(done, joined, strict=True)]
        step *= 2
    return done


def _cumprod(x: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    return scan([x], dim, lambda before, after: [before[0] * after[0]])[0]


def _logcumsumexp(x: Tensor, dim: int) -> Tensor:
    import torch

    def join(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
        top = torch.maximum(before[0], after[0])
        return [top + torch.log1p(torch.exp(-(before[0] - after[0]).abs()))]

    return scan([x], dim, join)[0]


def _extreme(x: Tensor, dim: int, sign: int) -> tuple[Tensor, Tensor]:
    import torch

    shape = [-1 if axis == dim % x.ndim else 1 for axis in range(x.ndim)]
    places = torch.arange(x.shape[dim]).reshape(shape).expand(x.shape)

    def join(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
        stays = before[0] > after[0] if sign > 0 else before[0] < after[0]
        return [torch.where(stays, old, new) for old, new in zip(before, after, strict=True)]

    values, found = scan([x, places], dim, join)
    return values, found

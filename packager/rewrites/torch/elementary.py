"""Elementary functions by ops that both formats have, and have right.

Replaces: `clamp` of whole numbers, `reciprocal`, `fmod`, `remainder` by 1, `exp2`, `hypot`, `fmax`, `fmin`, `asinh`,
    `acosh`, `trunc`, `erfc`, `copysign`, `round` to decimals, logic of truth values by bit operators, and `bucketize`
    and `searchsorted`.
Why: coremltools 9.0 makes 1 / (x + 1e-4) of a reciprocal and something else of `x % 1.0`, without a word, and floats
    of clamped whole numbers, by which nothing can be indexed; it or litert-torch 0.10 has none of the others.
Given: such an op. Result: quotients, floors, logarithms, comparisons and counts.
Equal because: each is the definition. `asinh` and `acosh` are rounded twice more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "elementary"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    real: dict[Any, Callable[..., Any]] = {
        aten.reciprocal.default: _reciprocal,
        aten.fmod.Scalar: lambda x, y: x - _toward_zero(x / y) * y,
        aten.fmod.Tensor: lambda x, y: x - _toward_zero(x / y) * y,
        aten.remainder.Scalar: lambda x, _: x - torch.floor(x),
        aten.exp2.default: lambda x: torch.exp(x * math.log(2)),
        aten.hypot.default: lambda x, y: torch.sqrt(x * x + y * y),
        aten.fmax.default: lambda x, y: _known(torch.maximum, x, y),
        aten.fmin.default: lambda x, y: _known(torch.minimum, x, y),
        aten.asinh.default: _asinh,
        aten.acosh.default: lambda x: torch.log(x + torch.sqrt(x * x - 1)),
        aten.trunc.default: _toward_zero,
        aten.fix.default: _toward_zero,
        aten.erfc.default: lambda x: 1 - torch.erf(x),
        aten.copysign.Tensor: lambda x, y: torch.where(y < 0, -x.abs(), x.abs()),
        aten.round.decimals: lambda x, *, decimals: torch.round(x * 10.0**decimals) / 10.0**decimals,
        aten.clamp.default: _clamp,
        aten.bucketize.Tensor: _bucketize,
        aten.searchsorted.Tensor: _searchsorted,
    }  # fmt: skip
    return real | _logic()


def wanted(node: Node) -> bool:
    """Of remainders only those by 1, of reciprocals and bit operators only those of floats and truth values."""
    import torch

    value: Any = node.meta.get("val")
    name = str(node.target)
    if "clamp" in name:
        return not value.is_floating_point()
    if "remainder" in name:
        return bool(node.args[1] == 1 and value.is_floating_point())
    if any(word in name for word in ("and__", "or__", "bitwise", "logical_xor")):
        operands = [argument.meta["val"].dtype for argument in node.all_input_nodes]
        return bool(value.dtype is torch.bool and all(dtype is torch.bool for dtype in operands))
    return True


def _logic() -> dict[Any, Callable[..., Any]]:
    import torch

    aten = torch.ops.aten
    calls: dict[tuple[Any, ...], Callable[..., Any]] = {
        (aten.bitwise_and.Tensor, aten.__and__.Tensor): torch.logical_and,
        (aten.bitwise_or.Tensor, aten.__or__.Tensor): torch.logical_or,
        (aten.bitwise_xor.Tensor, aten.__xor__.Tensor, aten.logical_xor.default): _either,
        (aten.bitwise_not.default,): torch.logical_not,
    }
    return {op: call for ops, call in calls.items() for op in ops}


def _known(call: Callable[..., Any], x: Tensor, y: Tensor) -> Tensor:
    """Where one of two is NaN, the other."""
    import torch

    return torch.where(torch.isnan(x), y, torch.where(torch.isnan(y), x, call(x, y)))


def _either(x: Tensor, y: Tensor) -> Tensor:
    import torch

    return torch.logical_and(torch.logical_or(x, y), torch.logical_not(torch.logical_and(x, y)))


def _reciprocal(x: Tensor) -> Tensor:
    import torch

    return torch.tensor(1.0, dtype=x.dtype if x.is_floating_point() else torch.float32) / x


def _toward_zero(x: Tensor) -> Tensor:
    import torch

    if not x.is_floating_point():
        return x
    return torch.sign(x) * torch.floor(x.abs())


def _clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002  torch's names
    import torch

    if min is not None:
        x = torch.maximum(x, torch.tensor(int(min), dtype=x.dtype))
    return x if max is None else torch.minimum(x, torch.tensor(int(max), dtype=x.dtype))


def _asinh(x: Tensor) -> Tensor:
    import torch

    # With log1p it is right near 0 too.
    magnitude = x.abs()
    square = magnitude * magnitude
    return torch.sign(x) * torch.log1p(magnitude + square / (1 + torch.sqrt(square + 1)))


def _bucketize(x: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    return _count_below(boundaries, x.unsqueeze(-1), out_int32, right)


def _searchsorted(
    sorted_sequence: Tensor,
    x: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    **_: Any,
) -> Tensor:
    values = sorted_sequence if sorted_sequence.ndim == 1 else sorted_sequence.unsqueeze(-2)
    return _count_below(values, x.unsqueeze(-1), out_int32, right or side == "right")


def _count_below(boundaries: Tensor, x: Tensor, out_int32: bool, right: bool) -> Tensor:
    import torch

    below = boundaries <= x if right else boundaries < x
    return below.sum(-1).to(torch.int32 if out_int32 else torch.int64)

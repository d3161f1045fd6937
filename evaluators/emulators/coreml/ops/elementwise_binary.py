"""Elementwise operations of two tensors, with numpy's broadcasting. Source: iOS15/elementwise_binary.py.

Sums and products of integers wrap. An integer divided by zero gives 0, as the ops' value inference (numpy) has it.

Results are held against their bound before they are made. The ops that loops consist of ask in place: a call more would
take a tenth of the time of a small one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import MAX_ELEMENTS, check_broadcast


@op("add")
def add(x: Tensor, y: Tensor) -> Tensor:
    """`x + y` (iOS15)."""
    if x.numel() * y.numel() > MAX_ELEMENTS:
        check_broadcast(x, y)
    return torch.add(x, y)


@op("sub")
def sub(x: Tensor, y: Tensor) -> Tensor:
    """`x - y` (iOS15)."""
    if x.numel() * y.numel() > MAX_ELEMENTS:
        check_broadcast(x, y)
    return torch.sub(x, y)


@op("mul")
def mul(x: Tensor, y: Tensor) -> Tensor:
    """`x · y` (iOS15)."""
    if x.numel() * y.numel() > MAX_ELEMENTS:
        check_broadcast(x, y)
    return torch.mul(x, y)


@op("real_div")
def real_div(x: Tensor, y: Tensor) -> Tensor:
    """`x / y` (iOS15); integers keep their type, the quotient is rounded towards zero."""
    return quotient(x, y, None if x.is_floating_point() else "trunc")


def quotient(x: Tensor, y: Tensor, rounding: str | None) -> Tensor:
    """`x / y` rounded by torch's `rounding_mode`; integers divided by zero give 0."""
    check_broadcast(x, y)
    if x.is_floating_point():
        return torch.div(x, y, rounding_mode=rounding)
    # In int64, where the smallest int32 divided by -1 has a place: in int32 the processor ends the process.
    result = torch.div(x.long(), torch.where(y == 0, 1, y).long(), rounding_mode=rounding)
    return torch.where(y == 0, 0, result).to(x.dtype)


@op("floor_div")
def floor_div(x: Tensor, y: Tensor) -> Tensor:
    """`x / y` rounded towards minus infinity (iOS15)."""
    return quotient(x, y, "floor")


@op("mod")
def mod(x: Tensor, y: Tensor) -> Tensor:
    """`x - floor(x / y) · y`, the sign of `y` (iOS15)."""
    check_broadcast(x, y)
    if x.is_floating_point():
        return torch.remainder(x, y)
    return torch.where(y == 0, 0, torch.remainder(x, torch.where(y == 0, 1, y)))


@op("pow", operands=("x",))
def power(y: Tensor) -> Callable[[Tensor], Tensor]:
    """`x` to the power `y` (iOS15); of integers, what a negative power leaves of the fraction is cut off."""
    # Torch has quick ways for a few numbers, none for tensors; negative powers of integers it has for tensors alone.
    exponent = y.item() if y.ndim == 0 and y.is_floating_point() else y

    def compute(x: Tensor) -> Tensor:
        check_broadcast(x, y)
        return torch.pow(x, exponent)

    return compute


@op("maximum", exact=True)
def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger of the two (iOS15)."""
    check_broadcast(x, y)
    return torch.maximum(x, y)


@op("minimum", exact=True)
def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller of the two (iOS15)."""
    check_broadcast(x, y)
    return torch.minimum(x, y)


@op("equal", exact=True)
def equal(x: Tensor, y: Tensor) -> Tensor:
    """`x = y` (iOS15)."""
    check_broadcast(x, y)
    return torch.eq(x, y)


@op("not_equal", exact=True)
def not_equal(x: Tensor, y: Tensor) -> Tensor:
    """`x ≠ y` (iOS15)."""
    check_broadcast(x, y)
    return torch.ne(x, y)


@op("greater", exact=True)
def greater(x: Tensor, y: Tensor) -> Tensor:
    """`x > y` (iOS15)."""
    check_broadcast(x, y)
    return torch.gt(x, y)


@op("greater_equal", exact=True)
def greater_equal(x: Tensor, y: Tensor) -> Tensor:
    """`x ≥ y` (iOS15)."""
    check_broadcast(x, y)
    return torch.ge(x, y)


@op("less", exact=True)
def less(x: Tensor, y: Tensor) -> Tensor:
    """`x < y` (iOS15)."""
    check_broadcast(x, y)
    return torch.lt(x, y)


@op("less_equal", exact=True)
def less_equal(x: Tensor, y: Tensor) -> Tensor:
    """`x ≤ y` (iOS15)."""
    check_broadcast(x, y)
    return torch.le(x, y)


@op("logical_and", exact=True)
def logical_and(x: Tensor, y: Tensor) -> Tensor:
    """Both (iOS15)."""
    check_broadcast(x, y)
    return torch.logical_and(x, y)


@op("logical_or", exact=True)
def logical_or(x: Tensor, y: Tensor) -> Tensor:
    """Either or both (iOS15)."""
    check_broadcast(x, y)
    return torch.logical_or(x, y)


@op("logical_xor", exact=True)
def logical_xor(x: Tensor, y: Tensor) -> Tensor:
    """Either but not both (iOS15)."""
    check_broadcast(x, y)
    return torch.logical_xor(x, y)

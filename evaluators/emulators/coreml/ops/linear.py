"""Matrix products. Source: iOS15/linear.py and iOS17/linear.py, since which operands may be of different types.

Floats and integers together are multiplied as floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import MAX_ELEMENTS, broadcast_shape, check_size
from evaluators.errors import EvaluationError


@op("linear", operands=("x",))
def linear(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """`x · weightᵀ + bias`, in the type of `x` (iOS15)."""
    as_float = weight.float(), None if bias is None else bias.float()
    if weight.ndim != 2 or (bias is not None and bias.shape not in ((), (1,), weight.shape[:1])):
        found = f"weight of shape {list(weight.shape)}" + ("" if bias is None else f", bias of {list(bias.shape)}")
        raise EvaluationError(f"linear has {found}; expected [outputs, inputs] and [outputs]")

    def compute(x: Tensor) -> Tensor:
        if x.numel() * weight.shape[0] > MAX_ELEMENTS:
            check_size((*x.shape[:-1], weight.shape[0]))
        if x.is_floating_point():
            return F.linear(x, *as_float)
        product = torch.matmul(*_alike(x, weight.transpose(-1, -2)))
        return (product if bias is None else product + bias).to(x.dtype)

    return compute


@op("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Product of the last two dimensions, the others broadcast (iOS15); transposing leaves vectors as they are."""
    left = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y
    if left.numel() * right.numel() > MAX_ELEMENTS:
        _check_product(left, right)
    return torch.matmul(*_alike(left, right))


def _check_product(x: Tensor, y: Tensor) -> None:
    """Refuse a product that would be too large, and operands that would be when they are stretched to each other."""
    left, right = (x if x.ndim > 1 else x[None]), (y if y.ndim > 1 else y[:, None])
    batch = broadcast_shape(left.shape[:-2], right.shape[:-2])
    for rows, columns in ((left.shape[-2], right.shape[-1]), left.shape[-2:], right.shape[-2:]):
        check_size((*batch, rows, columns))


def _alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return (x, y) if x.dtype == y.dtype else (x.float(), y.float())


@op("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    """Product and sum as the equation says (iOS15); dimensions of size 1 broadcast."""
    _check_contractions(values, equation)
    return torch.einsum(equation, *values)


def _check_contractions(values: list[Tensor], equation: str) -> None:
    """Refuse an equation whose result would be too large, or what lies between: torch takes in one value at a time."""
    operands, _, result = equation.replace(" ", "").partition("->")
    if math.prod(value.numel() for value in values) <= MAX_ELEMENTS:
        return
    terms = operands.split(",")
    if "." in equation or "->" not in equation or len(terms) != len(values):
        raise EvaluationError(f"einsum of large values has the equation {equation!r}; expected a letter a dimension")
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 0))
    seen: set[str] = set()
    for position, term in enumerate(terms):
        seen |= set(term)
        needed = set(result).union(*terms[position + 1 :])
        check_size(sizes[letter] for letter in sorted(seen & needed))

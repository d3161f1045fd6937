"""Matrix products. Source: iOS15/linear.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op


@op("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x · weightᵀ + bias` (iOS15)."""
    if x.is_floating_point():
        return F.linear(x, weight, bias)
    product = torch.matmul(x, weight.transpose(-1, -2))
    return product if bias is None else product + bias


@op("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Product of the last two dimensions, the others broadcast (iOS15); transposing leaves vectors as they are."""
    left = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y
    return torch.matmul(left, right)


@op("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    """Product and sum as the equation says (iOS15); dimensions of size 1 broadcast."""
    return torch.einsum(equation, *values)

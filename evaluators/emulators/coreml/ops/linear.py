"""Matrix products. Source: iOS15/linear.py and iOS17/linear.py, since which operands may be of different types.

Floats and integers together are multiplied as floats.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op


@op("linear", operands=("x",))
def linear(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """`x · weightᵀ + bias`, in the type of `x` (iOS15)."""
    as_float = weight.float(), None if bias is None else bias.float()

    def compute(x: Tensor) -> Tensor:
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
    return torch.matmul(*_alike(left, right))


def _alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return (x, y) if x.dtype == y.dtype else (x.float(), y.float())


@op("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    """Product and sum as the equation says (iOS15); dimensions of size 1 broadcast."""
    return torch.einsum(equation, *values)

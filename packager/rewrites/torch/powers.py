"""Powers with small constant exponents as products and roots; other powers on few dimensions.

Replaces: `pow` with a constant exponent that is -2, -1, -0.5, 0.5, 1, 2, 3 or 4, and any on more than four dimensions.
Why: LiteRT's POW takes four dimensions at most, which litert-torch 0.10 finds out too late; both runtimes compute a
    power by a logarithm where a product is exact and many times faster.
Given: `pow(x, n)`. Result: `x * x` and its like, `sqrt`, `1 / sqrt`; else the power of the flattened tensor.
Equal because: products and roots are the definition, rounded once more for n = 3 and 4; flattening moves no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "powers"

_MOST_DIMENSIONS = 4


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    return {torch.ops.aten.pow.Tensor_Scalar: _power}


def wanted(node: Node) -> bool:
    """Whether the exponent is one of those, or the tensor large."""
    value: Any = node.meta.get("val")
    if value is None or not value.dtype.is_floating_point:
        return False
    return node.args[1] in _formulas() or value.ndim > _MOST_DIMENSIONS


def _power(x: Tensor, exponent: float) -> Tensor:
    import torch

    formula = _formulas().get(exponent)
    if formula is not None:
        return formula(x)
    return torch.pow(x.reshape(-1), exponent).reshape(x.shape)


def _formulas() -> dict[Any, Callable[[Tensor], Tensor]]:
    import torch

    return {
        -2.0: lambda x: 1.0 / (x * x),
        -1.0: lambda x: 1.0 / x,
        -0.5: lambda x: 1.0 / torch.sqrt(x),
        0.5: torch.sqrt,
        1.0: lambda x: x * 1.0,
        2.0: lambda x: x * x,
        3.0: lambda x: x * x * x,
        4.0: lambda x: (x * x) * (x * x),
    }

"""Activations by ops that every converter has.

Replaces: `celu`, `hardshrink`, `softshrink`, `log_sigmoid` and `rrelu` as it is at inference.
Why: coremltools 9.0 has none of the first four, litert-torch 0.10 not the last.
Given: such an op. Result: the same by `relu`, `exp`, `log1p`, `abs` and products.
Equal because: each is the definition, written without a choice; on each side of 0 one term is the value and the other
    is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "activations"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.celu.default: _celu,
        aten.hardshrink.default: _hardshrink,
        aten.softshrink.default: _softshrink,
        aten.log_sigmoid.default: _log_sigmoid,
        aten.log_sigmoid_forward.default: lambda x: (_log_sigmoid(x), None),
        aten.rrelu.default: _rrelu,
    }


def _celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    import torch

    return torch.relu(x) - alpha * torch.relu(1 - torch.exp(x / alpha))


def _hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    return x * (x.abs() > lambd).to(x.dtype)


def _softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    import torch

    return torch.relu(x - lambd) - torch.relu(-x - lambd)


def _log_sigmoid(x: Tensor) -> Tensor:
    import torch

    return -torch.relu(-x) - torch.log1p(torch.exp(-x.abs()))


def _rrelu(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None) -> Any:
    import torch

    if training or generator is not None:
        return NotImplemented
    return torch.nn.functional.leaky_relu(x, (lower + upper) / 2)

"""Activations. Source: iOS15/activation.py."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_broadcast
from evaluators.errors import EvaluationError


@op("relu", exact=True)
def relu(x: Tensor) -> Tensor:
    """`max(x, 0)` (iOS15)."""
    return torch.relu(x)


@op("relu6", exact=True)
def relu6(x: Tensor) -> Tensor:
    """`min(max(x, 0), 6)` (iOS15)."""
    return torch.clamp(x, 0.0, 6.0)


@op("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`min(beta, x)` where `x ≥ 0`, else `min(beta, alpha · x)` (iOS15)."""
    return torch.clamp(F.leaky_relu(x, alpha), max=beta)


@op("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """`x` where `x ≥ 0`, else `alpha · x` (iOS15)."""
    return F.leaky_relu(x, alpha)


@op("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """`x` where `x > 0`, else `alpha · x`, one alpha a channel (iOS15)."""
    return F.prelu(x, alpha)


@op("thresholded_relu", exact=True)
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """`x` where `x ≥ alpha`, else 0 (iOS15)."""
    return torch.where(x < alpha, 0.0, x)


@op("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    """`x` where `x > 0`, else `alpha · (eˣ - 1)` (iOS15)."""
    return F.elu(x, alpha)


@op("gelu", operands=("x",))
def gelu(mode: str = "EXACT") -> Callable[[Tensor], Tensor]:
    """Gaussian error linear unit (iOS15), by erf, tanh or sigmoid as `mode` says."""
    if mode == "EXACT":
        return F.gelu
    if mode == "TANH_APPROXIMATION":
        return lambda x: F.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return lambda x: x * torch.sigmoid(1.702 * x)
    raise EvaluationError(f"gelu has mode {mode!r}; expected EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION")


@op("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`alpha · x + beta` (iOS15)."""
    return x * alpha + beta


@op("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`alpha · tanh(beta · x)` (iOS15)."""
    return torch.tanh(x * beta) * alpha


@op("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """`1 / (1 + e⁻ˣ)` (iOS15)."""
    return torch.sigmoid(x)


@op("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`min(max(alpha · x + beta, 0), 1)` (iOS15)."""
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


@op("silu")
def silu(x: Tensor) -> Tensor:
    """`x · sigmoid(x)` (iOS15)."""
    return F.silu(x)


@op("softplus")
def softplus(x: Tensor) -> Tensor:
    """`log(1 + eˣ)` (iOS15), in the form that does not overflow."""
    return torch.logaddexp(x, torch.zeros((), dtype=x.dtype))


@op("softplus_parametric", operands=("x",))
def softplus_parametric(alpha: Tensor, beta: Tensor) -> Callable[[Tensor], Tensor]:
    """`alpha · log(1 + e^(beta · x))`, one alpha and beta a channel (iOS15)."""

    def compute(x: Tensor) -> Tensor:
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        check_broadcast(x, beta.reshape(shape))
        check_broadcast(x, alpha.reshape(shape))
        return softplus(x * beta.reshape(shape)) * alpha.reshape(shape)

    return compute


@op("softmax")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """`eˣ` divided by its sum along `axis` (iOS15)."""
    return torch.softmax(x, axis)


@op("softsign")
def softsign(x: Tensor) -> Tensor:
    """`x / (1 + |x|)` (iOS15)."""
    return F.softsign(x)

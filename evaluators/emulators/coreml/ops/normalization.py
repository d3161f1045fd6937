"""Normalisations. Source: iOS15/normalization.py."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_broadcast, check_size
from evaluators.errors import EvaluationError


@op("batch_norm", operands=("x",))
def batch_norm(
    mean: Tensor, variance: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Callable[[Tensor], Tensor]:
    """`gamma · (x - mean) / √(variance + epsilon) + beta`, a channel each (iOS15)."""
    vectors = {"mean": mean, "variance": variance, "gamma": gamma, "beta": beta}
    for name, values in vectors.items():
        if values is not None and (values.ndim != 1 or values.shape != mean.shape):
            raise EvaluationError(
                f"batch_norm has {name} of shape {list(values.shape)}, mean of shape {list(mean.shape)}; expected a"
                " number a channel in each"
            )
    # In float64, so that folding the four into two costs no more than one rounding.
    scale = (1.0 if gamma is None else gamma.double()) / torch.sqrt(variance.double() + epsilon)
    shift = (0.0 if beta is None else beta.double()) - mean.double() * scale
    factor, offset = scale.float(), shift.float()

    def compute(x: Tensor) -> Tensor:
        shape = (-1, *(1 for _ in x.shape[2:]))
        check_broadcast(x, offset.view(shape))
        return torch.addcmul(offset.view(shape), x, factor.view(shape))

    return compute


@op("instance_norm")
def instance_norm(x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5) -> Tensor:
    """As `batch_norm`, with mean and variance of each instance and channel (iOS15)."""
    axes = list(range(2, x.ndim))
    centred = x - x.mean(axes, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(axes, keepdim=True) + epsilon)
    shape = (x.shape[1], *(1 for _ in axes))
    result = result if gamma is None else result * gamma.view(shape)
    return result if beta is None else result + beta.view(shape)


@op("layer_norm")
def layer_norm(
    x: Tensor,
    axes: list[int] | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """`gamma · (x - mean) / √(variance + epsilon) + beta` over `axes`, by default all (iOS15)."""
    dimensions = sorted(axis % x.ndim for axis in (axes if axes is not None else range(x.ndim)))
    shape = [size if i in dimensions else 1 for i, size in enumerate(x.shape)]
    if dimensions == list(range(x.ndim - len(dimensions), x.ndim)):
        return F.layer_norm(x, [x.shape[i] for i in dimensions], gamma, beta, epsilon)
    centred = x - x.mean(dimensions, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(dimensions, keepdim=True) + epsilon)
    result = result if gamma is None else result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


@op("l2_norm")
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """`x / √(Σ x² + epsilon)` over the last three dimensions (iOS15)."""
    return x * torch.rsqrt(x.square().sum((-3, -2, -1), keepdim=True) + epsilon)


@op("local_response_norm")
def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """`x / (k + alpha / size · Σ x²)^beta` over `size` neighbouring channels (iOS15)."""
    check_size((*x.shape[:1], x.shape[1] + size, *x.shape[2:]))
    return F.local_response_norm(x, size, alpha, beta, k)

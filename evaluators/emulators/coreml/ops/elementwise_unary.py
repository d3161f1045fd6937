"""Elementwise operations of one tensor. Source: iOS15/elementwise_unary.py and iOS17/elementwise_unary.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from evaluators.emulators.coreml.constants import HELD_AS
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.ops.registry import op


@op("abs", exact=True)
def absolute(x: Tensor) -> Tensor:
    """Absolute value (iOS15)."""
    return torch.abs(x)


@op("ceil", exact=True)
def ceil(x: Tensor) -> Tensor:
    """Smallest integer not below x (iOS15)."""
    return torch.ceil(x)


@op("floor", exact=True)
def floor(x: Tensor) -> Tensor:
    """Largest integer not above x (iOS15)."""
    return torch.floor(x)


@op("sign", exact=True)
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 (iOS15); of NaN, NaN, as `numpy.sign`."""
    signs = torch.sign(x)
    return torch.where(torch.isnan(x), x, signs) if x.is_floating_point() else signs


@op("round", exact=True)
def round_(x: Tensor) -> Tensor:
    """Nearest integer, halves to the even one (iOS15; its reference is `numpy.round`)."""
    return torch.round(x)


@op("logical_not", exact=True)
def logical_not(x: Tensor) -> Tensor:
    """Truth turned round (iOS15)."""
    return torch.logical_not(x)


@op("acos")
def acos(x: Tensor) -> Tensor:
    """Arc cosine (iOS15)."""
    return torch.acos(x)


@op("asin")
def asin(x: Tensor) -> Tensor:
    """Arc sine (iOS15)."""
    return torch.asin(x)


@op("atan")
def atan(x: Tensor) -> Tensor:
    """Arc tangent (iOS15)."""
    return torch.atan(x)


@op("atanh")
def atanh(x: Tensor) -> Tensor:
    """Inverse hyperbolic tangent (iOS15)."""
    return torch.atanh(x)


@op("cos")
def cos(x: Tensor) -> Tensor:
    """Cosine (iOS15)."""
    return torch.cos(x)


@op("cosh")
def cosh(x: Tensor) -> Tensor:
    """Hyperbolic cosine (iOS15)."""
    return torch.cosh(x)


@op("erf")
def erf(x: Tensor) -> Tensor:
    """Gauss error function (iOS15)."""
    return torch.erf(x)


@op("exp")
def exp(x: Tensor) -> Tensor:
    """Exponential function (iOS15)."""
    return torch.exp(x)


@op("sin")
def sin(x: Tensor) -> Tensor:
    """Sine (iOS15)."""
    return torch.sin(x)


@op("sinh")
def sinh(x: Tensor) -> Tensor:
    """Hyperbolic sine (iOS15)."""
    return torch.sinh(x)


@op("sqrt")
def sqrt(x: Tensor) -> Tensor:
    """Square root (iOS15)."""
    return torch.sqrt(x)


@op("square")
def square(x: Tensor) -> Tensor:
    """`x · x` (iOS15)."""
    return torch.square(x)


@op("tan")
def tan(x: Tensor) -> Tensor:
    """Tangent (iOS15)."""
    return torch.tan(x)


@op("tanh")
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent (iOS15)."""
    return torch.tanh(x)


@op("exp2")
def exp2(x: Tensor) -> Tensor:
    """2 to the power `x` (iOS15); integers keep their type."""
    return torch.exp2(x).to(x.dtype)


@op("inverse")
def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    """`1 / (x + epsilon)` (iOS15)."""
    return torch.reciprocal(x + epsilon)


@op("log")
def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    """Natural logarithm of `x + epsilon` (iOS15)."""
    return torch.log(x + epsilon) if epsilon else torch.log(x)


@op("rsqrt")
def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """`1 / √(x + epsilon)` (iOS15)."""
    return torch.rsqrt(x + epsilon)


@op("clip", exact=True)
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`x` kept within `[alpha, beta]` (iOS15)."""
    return torch.clamp(x, alpha, beta)


@op("threshold", exact=True)
def threshold(x: Tensor, alpha: float) -> Tensor:
    """`x`, but at least `alpha` (iOS15)."""
    return torch.clamp(x, min=alpha)


@op("cast", operands=("x",))
def cast(dtype: str) -> Callable[[Tensor], Tensor]:
    """`x` in another element type (iOS15, more types in iOS17); floats become integers by cutting the fraction off.

    What does not fit is left open by the documentation. Here floats become int32 as on ARM processors: beyond its range
    the nearest of it, NaN 0. Narrower integers then keep the lowest bits, as numpy's `astype`, the value inference.
    Source: FCVTZS in the Arm A-profile reference manual (DDI 0487).
    """
    type_ = dtype_named(dtype)
    target = HELD_AS[type_.name]
    if target.is_floating_point or target == torch.bool:
        return lambda x: x.to(target)
    mask = (
        (1 << type_.bits) - 1 if type_.stored is not None and np.issubdtype(type_.stored, np.unsignedinteger) else None
    )

    def to_integer(x: Tensor) -> Tensor:
        if x.is_floating_point():
            wide = x.to(torch.float64, copy=True)  # what follows overwrites it: it is twice as large as `x`
            x = wide.nan_to_num_(nan=0.0).clamp_(-(2**31), 2**31 - 1).int()
        # Unsigned types are held in wider ones, see HELD_AS.
        return x.to(target) if mask is None or target == torch.uint8 else (x.long() & mask).to(target)

    return to_integer

"""Reductions; without `axes` over all of them. Source: iOS15/reduction.py, iOS17/reduction.py.

Integers keep their type: sums and products wrap, and what has a fraction is computed in float64 and cut off, as the
ops' value inference (numpy) does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.emulators.coreml.constants import HELD_AS
from evaluators.emulators.coreml.ops.registry import op


def _over(x: Tensor, axes: list[int] | None) -> tuple[Tensor, list[int]]:
    """`x` and the axes to reduce, of which there is at least one, as torch takes an empty list for all."""
    if axes is None:
        return x, list(range(x.ndim))
    return (x, axes) if axes else (x.unsqueeze(-1), [-1])


def _kept(keep_dims: bool, axes: list[int] | None) -> bool:
    """Whether the axes reduced stay; the one that stands for an empty list never does."""
    return keep_dims and axes != []


def _fractional(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.double()


@op("reduce_sum")
def reduce_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum (iOS15)."""
    values, along = _over(x, axes)
    return torch.sum(values, along, _kept(keep_dims, axes), dtype=x.dtype)


@op("reduce_mean")
def reduce_mean(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Mean (iOS15)."""
    values, along = _over(_fractional(x), axes)
    return torch.mean(values, along, _kept(keep_dims, axes)).to(x.dtype)


@op("reduce_prod")
def reduce_prod(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Product (iOS15)."""
    result = x
    for axis in sorted((axis % x.ndim for axis in (range(x.ndim) if axes is None else axes)), reverse=True):
        result = torch.prod(result, axis, keep_dims, dtype=x.dtype)
    return result


@op("reduce_max", exact=True)
def reduce_max(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Largest element (iOS15)."""
    values, along = _over(x, axes)
    return torch.amax(values, along, _kept(keep_dims, axes))


@op("reduce_min", exact=True)
def reduce_min(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Smallest element (iOS15)."""
    values, along = _over(x, axes)
    return torch.amin(values, along, _kept(keep_dims, axes))


@op("reduce_l1_norm")
def reduce_l1_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum of absolute values (iOS15)."""
    return reduce_sum(torch.abs(x), axes, keep_dims)


@op("reduce_l2_norm")
def reduce_l2_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Square root of the sum of squares (iOS15)."""
    return torch.sqrt(_fractional(reduce_sum_square(x, axes, keep_dims))).to(x.dtype)


@op("reduce_log_sum")
def reduce_log_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Natural logarithm of the sum (iOS15)."""
    return torch.log(_fractional(reduce_sum(x, axes, keep_dims))).to(x.dtype)


@op("reduce_log_sum_exp")
def reduce_log_sum_exp(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Natural logarithm of the sum of exponentials, without overflow (iOS15)."""
    values, along = _over(_fractional(x), axes)
    return torch.logsumexp(values, along, _kept(keep_dims, axes)).to(x.dtype)


@op("reduce_sum_square")
def reduce_sum_square(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum of squares (iOS15)."""
    return reduce_sum(torch.square(x), axes, keep_dims)


@op("reduce_argmax", exact=True)
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """Index of the largest element, the first of equals (iOS15; `output_dtype` since iOS17)."""
    return torch.argmax(x, axis, keep_dims).to(HELD_AS[output_dtype.lower()])


@op("reduce_argmin", exact=True)
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """Index of the smallest element, the first of equals (iOS15; `output_dtype` since iOS17)."""
    return torch.argmin(x, axis, keep_dims).to(HELD_AS[output_dtype.lower()])

"""Reductions; without `axes` over all of them. Source: iOS15/reduction.py, iOS17/reduction.py."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.emulators.coreml.constants import HELD_AS
from evaluators.emulators.coreml.ops.registry import op


def _all_axes(x: Tensor, axes: list[int] | None) -> list[int]:
    return list(range(x.ndim)) if axes is None else axes


def _whole(x: Tensor, result: Tensor) -> Tensor:
    """`result` in the type of `x`: integers keep theirs (the fraction is cut off)."""
    return result.to(x.dtype)


@op("reduce_sum")
def reduce_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum (iOS15)."""
    return torch.sum(x, _all_axes(x, axes), keep_dims, dtype=x.dtype)


@op("reduce_mean")
def reduce_mean(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Mean (iOS15)."""
    return _whole(x, torch.mean(x, _all_axes(x, axes), keep_dims, dtype=torch.float32))


@op("reduce_prod")
def reduce_prod(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Product (iOS15)."""
    result = x
    for axis in sorted((axis % x.ndim for axis in _all_axes(x, axes)), reverse=True):
        result = torch.prod(result, axis, keep_dims, dtype=x.dtype)
    return result


@op("reduce_max", exact=True)
def reduce_max(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Largest element (iOS15)."""
    return torch.amax(x, _all_axes(x, axes), keep_dims)


@op("reduce_min", exact=True)
def reduce_min(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Smallest element (iOS15)."""
    return torch.amin(x, _all_axes(x, axes), keep_dims)


@op("reduce_l1_norm")
def reduce_l1_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum of absolute values (iOS15)."""
    return reduce_sum(torch.abs(x), axes, keep_dims)


@op("reduce_l2_norm")
def reduce_l2_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Square root of the sum of squares (iOS15)."""
    return _whole(x, torch.sqrt(reduce_sum_square(x, axes, keep_dims)))


@op("reduce_log_sum")
def reduce_log_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Natural logarithm of the sum (iOS15)."""
    return _whole(x, torch.log(reduce_sum(x, axes, keep_dims)))


@op("reduce_log_sum_exp")
def reduce_log_sum_exp(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Natural logarithm of the sum of exponentials, without overflow (iOS15)."""
    return _whole(x, torch.logsumexp(x.float(), _all_axes(x, axes), keep_dims))


@op("reduce_sum_square")
def reduce_sum_square(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Sum of squares (iOS15)."""
    return reduce_sum(torch.square(x), axes, keep_dims)


@op("reduce_argmax", exact=True)
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """Index of the largest element, the first of equals (iOS15; `output_dtype` since iOS17)."""
    return torch.argmax(x, axis, keep_dims).to(HELD_AS[output_dtype])


@op("reduce_argmin", exact=True)
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """Index of the smallest element, the first of equals (iOS15; `output_dtype` since iOS17)."""
    return torch.argmin(x, axis, keep_dims).to(HELD_AS[output_dtype])

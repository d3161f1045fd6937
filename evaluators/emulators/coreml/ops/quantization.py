"""Quantization of activations. Source: iOS17/quantization_ops.py."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_broadcast
from evaluators.errors import EvaluationError

_RANGES = {"int8": (torch.int8, -128, 127), "uint8": (torch.uint8, 0, 255)}


@op("quantize", since=17, operands=("input",), exact=True)
def quantize(
    scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: int | None = None
) -> Callable[[Tensor], Tensor]:
    """`clip(round(input / scale) + zero_point)` (iOS17); ties go to even, NaN to 0."""
    if output_dtype not in _RANGES:
        raise EvaluationError(f"quantize has output_dtype {output_dtype!r}; expected int8 or uint8")
    dtype, low, high = _RANGES[output_dtype]
    scales = _along(scale, axis)
    offsets = None if zero_point is None else _along(zero_point, axis)

    def compute(input: Tensor) -> Tensor:  # noqa: A002  # MIL's name for it
        check_broadcast(input, scales(input.ndim))
        scaled = (input / scales(input.ndim)).round_()
        if offsets is not None:
            scaled += offsets(input.ndim)
        return scaled.clamp_(low, high).nan_to_num_(nan=0.0).to(dtype)

    return compute


@op("dequantize", since=17, operands=("input",))
def dequantize(scale: Tensor, zero_point: Tensor | None = None, axis: int | None = None) -> Callable[[Tensor], Tensor]:
    """`scale · (input - zero_point)` (iOS17)."""
    scales = _along(scale, axis)
    offsets = None if zero_point is None else _along(zero_point, axis)

    def compute(input: Tensor) -> Tensor:  # noqa: A002  # MIL's name for it
        check_broadcast(input, scales(input.ndim))
        values = input.to(torch.float32, copy=True)  # what follows overwrites it
        if offsets is not None:
            values -= offsets(input.ndim)
        return values.mul_(scales(input.ndim))

    return compute


def _along(values: Tensor, axis: int | None) -> Callable[[int], Tensor]:
    """From the rank of an input to the values as float32, laid along `axis`; one number fits every rank."""
    values = values.float()
    if values.ndim == 0:
        return lambda _: values
    if values.ndim > 1 or axis is None:
        raise EvaluationError(
            f"scale or zero_point of shape {list(values.shape)} with axis {axis}: expected a vector, an axis"
        )

    @functools.cache
    def laid(rank: int) -> Tensor:
        return values.reshape([-1 if i == axis % rank else 1 for i in range(rank)])

    return laid

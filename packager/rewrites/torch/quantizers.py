"""Rounding to a grid of whole numbers, as quantisation-aware training and torch's exported quantisation say it.

Replaces: `fake_quantize_per_tensor_affine`, `fake_quantize_per_channel_affine`, and the quantising and dequantising ops
    of the namespace `quantized_decomposed`.
Why: neither converter knows the former; of the latter coremltools 9.0 takes some forms, and litert-torch 0.10 others.
Given: such an op. Result: divided by the scale, rounded, clamped, multiplied with the scale; a dequantised constant is
    folded to floats.
Equal because: it is the definition. Torch multiplies with the scale's reciprocal where it quantises; a value that lies
    midway between two steps may go to the other one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "quantizers"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch
    import torch.ao.quantization.fx._decomposed  # it defines the ops

    aten, decomposed = torch.ops.aten, torch.ops.quantized_decomposed
    return {
        aten.fake_quantize_per_tensor_affine.default: _round,
        aten.fake_quantize_per_tensor_affine.tensor_qparams: _round,
        aten.fake_quantize_per_channel_affine.default: _round_channels,
        decomposed.quantize_per_tensor.default: _quantize,
        decomposed.quantize_per_tensor.tensor: _quantize,
        decomposed.quantize_per_tensor.tensor2: _quantize,
        decomposed.quantize_per_channel.default: _quantize_channels,
        decomposed.dequantize_per_tensor.default: _dequantize,
        decomposed.dequantize_per_tensor.tensor: _dequantize,
        decomposed.dequantize_per_tensor.tensor2: _dequantize,
        decomposed.dequantize_per_channel.default: _dequantize_channels,
    }


def _steps(x: Tensor, scale: Any, zero: Any, least: Any, most: Any) -> Any:
    """The number of the step that is next, as a float."""
    import torch

    steps = torch.round(x * (1.0 / scale)) + zero
    return torch.minimum(torch.maximum(steps, _number(least)), _number(most))


def _number(value: Any) -> Any:
    import torch

    return torch.as_tensor(value, dtype=torch.float32)


def _float(value: Any) -> Any:
    return value.to(dtype=_number(0).dtype) if hasattr(value, "dtype") else float(value)


def _round(x: Tensor, scale: Any, zero: Any, least: int, most: int) -> Any:
    scale, zero = _float(scale), _float(zero)
    return (_steps(x, scale, zero, least, most) - zero) * scale


def _spread(x: Tensor, values: Tensor, axis: int) -> Any:
    return _float(values).reshape([-1 if at == axis % x.ndim else 1 for at in range(x.ndim)])


def _round_channels(x: Tensor, scale: Tensor, zero: Tensor, axis: int, least: int, most: int) -> Any:
    return _round(x, _spread(x, scale, axis), _spread(x, zero, axis), least, most)


def _quantize(x: Tensor, scale: Any, zero: Any, least: Any, most: Any, dtype: Any) -> Any:
    return _steps(x, _float(scale), _float(zero), _float(least), _float(most)).to(dtype)


def _quantize_channels(x: Tensor, scales: Tensor, zeros: Tensor, axis: int, least: int, most: int, dtype: Any) -> Any:
    return _quantize(x, _spread(x, scales, axis), _spread(x, zeros, axis), least, most, dtype)


def _dequantize(x: Tensor, scale: Any, zero: Any, *_: Any, out_dtype: Any = None) -> Any:
    del out_dtype
    return (_float(x) - _float(zero)) * _float(scale)


def _dequantize_channels(x: Tensor, scales: Tensor, zeros: Tensor | None, axis: int, *_: Any, **__: Any) -> Any:
    return _dequantize(x, _spread(x, scales, axis), 0 if zeros is None else _spread(x, zeros, axis))

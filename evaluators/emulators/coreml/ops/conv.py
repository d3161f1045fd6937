"""Convolutions. Source: iOS15/conv.py (`same_lower` since iOS16)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.conv_kernels import Convolution, Kernel, plan_convolutions
from evaluators.emulators.coreml.ops.padding import spatial_pads
from evaluators.emulators.coreml.ops.registry import op
from evaluators.errors import EvaluationError

_TRANSPOSED: tuple[Callable[..., Tensor], ...] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@op("conv", operands=("x",))
def conv(
    weight: Tensor,
    bias: Tensor | None = None,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Callable[[Tensor], Tensor]:
    """Convolution of `x` `(n, C_in, *d)` with `weight` `(C_out, C_in / groups, *k)`, in 1 to 3 dimensions (iOS15)."""
    kernel = tuple(weight.shape[2:])
    steps, spread = strides or [1 for _ in kernel], dilations or [1 for _ in kernel]
    convolutions = plan_convolutions(Kernel(weight, bias, steps, spread, groups))

    @functools.cache
    def convolution(sizes: tuple[int, ...]) -> Convolution:
        pads = spatial_pads(pad_type, sizes, kernel=kernel, strides=steps, dilations=spread, pad=pad)
        return convolutions(sizes, pads)

    return lambda x: convolution(x.shape[2:])(x)


@op("conv_transpose", operands=("x",))
def conv_transpose(
    weight: Tensor,
    bias: Tensor | None = None,
    pad: list[int] | None = None,
    output_shape: list[int] | None = None,
    pad_type: str = "valid",
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Callable[[Tensor], Tensor]:
    """Transposed convolution of `x` `(n, C_in, *d)` with `weight` `(C_in, C_out / groups, *k)` (iOS15).

    The whole result is `(d - 1) · stride + (k - 1) · dilation + 1` long. Of it, `custom` cuts off `pad`, `same` all
    but `d · stride`; an `output_shape` says how much remains after what is cut off at the front.
    """
    kernel = tuple(weight.shape[2:])
    ones = [1] * len(kernel)
    function, steps, spread = _TRANSPOSED[len(kernel) - 1], strides or ones, dilations or ones
    edges = pad if pad_type == "custom" and pad else [0, 0] * len(kernel)

    def compute(x: Tensor) -> Tensor:
        result = function(x, weight, bias, steps, 0, 0, groups, spread)
        for i, stride in enumerate(steps):
            length = result.shape[i + 2]
            front, remaining = edges[2 * i], length - edges[2 * i] - edges[2 * i + 1]
            if pad_type in ("same", "same_lower"):
                remaining = stride * x.shape[i + 2]
            if output_shape is not None:
                remaining = output_shape[i + 2]
            if pad_type in ("same", "same_lower"):
                surplus = max(0, length - remaining)
                front = surplus // 2 if pad_type == "same" else surplus - surplus // 2
            result = _segment(result, i + 2, front, remaining, bias)
        return result

    return compute


def _segment(x: Tensor, axis: int, start: int, length: int, bias: Tensor | None) -> Tensor:
    """`length` elements from `start` on; beyond the end of `x` there is nothing but the bias."""
    missing = start + length - x.shape[axis]
    if missing > 0:
        beyond = x.new_zeros((*x.shape[:axis], missing, *x.shape[axis + 1 :]))
        if bias is not None:
            beyond += bias.reshape(-1, *(1 for _ in x.shape[2:]))
        x = torch.cat((x, beyond), axis)
    return x.narrow(axis, start, length)


@op("conv_quantized", operands=("x",))
def conv_quantized(
    weight: Tensor,
    quantization_type: str,
    quant_scale: Tensor,
    quant_bias: Tensor,
    nbits: int = 8,  # noqa: ARG001  # weights are held in a byte each, whatever their width
    bias: Tensor | None = None,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Callable[[Tensor], Tensor]:
    """As `conv`, with `weight · quant_scale + quant_bias` for its weight, one of each a channel or one for all (iOS15).

    Type `lut` is refused: the op has no parameter that holds a table.
    """
    if quantization_type != "linear":
        raise EvaluationError(f"conv_quantized has quantization_type {quantization_type!r}; expected linear")
    shape = (-1, *(1 for _ in weight.shape[1:]))
    whole = weight.float() * quant_scale.reshape(shape) + quant_bias.reshape(shape)
    result: Callable[[Tensor], Tensor] = conv(
        whole, None if bias is None else bias.float(), strides, pad_type, pad, dilations, groups
    )
    return result

"""Convolutions. Source: iOS15/conv.py (`same_lower` since iOS16)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.padding import Pads, depends_on_size, flat, spatial_pads
from evaluators.emulators.coreml.ops.registry import op
from evaluators.errors import EvaluationError

_CONVS: tuple[Callable[..., Tensor], ...] = (torch.conv1d, torch.conv2d, torch.conv3d)
_LANES = 16
"""float32 numbers in a 512-bit register"""
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
    plain = _plain(weight, bias, steps, spread, groups)
    rows = _LANES // weight.shape[0] if groups == 1 and spread[0] == 1 else 1
    several = _several_rows(weight, bias, steps, spread, rows) if rows > 1 else plain

    @functools.cache
    def pads(sizes: tuple[int, ...]) -> Pads:
        return spatial_pads(pad_type, sizes, kernel=kernel, strides=steps, dilations=spread, pad=pad)

    def compute(x: Tensor) -> Tensor:
        around = pads(tuple(x.shape[2:]) if depends_on_size(pad_type) else ())
        length = x.shape[2] + sum(around[0]) - kernel[0]
        return (several if length >= rows * steps[0] else plain)(x, around)

    return compute


Convolution = Callable[[Tensor, Pads], Tensor]
"""From an input and its padding to the output"""


def _plain(weight: Tensor, bias: Tensor | None, strides: list[int], dilations: list[int], groups: int) -> Convolution:
    call = _kernel(len(strides))
    if weight.ndim == 4:  # oneDNN's fast kernels; without it some shapes run five times slower
        weight = weight.contiguous(memory_format=torch.channels_last)

    def compute(x: Tensor, pads: Pads) -> Tensor:
        if any(before != after for before, after in pads):
            return call(F.pad(x, flat(pads)), weight, bias, [0] * len(pads), strides, dilations, groups)
        return call(x, weight, bias, [before for before, _ in pads], strides, dilations, groups)

    return compute


def _kernel(dimensions: int) -> Callable[..., Tensor]:
    """A convolution of `(x, weight, bias, pad, strides, dilations, groups)`.

    oneDNN's, where torch has it: its kernels add a window's products one after another, as XNNPACK and TensorFlow do,
    and give the same bits on long audio kernels. Left to itself torch takes another kernel for small inputs, whose sums
    are rounded in another order; behind a logarithm of quiet bins that alone moves Basic Pitch's outputs by 3e-4.
    """
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return torch.mkldnn_convolution
    function = _CONVS[dimensions - 1]
    return lambda x, weight, bias, pad, strides, *rest: function(x, weight, bias, strides, pad, *rest)


def _several_rows(
    weight: Tensor, bias: Tensor | None, strides: list[int], dilations: list[int], rows: int
) -> Convolution:
    """A convolution with few output channels, computing `rows` positions at once, as channels.

    Kernels work on 16 output channels at a time whether or not there are so many. The same kernel, shifted by one
    stride after another and filled up with zeros, makes channels of them: the sums are the same.
    """
    channels, step, width = weight.shape[0], strides[0], weight.shape[2]
    wide = weight.new_zeros((rows, channels, weight.shape[1], width + (rows - 1) * step, *weight.shape[3:]))
    for row in range(rows):
        wide[row, :, :, row * step : row * step + width] = weight
    at_once = _plain(
        wide.flatten(0, 1), None if bias is None else bias.repeat(rows), [rows * step, *strides[1:]], dilations, 1
    )

    def compute(x: Tensor, pads: Pads) -> Tensor:
        before, after = pads[0]
        length = x.shape[2] + before + after
        count = (length - width) // step + 1
        missing = max(0, (-(-count // rows) * rows - 1) * step + width - length)
        result = at_once(x, ((before, after + missing), *pads[1:]))
        parts = result.reshape(x.shape[0], rows, channels, *result.shape[2:])
        result = parts.movedim(1, 3).flatten(2, 3)
        return result if result.shape[2] == count else result.narrow(2, 0, count)

    return compute


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

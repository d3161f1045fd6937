"""Convolutions. Source: iOS15/conv.py (`same_lower` since iOS16)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.conv_kernels import Convolution, Kernel, plan_convolutions, plan_empty
from evaluators.emulators.coreml.ops.padding import spatial_pads
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_broadcast, check_size
from evaluators.errors import EvaluationError

_FARTHEST = 1 << 31
"""oneDNN counts steps in 32 bits"""

_TRANSPOSED: tuple[Callable[..., Tensor], ...] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@dataclass(frozen=True)
class Filters:
    """A weight and how it is moved, held against each other; the op's name is for messages.

    oneDNN, which computes convolutions here, looks at nothing of this itself.
    """

    kind: str
    weight: Tensor
    given_strides: list[int] | None
    given_dilations: list[int] | None
    groups: int

    def __post_init__(self) -> None:
        shape, rank = self.weight.shape, self.weight.ndim - 2
        if rank not in (1, 2, 3) or not self.weight.numel() or not self.weight.is_floating_point():
            raise EvaluationError(
                f"{self.kind} has weight of shape {list(shape)} ({str(self.weight.dtype).removeprefix('torch.')});"
                " expected floats in 3 to 5 dimensions, none of size 0"
            )
        for name, steps in (("strides", self.strides), ("dilations", self.dilations)):
            if len(steps) != rank or not all(1 <= step < _FARTHEST for step in steps):
                raise EvaluationError(f"{self.kind} has {name} {steps}; expected {rank} numbers from 1 on")
        if self.groups < 1:
            raise EvaluationError(f"{self.kind} has groups {self.groups}; expected at least 1")

    @property
    def strides(self) -> list[int]:
        """One a spatial dimension."""
        return self.given_strides or [1 for _ in self.weight.shape[2:]]

    @property
    def dilations(self) -> list[int]:
        """One a spatial dimension."""
        return self.given_dilations or [1 for _ in self.weight.shape[2:]]

    def check_divided(self, channels: int) -> None:
        """Refuse channels that the groups cannot share.

        Raises:
            EvaluationError: Their number is no multiple of the groups'.
        """
        if channels % self.groups:
            raise EvaluationError(
                f"{self.kind} has weight of shape {list(self.weight.shape)} and groups {self.groups}; expected the"
                " groups to divide its first dimension"
            )

    def check_bias(self, bias: Tensor | None, channels: int) -> None:
        """Refuse a bias that is not a number for each output channel.

        Raises:
            EvaluationError: Its shape is another, or its elements are no floats.
        """
        if bias is not None and (bias.shape != (channels,) or not bias.is_floating_point()):
            raise EvaluationError(f"{self.kind} has bias of shape {list(bias.shape)}; expected floats [{channels}]")

    def check_input(self, shape: Sequence[int], channels: int, is_float: bool) -> None:
        """Refuse an input the weight does not fit.

        Raises:
            EvaluationError: Its rank or its channels are others, or its elements are no floats.
        """
        if len(shape) != self.weight.ndim or shape[1] != channels or not is_float:
            found = f"x of shape {list(shape)}" if is_float else "x of integers"
            raise EvaluationError(
                f"{self.kind} has {found}; expected floats [n, {channels}"
                f"{', size' * (self.weight.ndim - 2)}] for weight of shape {list(self.weight.shape)} and groups"
                f" {self.groups}"
            )


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
    filters = Filters("conv", weight, strides, dilations, groups)
    filters.check_bias(bias, weight.shape[0])
    filters.check_divided(weight.shape[0])
    width, steps, spread = tuple(weight.shape[2:]), filters.strides, filters.dilations
    kernel = Kernel(weight, bias, steps, spread, groups)
    convolutions = plan_convolutions(kernel)

    @functools.cache
    def convolution(shape: tuple[int, ...], is_float: bool) -> Convolution:
        filters.check_input(shape, weight.shape[1] * groups, is_float)
        sizes = shape[2:]
        pads = spatial_pads(pad_type, sizes, kernel=width, strides=steps, dilations=spread, pad=pad)
        counts = kernel.counts(sizes, pads)
        if min(counts) < 1 or any(amount < 0 for pair in pads for amount in pair):
            raise EvaluationError(
                f"conv has x of shape {list(shape)}, padded by {[list(pair) for pair in pads]}; expected at least the"
                f" {list(kernel.spans)} the weight reaches over, and no padding below 0"
            )
        check_size((shape[0], weight.shape[0], *counts))
        return convolutions(sizes, pads) if math.prod(shape) else plan_empty(kernel, counts)

    return lambda x: convolution(x.shape, x.is_floating_point())(x)


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
    filters = Filters("conv_transpose", weight, strides, dilations, groups)
    filters.check_bias(bias, weight.shape[1] * groups)
    filters.check_divided(weight.shape[0])
    width, steps, spread = weight.shape[2:], filters.strides, filters.dilations
    function = _TRANSPOSED[len(width) - 1]
    edges = pad if pad_type == "custom" and pad else [0, 0] * len(width)
    if len(edges) != 2 * len(width) or min(edges) < 0 or (output_shape and len(output_shape) != weight.ndim):
        raise EvaluationError(
            f"conv_transpose has pad {edges} and output_shape {output_shape}; expected {2 * len(width)} numbers from 0"
            f" on, and none or {weight.ndim}"
        )

    def compute(x: Tensor) -> Tensor:
        filters.check_input(x.shape, weight.shape[0], x.is_floating_point())
        reach = [
            (size - 1) * step + (k - 1) * dilation + 1
            for size, step, k, dilation in zip(x.shape[2:], steps, width, spread, strict=True)
        ]
        kept = reach if output_shape is None else [max(*pair) for pair in zip(reach, output_shape[2:], strict=True)]
        check_size((x.shape[0], weight.shape[1] * groups, *kept))
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
    check_broadcast(weight, quant_scale.reshape(shape))
    check_broadcast(weight, quant_bias.reshape(shape))
    whole = weight.float() * quant_scale.reshape(shape) + quant_bias.reshape(shape)
    result: Callable[[Tensor], Tensor] = conv(
        whole, None if bias is None else bias.float(), strides, pad_type, pad, dilations, groups
    )
    return result

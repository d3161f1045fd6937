"""Convolutions with their padding in numbers and their batch spelled out.

Replaces: `aten.conv1d`, `2d` and `3d` with the padding "same" or "valid", or without a batch dimension.
Why: litert-torch 0.10 fails on both.
Given: such an op. Result: the samples to pad are counted and padded with zeros, one more behind than before where the
    count is odd; a batch of one is added and taken off.
Equal because: it is what torch does inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named, of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "convolution"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    packets = (aten.conv1d, aten.conv2d, aten.conv3d)
    return {
        getattr(packet, overload): named(getattr(packet, overload), _convolution)
        for packet in packets
        for overload in ("default", "padding")
    }


def wanted(node: Node) -> bool:
    """Whether the padding is a word or the batch is missing."""
    call: Any = of_node(node)
    return isinstance(call.padding, str) or call.input.meta["val"].ndim < call.weight.meta["val"].ndim


def _convolution(call: Any) -> Tensor:
    import torch

    x, weight, padding = call.input, call.weight, call.padding
    axes = weight.ndim - 2
    if x.ndim == weight.ndim - 1:
        call.input = x[None]
        return _convolution(call)[0]
    if isinstance(padding, str):
        around = []
        for dilation, size in zip(_each_axis(call.dilation, axes), weight.shape[2:], strict=True):
            total = dilation * (size - 1) if padding == "same" else 0
            around.append((total // 2, total - total // 2))
        padding = [before for before, _ in around]
        if any(before != behind for before, behind in around):
            x = torch.nn.functional.pad(x, [count for pair in reversed(around) for count in pair])
            padding = [0] * axes
    op: Callable[..., Tensor] = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    return op(x, weight, call.bias, call.stride, padding, call.dilation, call.groups)


def _each_axis(value: Any, axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values

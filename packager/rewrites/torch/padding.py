"""Padding in modes and directions that converters do not know.

Replaces: `aten.pad` with the mode "circular" or with negative counts, and `constant_pad_nd` with negative counts.
Why: coremltools 9.0 refuses both.
Given: such an op. Result: circular padding lays slices of the signal before and behind it, axis by axis; what a
    negative count takes away is cut off first.
Equal because: it is the definition; no number is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "padding"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.pad.default: _pad,
        aten.constant_pad_nd.default: lambda x, pad, value=0: _pad(x, pad, "constant", value),
        aten._pad_circular.default: lambda x, pad: _pad(x, pad, "circular"),
    }


def wanted(node: Node) -> bool:
    """Whether the mode is circular or something is taken away."""
    call: Any = of_node(node)
    mode = getattr(call, "mode", "circular" if "circular" in str(node.target) else "constant")
    return mode == "circular" or any(isinstance(count, int) and count < 0 for count in call.pad)


def _pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    import torch

    for number in range(len(pad) // 2):
        axis = x.ndim - 1 - number
        before, after = (max(0, -count) for count in pad[2 * number : 2 * number + 2])
        if before or after:
            x = x.narrow(axis, before, x.shape[axis] - before - after)
    counts = [max(0, count) for count in pad]
    if not any(counts):
        return x
    if mode != "circular":
        return torch.nn.functional.pad(x, counts, mode, value)
    for number in range(len(pad) // 2):
        axis = x.ndim - 1 - number
        before, after = counts[2 * number : 2 * number + 2]
        parts = [x.narrow(axis, x.shape[axis] - before, before), x, x.narrow(axis, 0, after)]
        x = torch.cat([part for part, count in zip(parts, (before, 1, after), strict=True) if count], axis)
    return x

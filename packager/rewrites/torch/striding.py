"""Views of memory by strides, as gathers.

Replaces: `aten.as_strided` of what lies contiguously in memory.
Why: coremltools 9.0 does not have it.
Given: `as_strided(x, size, stride, offset)`. Result: the samples at those places, gathered from the flattened tensor.
Equal because: it is the definition; no number is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "striding"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    return {torch.ops.aten.as_strided.default: _as_strided}


def wanted(node: Node) -> bool:
    """Whether it lies contiguously: else torch's own order of memory is not known here."""
    value = of_node(node).self.meta.get("val")
    return bool(value is not None and value.is_contiguous())


def _as_strided(x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    import torch

    places = torch.full((), storage_offset or 0, dtype=torch.int64)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + torch.arange(count) * step
    return x.reshape(-1).index_select(0, places.reshape(-1)).reshape(list(size))

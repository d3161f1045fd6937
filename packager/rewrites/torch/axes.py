"""Axes moved and cut by the plainest ops: what replacements are made of must not itself have to be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def move_axis(x: Tensor, source: int, destination: int) -> Tensor:
    """Move one axis, as `torch.movedim` does, which coremltools does not know.

    Args:
        x: Any tensor.
        source: The axis, also counted from the end.
        destination: Where it is to stand.

    Returns:
        A permutation of `x`, or `x` where the axis stands there already.
    """
    source, destination = source % x.ndim, destination % x.ndim
    if source == destination:
        return x
    order = [axis for axis in range(x.ndim) if axis != source]
    order.insert(destination, source)
    return x.permute(order)

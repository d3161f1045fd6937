"""Values of which a mask says which count, and sizes that depend on the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node


@dataclass(frozen=True, eq=False)
class Masked:
    """Values along an axis of which only some count.

    Attributes:
        values: All of them, (…, n, …).
        mask: (n,), True for those that count.
        axis: Of `values`, counted from the first.
        source: The node that gave the mask, or numbers of which those that are not 0 count.
        grid: The shape of what the mask was before it was laid out as one axis.
        maker: The node that picked them.
        coordinate: Which of the grid's axes the values are the places along, where they are such places.
    """

    values: Tensor
    mask: Tensor
    axis: int
    source: Node
    grid: tuple[int, ...]
    maker: Node
    coordinate: int | None = None

    def of(self, values: Tensor, axis: int) -> Masked:
        """Others with the same mask."""
        return replace(self, values=values, axis=axis, coordinate=None)

    def weigh(self) -> Tensor:
        """The mask in a shape that can be laid over the values."""
        return self.mask.reshape([-1 if axis == self.axis else 1 for axis in range(self.values.ndim)])

    def fill(self, value: Any) -> Tensor:
        """The values, with a number in place of those that do not count."""
        import torch

        return torch.where(self.weigh(), self.values, torch.as_tensor(value, dtype=self.values.dtype))

    def count(self) -> Tensor:
        """How many values count, as a number in a tensor."""
        return self.mask.sum()


def is_open(value: Any) -> bool:
    """Whether how large a tensor is, or a number is, depends on the data."""
    import torch
    from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

    if isinstance(value, torch.Tensor):
        return bool(free_unbacked_symbols(tuple(value.shape)))
    if isinstance(value, torch.SymInt | torch.SymBool | torch.SymFloat):
        return bool(free_unbacked_symbols(value))
    return isinstance(value, list | tuple) and any(map(is_open, value))

"""What stands for an op, as the interpreter is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import Node


@dataclass(frozen=True)
class Replacement:
    """What is called instead of an op.

    Attributes:
        name: The rewrite it belongs to.
        call: Takes the op's arguments.
        wanted: Whether a node is to be replaced, as far as the node alone tells.
    """

    name: str
    call: Callable[..., Any]
    wanted: Callable[[Node], bool] = field(default=lambda _: True)


@dataclass(frozen=True)
class Replacements:
    """All replacements, by op: for real tensors, and for nodes that take or give complex ones."""

    real: Mapping[Any, Replacement]
    complex: Mapping[Any, Replacement]

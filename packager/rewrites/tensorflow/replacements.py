"""What stands for an op, as the interpreter is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Replacement:
    """What is called instead of an op.

    Attributes:
        name: The rewrite it belongs to.
        call: Takes a `Call`.
    """

    name: str
    call: Callable[[Any], Any]

"""Choices. Source: iOS15/control_flow.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import Blocks, op


@op("select", exact=True)
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where `cond` holds, else `b` (iOS15)."""
    return torch.where(cond.bool(), a, b)


@op("cond", exact=True)
def cond(pred: Tensor, blocks: Blocks) -> tuple[Any, ...]:
    """The outputs of the first block if `pred` holds, else of the second (iOS15)."""
    return blocks[0]() if bool(pred) else blocks[1]()


@op("while_loop", exact=True)
def while_loop(loop_vars: list[Tensor], blocks: Blocks) -> tuple[Any, ...]:
    """`loop_vars` after the second block was applied for as long as the first holds (iOS15)."""
    values: tuple[Any, ...] = tuple(loop_vars)
    while bool(blocks[0](*values)[0]):
        values = blocks[1](*values)
    return values

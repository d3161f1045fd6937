"""Choices and loops. Source: iOS15/control_flow.py.

`cond` and `while_loop` are never folded: their blocks may hold ops that must run at each call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import Blocks, op
from evaluators.emulators.coreml.sizes import broadcast_shape, check_size
from evaluators.errors import EvaluationError

MAX_ITERATIONS = 1_000_000
"""How often a loop, with all loops inside it, may go round; one that goes over 20 s of audio at 44.1 kHz sample by
sample needs 882,000. Longer loops are taken for endless"""


@op("select", exact=True)
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where `cond` holds, else `b` (iOS15)."""
    if not cond.shape == a.shape == b.shape:
        check_size(broadcast_shape(cond.shape, a.shape, b.shape))
    return torch.where(cond.bool(), a, b)


@op("cond", exact=True, folds=False)
def cond(pred: Tensor, blocks: Blocks) -> tuple[Any, ...]:
    """The outputs of the first block if `pred` holds, else of the second (iOS15)."""
    return blocks[0]() if bool(pred) else blocks[1]()


@op("while_loop", exact=True, folds=False)
def while_loop(loop_vars: list[Tensor], blocks: Blocks) -> tuple[Any, ...]:
    """`loop_vars` after the second block was applied for as long as the first holds (iOS15)."""
    values: list[Any] = list(loop_vars)
    condition, body = blocks
    with _counted() as count:
        while bool(condition(*values)[0]):
            count.rounds += 1
            if count.rounds > count.most:
                raise EvaluationError(f"still loops after {count.most:,} iterations; it is taken for endless")
            values = body.advance(values)
    return tuple(values)


class _Count(threading.local):
    """The rounds of the loops this thread is in."""

    depth = 0
    rounds = 0
    most = MAX_ITERATIONS


_COUNT = _Count()


@contextmanager
def fewer_iterations(most: int) -> Iterator[None]:
    """Take loops for endless sooner, in this thread."""
    before, _COUNT.most = _COUNT.most, most
    try:
        yield
    finally:
        _COUNT.most = before


@contextmanager
def _counted() -> Iterator[_Count]:
    if _COUNT.depth == 0:
        _COUNT.rounds = 0
    _COUNT.depth += 1
    try:
        yield _COUNT
    finally:
        _COUNT.depth -= 1

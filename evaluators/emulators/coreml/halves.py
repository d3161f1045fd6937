"""Which float32 values of a loop are float16 ones in a wider type, so that a cast to float16 has nothing to round.

coremltools keeps the variables of a loop in float32 and casts them at the beginning and the end of its body. Such a
variable often holds all frames of a sequence, of which a round changes one; rounding it would take each round as long
as the sequence is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from evaluators.emulators.coreml.constants import round_to_half
from evaluators.emulators.coreml.program import Block, Operation


def half_variables(loop: Operation, known: Mapping[str, Any]) -> frozenset[int]:
    """The variables of a `while_loop`, by position, that begin as constants and end each round cast from float16.

    Args:
        loop: The op.
        known: Constants by name.
    """
    if len(loop.blocks) != 2:
        return frozenset()
    body = loop.blocks[1]
    widened = _widened(body)
    begins = [known.get(name) if isinstance(name, str) else None for name in loop.inputs.get("loop_vars", ())]
    pairs = zip(begins, body.outputs, strict=False)
    return frozenset(i for i, (begin, end) in enumerate(pairs) if end in widened and _is_half(begin))


def needs_no_rounding(operation: Operation, halves: Collection[str]) -> bool:
    """Whether the op is a cast of one of these."""
    return operation.kind == "cast" and operation.inputs.get("x", ("",))[0] in halves


def _widened(block: Block) -> set[str]:
    """Outputs of casts whose input the block declares as float16."""
    narrow = {o.name for op in block.operations for o in op.outputs if o.type.dtype and o.type.dtype.name == "float16"}
    casts = (op for op in block.operations if needs_no_rounding(op, narrow))
    return {o.name for op in casts for o in op.outputs if o.type.dtype and o.type.dtype.name == "float32"}


def _is_half(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and torch.equal(value, round_to_half(value))

"""Precisions of Core ML programs, in coremltools' words."""

from __future__ import annotations

from evaluators.costs.graph import Op

_COMPRESSIONS = ("linear_", "palettized_", "sparse")

_ROUNDED = "w8a8"
"""Core ML's 8-bit weights between ops that round activations to 8 bits as well"""


def name_op(op: Op) -> str:
    """The precision of one op."""
    # Weights held in float16 and widened at load leave the op what it is.
    if op.rounds_activations and op.stored_as.startswith("linear_w8"):
        return _ROUNDED
    return op.stored_as if op.stored_as.startswith(_COMPRESSIONS) else op.dtype

"""What is known before the first sample comes is computed now, by TensorFlow itself.

Shapes, windows, filterbanks and weights' transposes come out of a graph as constants: converters have no ops for some
of what they are computed from, and only a constant can be quantised as a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.complex_values import real_dtype

UNFOLDED = ("FakeQuant", "Quantize", "Dequantize", "Placeholder")
"""ops that stay even on known values: converters read them, or they have none"""

FEW_BYTES = 2**16
"""a known value up to this size may be larger than what it was computed from"""
MOST_GROWTH = 4
"""how much larger, beyond that"""


def may_compute(op: Any) -> bool:
    """Whether an op gives the same whenever it is run, and nothing reads it but by its values."""
    import tensorflow as tf

    attributes = op.node_def.attr.values()
    return not (
        op.op_def.is_stateful
        or op.type.startswith(UNFOLDED)
        or any(attribute.HasField("func") for attribute in attributes)
        or any(tensor.dtype in {tf.variant, tf.resource} for tensor in op.outputs)
    )


def compute(op: Any, inputs: Sequence[Any], *, real: bool = False) -> Any:
    """An op's results on known values, or NotImplemented where TensorFlow refuses.

    Args:
        op: The original.
        inputs: Eager tensors.
        real: Whether attributes that say "complex" become those of the parts.
    """
    from tensorflow.python.eager import context, execute

    attributes: list[Any] = []
    for attribute in op.op_def.attr:
        value = op.get_attr(attribute.name)
        if attribute.type == "type" and real:
            value = real_dtype(value)
        attributes += [attribute.name, _plain(value)]
    current = context.context()
    current.ensure_initialized()
    try:
        return execute.quick_execute(op.type, len(op.outputs), list(inputs), tuple(attributes), current)
    except Exception:  # noqa: BLE001  what TensorFlow cannot compute alone stays in the graph
        return NotImplemented


def _plain(value: Any) -> Any:
    """An attribute in the form that eager execution takes."""
    import tensorflow as tf

    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, tf.DType):
        return value.as_datatype_enum
    if isinstance(value, tf.TensorShape):
        return None if value.rank is None else value.as_list()
    return value


def is_small_enough(results: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Whether results are worth storing in place of what they were computed from."""
    made, given = (sum(np.prod(one.shape) * one.dtype.size for one in many) for many in (results, inputs))
    return bool(made <= max(FEW_BYTES, MOST_GROWTH * given))

"""Values counted, or summed up by the class they belong to.

Replaces: `Bucketize`, `LowerBound` and `UpperBound` (`tf.searchsorted`), `DenseBincount`, and sums and means of
    segments that are known: `SegmentSum`, `SegmentMean`, `UnsortedSegmentSum`.
Why: coremltools 9.0 has none of them, TFLite only the first and the last.
Given: such an op. Result: a sum of comparisons, or a product with a matrix of ones, zeros and, for means, fractions.
Equal because: comparisons and counts are exact; sums round in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.interpreter import Call

NAME = "counting"


def replacements(dialect: Dialect) -> dict[str, Callable[[Call], Any]]:
    """By op."""
    both: dict[str, Callable[[Call], Any]] = {
        "LowerBound": lambda call: _search(call, lambda value, bound: value > bound),
        "UpperBound": lambda call: _search(call, lambda value, bound: value >= bound),
        "DenseBincount": _count,
        "SegmentSum": lambda call: _sum_segments(call, mean=False),
        "SegmentMean": lambda call: _sum_segments(call, mean=True),
    }
    found: dict[str, Callable[[Call], Any]] = {
        "Bucketize": _bucketize,
        "UnsortedSegmentSum": lambda call: _sum_segments(call, mean=False),
    }
    return {**both, **{op: call for op, call in found.items() if op in dialect.lacks}}


def _bucketize(call: Call) -> Any:
    import tensorflow as tf

    boundaries = np.array(call.attribute("boundaries"), np.float32)
    x = tf.cast(call.inputs[0], tf.float32)
    return tf.reduce_sum(tf.cast(x[..., None] >= boundaries, tf.int32), axis=-1)


def _search(call: Call, is_after: Callable[[Any, Any], Any]) -> Any:
    import tensorflow as tf

    bounds, values = call.inputs  # (batch, bounds), (batch, values)
    after = tf.cast(is_after(values[:, :, None], bounds[:, None, :]), tf.int32)
    return tf.cast(tf.reduce_sum(after, axis=-1), call.op.outputs[0].dtype)


def _count(call: Call) -> Any:
    import tensorflow as tf

    size, weights = call.known(1), call.inputs[2]
    if size is None or call.attribute("binary_output"):
        return NotImplemented
    found = tf.one_hot(tf.cast(call.inputs[0], tf.int32), int(size), dtype=tf.float32)
    if np.prod(weights.shape.as_list()):
        found = found * tf.cast(weights, tf.float32)[..., None]
    return tf.cast(tf.reduce_sum(found, axis=-2), call.op.outputs[0].dtype)


def _sum_segments(call: Call, *, mean: bool) -> Any:
    import tensorflow as tf

    x, classes = call.inputs[0], call.known(1)
    shape = x.shape.as_list()
    if classes is None or classes.ndim != 1 or not x.dtype.is_floating or None in shape:
        return NotImplemented
    count = int(call.known(2)) if len(call.values) > 2 else int(classes.max(initial=-1)) + 1
    matrix = (np.arange(count)[:, None] == classes[None]).astype(x.dtype.as_numpy_dtype)
    if mean:
        matrix /= np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return tf.reshape(tf.matmul(matrix, tf.reshape(x, [shape[0], -1])), [count, *shape[1:]])

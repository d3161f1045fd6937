"""Running products and running sums of exponentials.

Replaces: `Cumprod`, and `CumulativeLogsumexp`.
Why: neither TFLite nor coremltools 9.0 has them.
Given: one of them along a known axis. Result: in log2(n) steps, each element joined with the one 1, 2, 4 … before it.
Equal because: both operations are associative; they round in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.interpreter import Call

NAME = "cumulation"


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return {"Cumprod": _running(_multiply, 1.0), "CumulativeLogsumexp": _running(_add_exponentials, -1e30)}


def _multiply(a: Any, b: Any) -> Any:
    return a * b


def _add_exponentials(a: Any, b: Any) -> Any:
    import tensorflow as tf

    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))


def _running(join: Callable[[Any, Any], Any], neutral: float) -> Callable[[Call], Any]:
    def replace(call: Call) -> Any:
        import tensorflow as tf

        axis, x = call.known(1), call.inputs[0]
        if axis is None or not x.dtype.is_floating:
            return NotImplemented
        axis = int(axis) % x.shape.rank
        size = x.shape.as_list()[axis]
        x = tf.reverse(x, [axis]) if call.attribute("reverse") else x
        if call.attribute("exclusive"):
            x = _later(x, axis, 1, neutral)
        for distance in (2**power for power in range(int(np.ceil(np.log2(max(size, 1)))))):
            x = join(x, _later(x, axis, distance, neutral))
        return tf.reverse(x, [axis]) if call.attribute("reverse") else x

    return replace


def _later(x: Any, axis: int, distance: int, neutral: float) -> Any:
    """Values moved along an axis, the neutral one in place of those that come from before it."""
    import tensorflow as tf

    shape = x.shape.as_list()
    kept = list(shape)
    kept[axis] -= distance
    padding = [[0, 0] for _ in shape]
    padding[axis][0] = distance
    return tf.pad(tf.slice(x, [0] * len(shape), kept), padding, constant_values=neutral)

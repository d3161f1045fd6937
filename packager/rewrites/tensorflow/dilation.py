"""Transposed convolutions with gaps between their taps.

Replaces: `Conv2DBackpropInput` with dilations.
Why: TFLite has transposed convolutions without dilation only.
Given: one with known weights. Result: the same with zeros written out between the taps.
Equal because: a dilated filter is one with zeros in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.interpreter import Call

NAME = "dilation"


def replacements(dialect: Dialect) -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return {op: _write_zeros_out for op in ("Conv2DBackpropInput",) if op in dialect.lacks}


def _write_zeros_out(call: Call) -> Any:
    import tensorflow as tf

    size, kernel, dilations = call.known(0), call.known(1), call.attribute("dilations")
    if size is None or kernel is None or call.attribute("data_format") != b"NHWC" or set(dilations) == {1}:
        return NotImplemented
    rows, columns = dilations[1:3]
    height, width, *channels = kernel.shape
    spread = np.zeros(((height - 1) * rows + 1, (width - 1) * columns + 1, *channels), kernel.dtype)
    spread[::rows, ::columns] = kernel
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=size,
        filter=spread,
        out_backprop=call.inputs[2],
        strides=call.attribute("strides"),
        padding=call.attribute("padding").decode(),
        explicit_paddings=call.attribute("explicit_paddings"),
    )

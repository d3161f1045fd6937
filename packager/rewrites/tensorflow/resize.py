"""Resizing of images and spectrograms as products of matrices.

Replaces: `ResizeBicubic`, `ResizeArea` and `ScaleAndTranslate` (lanczos, gaussian and other kernels).
Why: neither TFLite nor coremltools 9.0 has them.
Given: a resize from known to known sizes. Result: one matrix for the rows, one for the columns.
Equal because: these resizes are linear and treat rows and columns apart; TensorFlow itself makes the matrices, by
    resizing an identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.interpreter import Call

NAME = "resize"


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return dict.fromkeys(("ResizeBicubic", "ResizeArea", "ScaleAndTranslate"), _resize)


def _resize(call: Call) -> Any:
    import tensorflow as tf

    settings = [call.known(index) for index in range(1, len(call.values))]
    if any(value is None for value in settings):
        return NotImplemented
    image = call.inputs[0]
    if not image.dtype.is_floating:
        image = tf.cast(image, tf.float32)
    for axis in (1, 2):
        matrix = _make_matrix(call, settings, image.shape.as_list()[axis], axis)
        if not np.array_equal(matrix, np.eye(len(matrix))):
            equation = "bhwc,gh->bgwc" if axis == 1 else "bhwc,gw->bhgc"
            image = tf.einsum(equation, image, matrix)
    return image


def _make_matrix(call: Call, settings: list[Any], size: int, axis: int) -> Any:
    """(new size, size): what the op makes of an identity along one axis, the other axis being 1 wide and left so."""
    import tensorflow as tf

    shape, *rest = settings
    with tf.init_scope():
        identity = tf.eye(size, dtype=tf.float32)
        image = identity[None, :, None, :] if axis == 1 else identity[None, None, :, :]
        wanted = [int(shape[0]), 1] if axis == 1 else [1, int(shape[1])]
        kept = [_along(value, neutral, axis) for value, neutral in zip(rest, (1.0, 0.0), strict=False)]
        made = _run(call, image, wanted, kept).numpy()
    return np.squeeze(made, axis=(0, 3 - axis)).astype(np.float32)


def _along(value: Any, neutral: float, axis: int) -> Any:
    """Scale or translation (rows, columns) where the other axis keeps its size and place."""
    return np.array([value[0], neutral] if axis == 1 else [neutral, value[1]], np.float32)


def _run(call: Call, image: Any, wanted: list[int], rest: list[Any]) -> Any:
    import tensorflow as tf

    attributes = {one.name: call.attribute(one.name) for one in call.op.op_def.attr if one.name != "T"}
    if call.op.type == "ScaleAndTranslate":
        scale, translation = rest
        return tf.raw_ops.ScaleAndTranslate(
            images=image, size=wanted, scale=scale, translation=translation, **attributes
        )
    return getattr(tf.raw_ops, call.op.type)(images=image, size=wanted, **attributes)

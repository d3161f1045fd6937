"""Values moved to other places, where a format lacks the op or its converter gets it wrong.

Replaces: in Core ML `Roll`, `MirrorPad` in its symmetric mode, `LeftShift` and `RightShift`; in TFLite
    `ExtractImagePatches`; in both `MatrixDiagPartV3` of the main diagonal.
Why: the converters have no lowering for them but for `MirrorPad`, where coremltools 9.0 takes "symmetric" for
    "reflect": measured on noise, 6 dB where more than 100 should be.
Given: such an op with known settings. Result: slices laid side by side, a gather, a convolution with an identity, a sum
    over a masked axis, a product or quotient.
Equal because: no value is computed but whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.interpreter import Call

NAME = "arrangement"


def replacements(dialect: Dialect) -> dict[str, Callable[[Call], Any]]:
    """By op."""
    found: dict[str, Callable[[Call], Any]] = {
        "MatrixDiagPartV3": _diagonal,
        "ExtractImagePatches": _patches,
        "Roll": _roll,
        "MirrorPad": _mirror_pad,
        "LeftShift": lambda call: _shift(call, lambda x, factor: x * factor),
        "RightShift": lambda call: _shift(call, lambda x, factor: x // factor),
    }
    return {op: call for op, call in found.items() if op in dialect.lacks}


def _diagonal(call: Call) -> Any:
    import tensorflow as tf

    place, x = call.known(1), call.inputs[0]
    rows, columns = x.shape.as_list()[-2:]
    if place is None or np.any(place != 0) or rows is None or columns is None or not x.dtype.is_floating:
        return NotImplemented
    size = min(rows, columns)
    return tf.reduce_sum(x[..., :size, :size] * np.eye(size, dtype=x.dtype.as_numpy_dtype), axis=-1)


def _patches(call: Call) -> Any:
    import tensorflow as tf

    image = call.inputs[0]
    channels = image.shape.as_list()[3]
    _, height, width, _ = call.attribute("ksizes")
    size = height * width * channels
    if not image.dtype.is_floating or channels is None:
        return NotImplemented
    kernel = np.eye(size, dtype=image.dtype.as_numpy_dtype).reshape(height, width, channels, size)
    return tf.nn.conv2d(
        image, kernel, call.attribute("strides"), call.attribute("padding").decode(), dilations=call.attribute("rates")
    )


def _roll(call: Call) -> Any:
    import tensorflow as tf

    shifts, axes, x = call.known(1), call.known(2), call.inputs[0]
    if shifts is None or axes is None:
        return NotImplemented
    for shift, axis in zip(np.atleast_1d(shifts), np.atleast_1d(axes), strict=True):
        size = x.shape.as_list()[axis]
        moved = int(shift) % size
        if moved:
            before, after = tf.split(x, [size - moved, moved], axis=int(axis))
            x = tf.concat([after, before], axis=int(axis))
    return x


def _mirror_pad(call: Call) -> Any:
    import tensorflow as tf

    paddings, x = call.known(1), call.inputs[0]
    if paddings is None or call.attribute("mode") != b"SYMMETRIC":
        return NotImplemented
    for axis, (before, after) in enumerate(paddings):
        if before or after:
            places = np.pad(np.arange(x.shape.as_list()[axis]), (before, after), mode="symmetric")
            x = tf.gather(x, places.astype(np.int32), axis=axis)
    return x


def _shift(call: Call, move: Callable[[Any, Any], Any]) -> Any:
    bits = call.known(1)
    if bits is None or not call.inputs[0].dtype.is_integer:
        return NotImplemented
    return move(call.inputs[0], (2 ** bits.astype(np.int64)).astype(bits.dtype))

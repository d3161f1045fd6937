"""Functions of one number, and of two, that a format lacks, by those that it has.

Replaces: in Core ML `Atan2`, `Erfc`, `Expm1`, `IsNan`, `IsInf`, `Xlogy`, `Xlog1py`, `Xdivy`, `Rint`, `AddN` and
    `FakeQuantWithMinMaxArgs`; in TFLite `Erf`, `Erfc`, `Sinh` and `Atanh`; in both `Asinh`, `Acosh`, `TruncateMod` and
    the sign bit of a number, which Keras 3's `argmax` looks at.
Why: coremltools 9.0 and TensorFlow's TFLite converter have no lowering for them, but for `AddN`, where coremltools adds
    a tensor that is there twice only once.
Given: such an op. Result: the formulas below.
Equal because: all are identities but one: TFLite's `Erf` is the quotient of polynomials that XLA has for float32, to
    within 3.2e-7 of the function, where TensorFlow's own is within 3e-7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.interpreter import Call

NAME = "elementary"

_ERF_ABOVE = (
    0.00022905065861350646,
    0.0034082910107109506,
    0.050955695062380861,
    0.18520832239976145,
    1.128379143519084,
)
_ERF_BELOW = (
    -1.1791602954361697e-7,
    0.000023547966471313185,
    0.0010179625278914885,
    0.014070470171167667,
    0.11098505178285362,
    0.49746925110067538,
    1.0,
)
_ERF_IS_ONE = 3.832506856900711
"""above this, erf is 1 in float32"""


def replacements(dialect: Dialect) -> dict[str, Callable[[Call], Any]]:
    """By op."""
    both: dict[str, Callable[[Call], Any]] = {
        "Bitcast": _bitcast,
        "BitwiseAnd": _bitwise_and,
        "Asinh": _of_inputs(_asinh),
        "Acosh": _of_inputs(_acosh),
        "TruncateMod": _of_inputs(_truncated_remainder),
    }
    has_erf = "Erf" not in dialect.lacks
    found: dict[str, Callable[[Call], Any]] = {
        "Erf": _unless_gelu(_erf),
        "Erfc": _of_inputs(_erfc) if has_erf else _unless_gelu(lambda x: 1.0 - _erf(x)),
        "Sinh": _of_inputs(_sinh),
        "Atanh": _of_inputs(_atanh),
        "AddN": _add_all,
        "Rint": _of_inputs(_round),
        "FakeQuantWithMinMaxArgs": _fake_quantise,
        "Atan2": _of_inputs(_arctan2),
        "Expm1": _of_inputs(_expm1),
        "IsNan": _of_inputs(_is_nan),
        "IsInf": _of_inputs(_is_inf),
        "Xlogy": _of_inputs(lambda x, y: _unless_zero(x, y, "log")),
        "Xlog1py": _of_inputs(lambda x, y: _unless_zero(x, y, "log1p")),
        "Xdivy": _of_inputs(lambda x, y: _unless_zero(x, y, "reciprocal")),
    }
    return {**both, **{op: call for op, call in found.items() if op in dialect.lacks}}


def _of_inputs(formula: Callable[..., Any]) -> Callable[[Call], Any]:
    return lambda call: formula(*call.inputs)


def _unless_gelu(formula: Callable[..., Any]) -> Callable[[Call], Any]:
    """A formula, but in GELU, which TFLite's converter knows as a whole."""
    from tensorflow.python.framework import tensor_util

    def replace(call: Call) -> Any:
        source, consumers = call.op.inputs[0].op, call.op.outputs[0].consumers()
        factors = [tensor_util.constant_value(tensor) for tensor in source.inputs] if source.type == "Mul" else []
        halves = any(factor is not None and np.allclose(np.abs(factor), 0.5**0.5) for factor in factors)
        if halves and len(consumers) == 1 and consumers[0].type == ("Mul" if call.op.type == "Erfc" else "AddV2"):
            return NotImplemented
        return formula(*call.inputs)

    return replace


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def _erf(x: Any) -> Any:
    """Source: XLA's `ErfImpl32`, xla/hlo/builder/lib/math.cc."""
    import tensorflow as tf

    x = tf.clip_by_value(x, -_ERF_IS_ONE, _ERF_IS_ONE)
    square = x * x
    return x * _polynomial(square, _ERF_ABOVE) / _polynomial(square, _ERF_BELOW)


def _erfc(x: Any) -> Any:
    import tensorflow as tf

    return 1.0 - tf.math.erf(x)


def _expm1(x: Any) -> Any:
    """Near 0 by `tanh`, where the difference of two numbers near 1 would have few digits."""
    import tensorflow as tf

    half = tf.tanh(tf.clip_by_value(x, -1.0, 1.0) / 2.0)
    return tf.where(tf.abs(x) < 1.0, 2.0 * half / (1.0 - half), tf.exp(x) - 1.0)


def _sinh(x: Any) -> Any:
    half = _expm1(x) / 2.0
    return half + half / (2.0 * half + 1.0)


def _asinh(x: Any) -> Any:
    import tensorflow as tf

    size = tf.abs(x)
    return tf.sign(x) * tf.math.log1p(size + x * x / (1.0 + tf.sqrt(x * x + 1.0)))


def _acosh(x: Any) -> Any:
    import tensorflow as tf

    above = x - 1.0
    return tf.math.log1p(above + tf.sqrt(above * (x + 1.0)))


def _atanh(x: Any) -> Any:
    import tensorflow as tf

    return (tf.math.log1p(x) - tf.math.log1p(-x)) / 2.0


def _truncated_remainder(x: Any, y: Any) -> Any:
    """With the sign of x."""
    import tensorflow as tf

    return tf.sign(x) * tf.math.floormod(tf.abs(x), tf.abs(y))


def _round(x: Any) -> Any:
    import tensorflow as tf

    return tf.round(x)


def _add_all(call: Call) -> Any:
    total, *others = call.inputs
    for other in others:
        total = total + other
    return total


def _fake_quantise(call: Call) -> Any:
    import tensorflow as tf

    return tf.quantization.fake_quant_with_min_max_vars(
        call.inputs[0],
        call.attribute("min"),
        call.attribute("max"),
        num_bits=call.attribute("num_bits"),
        narrow_range=call.attribute("narrow_range"),
    )


def _unless_zero(x: Any, y: Any, function: str) -> Any:
    """`x * function(y)`, and 0 where x is, whatever y may be."""
    import tensorflow as tf

    is_zero = tf.equal(x, 0.0)
    return tf.where(is_zero, 0.0, x * getattr(tf.math, function)(tf.where(is_zero, 1.0, y)))


def _arctan2(y: Any, x: Any) -> Any:
    """By the arc tangent of the smaller over the larger, which is never above 1; 0 for (0, 0)."""
    import tensorflow as tf

    wide, high = tf.abs(x), tf.abs(y)
    larger = tf.maximum(wide, high)
    angle = tf.atan(tf.minimum(wide, high) / tf.where(larger > 0.0, larger, 1.0))
    angle = tf.where(high > wide, np.float32(np.pi / 2) - angle, angle)
    angle = tf.where(x < 0.0, np.float32(np.pi) - angle, angle)
    return tf.where(y < 0.0, -angle, angle)


def _is_nan(x: Any) -> Any:
    import tensorflow as tf

    return tf.logical_not(tf.logical_or(x < 0.0, x >= 0.0))


def _is_inf(x: Any) -> Any:
    import tensorflow as tf

    return tf.equal(tf.abs(x), np.inf)


_SIGN_BIT = np.iinfo(np.int32).min


def _bitcast(call: Call) -> Any:
    """A number whose bits are looked at for the sign alone stays a number."""
    (x,) = call.inputs
    if x.dtype.name != "float32" or call.op.outputs[0].dtype.name != "int32":
        return NotImplemented
    used = call.op.outputs[0].consumers()
    return x if used and all(_masks_sign(op) for op in used) else NotImplemented


def _masks_sign(op: Any) -> bool:
    from tensorflow.python.framework import tensor_util

    if op.type != "BitwiseAnd":
        return False
    masks = [tensor_util.constant_value(tensor) for tensor in op.inputs]
    return any(mask is not None and np.all(mask == _SIGN_BIT) for mask in masks)


def _bitwise_and(call: Call) -> Any:
    """With the sign bit of a number, or with a mask of low bits, which is a remainder."""
    import tensorflow as tf

    place = next((index for index in (0, 1) if call.known(index) is not None), None)
    if place is None:
        return NotImplemented
    mask, value = call.known(place), call.inputs[1 - place]
    if value.dtype.is_floating:
        negative = tf.logical_or(value < 0.0, 1.0 / value < 0.0)  # -0.0 has the sign too, and 1 over it is below 0
        return tf.where(negative, _SIGN_BIT, 0)
    if mask.size == 1 and mask >= 0 and mask & (mask + 1) == 0:
        return tf.math.floormod(value, mask + 1)
    return NotImplemented

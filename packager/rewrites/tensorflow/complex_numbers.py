"""Arithmetic of complex numbers on pairs of real tensors.

Replaces: ops that take or give complex tensors: arithmetic, magnitude, angle, conjugate, products of matrices, casts.
Why: TFLite has complex numbers in five ops, which no delegate takes; Core ML has none, and coremltools 9.0 knows
    `Real`, `Imag` and the transforms only.
Given: such an op. Result: the same formula on the parts.
Equal because: it is the definition. Divisions and exponentials round once more than TensorFlow's; the magnitude is the
    root of the sum of squares, which TensorFlow also scales against overflow at 1e19.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packager.rewrites.tensorflow.complex_values import Complex, as_pair, is_pair
from packager.rewrites.tensorflow.interpreter import Call

NAME = "complex_numbers"

Pair = Complex


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op; all decline where nothing is complex."""
    return {
        "Complex": lambda call: Complex(*call.inputs),
        "Real": lambda call: as_pair(call.inputs[0]).real,
        "Imag": lambda call: as_pair(call.inputs[0]).imag,
        "ComplexAbs": lambda call: _magnitude(as_pair(call.inputs[0])),
        "Angle": lambda call: _angle(as_pair(call.inputs[0])),
        "Conj": _when_complex(_conjugate),
        "ConjugateTranspose": _conjugate_transpose,
        "Cast": _cast,
        "Mul": _when_complex(_multiply),
        "Square": _when_complex(lambda z: _multiply(z, z)),
        "RealDiv": _when_complex(_divide),
        "Div": _when_complex(_divide),
        "DivNoNan": _when_complex(_divide_or_zero),
        "MulNoNan": _when_complex(_multiply),
        "Reciprocal": _when_complex(lambda z: _divide(_one(z), z)),
        "Inv": _when_complex(lambda z: _divide(_one(z), z)),
        "Exp": _when_complex(_exponential),
        "Log": _when_complex(lambda z: Complex(_log(_magnitude(z)), _angle(z))),
        "Sqrt": _when_complex(_root),
        "Sign": _when_complex(lambda z: _divide_or_zero(z, Complex(_magnitude(z), z.real * 0.0))),
        "SquaredDifference": _when_complex(_squared_difference),
        "MatMul": _product,
        "BatchMatMul": _product,
        "BatchMatMulV2": _product,
        "Einsum": _einsum,
    }


def _when_complex(formula: Callable[..., Complex]) -> Callable[[Call], Any]:
    """A formula on pairs; real inputs beside complex ones become pairs too."""

    def replace(call: Call) -> Any:
        return formula(*map(as_pair, call.inputs)) if _any_complex(call) else NotImplemented

    return replace


def _any_complex(call: Call) -> bool:
    return any(is_pair(value) or value.dtype.is_complex for value in call.inputs if hasattr(value, "dtype"))


def _magnitude(z: Pair) -> Any:
    import tensorflow as tf

    return tf.sqrt(tf.square(z.real) + tf.square(z.imag))


def _angle(z: Pair) -> Any:
    import tensorflow as tf

    return tf.atan2(z.imag, z.real)


def _log(x: Any) -> Any:
    import tensorflow as tf

    return tf.math.log(x)


def _one(z: Pair) -> Pair:
    import tensorflow as tf

    return Complex(tf.ones_like(z.real), tf.zeros_like(z.real))


def _conjugate(z: Pair) -> Pair:
    return Complex(z.real, -z.imag)


def _conjugate_transpose(call: Call) -> Any:
    import tensorflow as tf

    if not _any_complex(call):
        return NotImplemented
    z, order = as_pair(call.inputs[0]), call.inputs[1]
    return Complex(tf.transpose(z.real, order), -tf.transpose(z.imag, order))


def _cast(call: Call) -> Any:
    import tensorflow as tf

    wanted = call.op.outputs[0].dtype
    (value,) = call.inputs
    if wanted.is_complex:
        pair = as_pair(value)
        return Complex(tf.cast(pair.real, wanted.real_dtype), tf.cast(pair.imag, wanted.real_dtype))
    return tf.cast(as_pair(value).real, wanted) if _any_complex(call) else NotImplemented


def _multiply(a: Pair, b: Pair) -> Pair:
    return Complex(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real)


def _divide(a: Pair, b: Pair) -> Pair:
    size = b.real * b.real + b.imag * b.imag
    product = _multiply(a, _conjugate(b))
    return Complex(product.real / size, product.imag / size)


def _divide_or_zero(a: Pair, b: Pair) -> Pair:
    import tensorflow as tf

    size = b.real * b.real + b.imag * b.imag
    divisor = tf.where(size == 0.0, 1.0, size)
    product = _multiply(a, _conjugate(b))
    return Complex(product.real / divisor, product.imag / divisor)


def _exponential(z: Pair) -> Pair:
    import tensorflow as tf

    size = tf.exp(z.real)
    return Complex(size * tf.cos(z.imag), size * tf.sin(z.imag))


def _root(z: Pair) -> Pair:
    """The principal root, whose real part is not negative."""
    import tensorflow as tf

    size = _magnitude(z)
    imag = tf.sqrt(tf.maximum(size - z.real, 0.0) / 2.0)
    return Complex(tf.sqrt(tf.maximum(size + z.real, 0.0) / 2.0), tf.where(z.imag < 0.0, -imag, imag))


def _squared_difference(a: Pair, b: Pair) -> Pair:
    """`conj(a - b) * (a - b)`, as TensorFlow has it."""
    real, imag = a.real - b.real, a.imag - b.imag
    return Complex(real * real + imag * imag, real * 0.0)


def _product(call: Call) -> Any:
    import tensorflow as tf

    if not _any_complex(call):
        return NotImplemented
    batched = call.op.type != "MatMul"
    first, second = ("adj_x", "adj_y") if batched else ("transpose_a", "transpose_b")
    a, b = (as_pair(value) for value in call.inputs)
    turn = {"transpose_a": call.attribute(first), "transpose_b": call.attribute(second)}
    if batched:  # adjoint: conjugated as well
        a = _conjugate(a) if turn["transpose_a"] else a
        b = _conjugate(b) if turn["transpose_b"] else b
    return _from_products(a, b, lambda x, y: tf.matmul(x, y, **turn))


def _einsum(call: Call) -> Any:
    import tensorflow as tf

    if not _any_complex(call):
        return NotImplemented
    equation = call.attribute("equation").decode()
    pairs = [as_pair(value) for value in call.inputs]
    if len(pairs) == 1:
        return Complex(tf.einsum(equation, pairs[0].real), tf.einsum(equation, pairs[0].imag))
    first, second = pairs
    return _from_products(first, second, lambda x, y: tf.einsum(equation, x, y))


def _from_products(a: Pair, b: Pair, product: Callable[[Any, Any], Any]) -> Pair:
    real = product(a.real, b.real) - product(a.imag, b.imag)
    return Complex(real, product(a.real, b.imag) + product(a.imag, b.real))

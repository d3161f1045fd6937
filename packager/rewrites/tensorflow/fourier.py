"""Fourier transforms as products of real matrices.

Replaces: `RFFT`, `IRFFT`, `FFT`, `IFFT` and their forms for two and three axes, which `tf.signal.stft`, `inverse_stft`,
    `dct`, `mdct` and `mfccs_from_log_mel_spectrograms` are made of.
Why: TFLite has `RFFT2D` alone, which no delegate takes; Core ML has no transforms, and coremltools 9.0 makes one large
    matrix of `RFFT`, which it cannot hand on to `ComplexAbs`.
Given: a transform of the last axes. Result: one axis after the other by the matrices of `fourier_matrices.py`, with the
    axis cut or padded to `fft_length`.
Equal because: it is the definition; the sums are float32, in another order than TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from packager.errors import PackagingError
from packager.rewrites.fourier_matrices import (
    choose_factors,
    goes_by_chirps,
    has_noisy_middle,
    make_chirps,
    make_first_stage,
    make_folded_matrices,
    make_matrix,
    make_second_stage,
    make_twiddles,
    mirror_weights,
)
from packager.rewrites.tensorflow.complex_values import Complex, as_pair
from packager.rewrites.tensorflow.interpreter import Call
from packager.rewrites.tensorflow.tensor_lists import each_part

NAME = "fourier"


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    found: dict[str, Callable[[Call], Any]] = {}
    for axes, suffix in ((1, ""), (2, "2D"), (3, "3D")):
        found |= {
            f"RFFT{suffix}": _with(_rfft, axes),
            f"IRFFT{suffix}": _with(_irfft, axes),
            f"FFT{suffix}": _with(_fft, axes),
            f"IFFT{suffix}": _with(_ifft, axes),
        }
    return found


def _with(transform: Callable[[Call, int], Any], axes: int) -> Callable[[Call], Any]:
    return lambda call: transform(call, axes)


def _lengths(call: Call, axes: int) -> list[int]:
    lengths = call.known(1)
    if lengths is None:
        raise PackagingError(f"the length of a Fourier transform depends on the model's input ({call.op.name})")
    return [int(length) for length in lengths][-axes:]


def _rfft(call: Call, axes: int) -> Any:
    *others, last = _lengths(call, axes)
    x = _sized(call.inputs[0], -1, last)
    result = analyse(x, last // 2 + 1, for_phase=call.interpreter.takes_phase)
    return _others(result, others, forward=True)


def _irfft(call: Call, axes: int) -> Any:
    *others, last = _lengths(call, axes)
    spectrum = _sized(as_pair(call.inputs[0]), -1, last // 2 + 1)
    spectrum = _others(spectrum, others, forward=False)
    return synthesise(spectrum, last, 1 / last)


def _fft(call: Call, axes: int) -> Any:
    return _all_axes(as_pair(call.inputs[0]), axes, forward=True)


def _ifft(call: Call, axes: int) -> Any:
    return _all_axes(as_pair(call.inputs[0]), axes, forward=False)


def _all_axes(x: Complex, axes: int, *, forward: bool) -> Complex:
    for axis in range(-1, -axes - 1, -1):
        x = _along(x, axis, forward=forward)
    return x


def _others(x: Complex, lengths: list[int], *, forward: bool) -> Complex:
    for axis, length in zip(range(-2, -len(lengths) - 2, -1), reversed(lengths), strict=True):
        x = _along(_sized(x, axis, length), axis, forward=forward)
    return x


def _along(x: Complex, axis: int, *, forward: bool) -> Complex:
    scale = 1.0 if forward else 1 / x.shape.as_list()[axis]
    if axis == -1:
        return transform(x, forward=forward, scale=scale)
    order = list(range(x.shape.rank))
    order[axis], order[-1] = order[-1], order[axis]
    return _turn(transform(_turn(x, order), forward=forward, scale=scale), order)


def _turn(x: Complex, order: list[int]) -> Complex:
    import tensorflow as tf

    return Complex(tf.transpose(x.real, order), tf.transpose(x.imag, order))


def _sized(x: Any, axis: int, size: int) -> Any:
    """Cut or pad an axis with zeros."""
    import tensorflow as tf

    shape = x.shape.as_list()
    have = shape[axis]
    if have == size:
        return x
    if have > size:
        wanted = list(shape)
        wanted[axis] = size
        return each_part(lambda part: tf.slice(part, [0] * len(shape), wanted), x)
    padding = [[0, 0] for _ in shape]
    padding[axis][1] = size - have
    return each_part(lambda part: tf.pad(part, padding), x)


def analyse(frames: Any, bins: int, *, for_phase: bool = False) -> Complex:
    """Transform real frames: `X[k] = sum(x[j] * exp(-2i * pi * j * k / n))`.

    Args:
        frames: (..., n).
        bins: How many of the n values are wanted, from 0 Hz up: n // 2 + 1 holds all there is.
        for_phase: Keep imaginary parts near 0 exact where one matrix is taken, as `make_folded_matrices` says.

    Returns:
        (..., bins).
    """
    import tensorflow as tf

    *leading, size = frames.shape.as_list()
    count = int(np.prod(leading))
    x = tf.reshape(frames, [count, size])
    if goes_by_chirps(size):
        found = _by_chirps(x, None, size, bins)
        zero = tf.zeros_like(found.imag[:, :1])  # what is 0 is rounding noise there
        parts = [zero, found.imag[:, 1:]]
        if size % 2 == 0 and bins > size // 2:
            parts = [zero, found.imag[:, 1 : size // 2], zero, found.imag[:, size // 2 + 1 :]]
        imag = tf.concat(parts, 1)
        return Complex(tf.reshape(found.real, [*leading, bins]), tf.reshape(imag, [*leading, bins]))
    factors = choose_factors(size)
    if factors is None and size > 2 and for_phase:
        pairs = (size - 1) // 2
        ahead, behind = x[:, 1 : pairs + 1], tf.reverse(x[:, size - pairs :], [1])
        middle = [x[:, size // 2 : size // 2 + 1]] if size % 2 == 0 else []
        cosines, sines = (m.astype(frames.dtype.as_numpy_dtype) for m in make_folded_matrices(size, bins))
        real = tf.matmul(tf.concat([x[:, :1], ahead + behind, *middle], 1), cosines)
        imag = tf.matmul(ahead - behind, sines)
        return Complex(tf.reshape(real, [*leading, bins]), tf.reshape(imag, [*leading, bins]))
    if factors is None:
        both = tf.matmul(x, make_matrix(size, bins).astype(frames.dtype.as_numpy_dtype))
        return _parts(both, bins, [*leading, bins])
    rows, columns = factors
    wanted = min(columns, -(-bins // rows))
    dtype = frames.dtype.as_numpy_dtype
    x = tf.reshape(tf.transpose(tf.reshape(x, [count, rows, columns]), [0, 2, 1]), [count * columns, rows])
    parts = [
        tf.reshape(tf.matmul(x, first.astype(dtype)), [count, columns, 2 * rows]) * twiddles.astype(dtype)
        for first, twiddles in zip(make_first_stage(rows), make_twiddles(rows, columns), strict=True)
    ]
    x = parts[0] + parts[1]
    x = tf.transpose(tf.reshape(x, [count, columns, 2, rows]), [0, 3, 2, 1])
    x = tf.matmul(tf.reshape(x, [count * rows, 2 * columns]), make_second_stage(columns, wanted).astype(dtype))
    x = tf.transpose(tf.reshape(x, [count, rows, 2, wanted]), [0, 2, 3, 1])  # (frame, part, stride, row)
    found = _parts(tf.reshape(x, [count, 2 * wanted * rows]), wanted * rows, [*leading, bins])
    middle = size // 2
    if not has_noisy_middle(size) or bins <= middle:
        return found
    zero = tf.zeros_like(found.imag[..., middle : middle + 1])
    imag = tf.concat([found.imag[..., :middle], zero, found.imag[..., middle + 1 :]], -1)
    return Complex(found.real, imag)


def _by_chirps(real: Any, imag: Any, size: int, outputs: int) -> Complex:
    """The first `outputs` of `size` points, of (count, inputs) numbers that zeros follow; None is 0."""
    import tensorflow as tf

    count, inputs = real.shape.as_list()
    chirps = make_chirps(size, inputs, outputs)
    dtype = real.dtype.as_numpy_dtype
    before, kernel, after = (part.astype(dtype) for part in (chirps.before, chirps.kernel, chirps.after))
    x = Complex(real * before[0], real * before[1]) if imag is None else _times(Complex(real, imag), before)
    padding = [[0, 0], [0, chirps.length - inputs]]
    x = _times(transform(each_part(lambda part: tf.pad(part, padding), x), forward=True, scale=1), kernel)
    x = transform(x, forward=False, scale=1)
    return _times(each_part(lambda part: tf.slice(part, [0, 0], [count, outputs]), x), after)


def _times(signal: Complex, factors: Any) -> Complex:
    """By (2, n) factors, real and imaginary."""
    real, imag = factors
    return Complex(signal.real * real - signal.imag * imag, signal.real * imag + signal.imag * real)


def _parts(both: Any, width: int, shape: list[int]) -> Complex:
    """The two halves of rows, each cut to the bins that are wanted."""
    count, bins = both.shape.as_list()[0], shape[-1]
    import tensorflow as tf

    real, imag = (tf.slice(both, [0, start], [count, bins]) for start in (0, width))
    return Complex(tf.reshape(real, shape), tf.reshape(imag, shape))


def synthesise(spectrum: Complex, size: int, scale: float) -> Any:
    """Transform half spectra of real frames back, which is the transpose of `analyse`.

    Args:
        spectrum: (..., size // 2 + 1). The imaginary parts at 0 Hz and at half the sampling rate do not matter.
        size: Samples in a frame, n.
        scale: 1 / n makes it the inverse of `analyse`.

    Returns:
        (..., n).
    """
    import tensorflow as tf

    *leading, bins = spectrum.shape.as_list()
    count = int(np.prod(leading))
    dtype = spectrum.dtype.as_numpy_dtype
    weights = mirror_weights(size, scale).astype(dtype)
    if goes_by_chirps(size):  # the conjugate of what is transformed backwards, whose real part is the same
        real, imag = (tf.reshape(part, [count, bins]) * weights for part in (spectrum.real, spectrum.imag))
        return tf.reshape(_by_chirps(real, -imag, size, size).real, [*leading, size])
    factors = choose_factors(size)
    if factors is None:
        both = tf.concat([tf.reshape(part, [count, bins]) for part in (spectrum.real, spectrum.imag)], 1)
        matrix = make_matrix(size, bins).astype(dtype) * np.tile(weights, 2)
        return tf.reshape(tf.matmul(both, np.ascontiguousarray(matrix.T)), [*leading, size])
    rows, columns = factors
    wanted = -(-bins // rows)
    both = tf.stack([tf.reshape(part, [count, bins]) * weights for part in (spectrum.real, spectrum.imag)], 1)
    if wanted * rows > bins:
        both = tf.pad(both, [[0, 0], [0, 0], [0, wanted * rows - bins]])
    x = tf.transpose(tf.reshape(both, [count, 2, wanted, rows]), [0, 3, 1, 2])
    second = np.ascontiguousarray(make_second_stage(columns, wanted).T).astype(dtype)
    x = tf.matmul(tf.reshape(x, [count * rows, 2 * wanted]), second)
    x = tf.transpose(tf.reshape(x, [count, rows, 2, columns]), [0, 3, 2, 1])
    x = tf.reshape(x, [count, columns, 2 * rows])
    parts = [
        tf.matmul(
            tf.reshape(x * twiddles.astype(dtype), [count * columns, 2 * rows]),
            np.ascontiguousarray(first.T).astype(dtype),
        )
        for first, twiddles in zip(make_first_stage(rows), make_twiddles(rows, columns), strict=True)
    ]
    x = tf.reshape(parts[0] + parts[1], [count, columns, rows])
    return tf.reshape(tf.transpose(x, [0, 2, 1]), [*leading, size])


def transform(signal: Complex, *, forward: bool, scale: float) -> Complex:
    """Transform complex frames to complex ones.

    Args:
        signal: (..., n).
        forward: Else the sign of the exponent is plus.
        scale: Multiplied with the result.

    Returns:
        (..., n).
    """
    import tensorflow as tf

    *leading, size = signal.shape.as_list()
    if goes_by_chirps(size):
        sign = 1.0 if forward else -1.0
        flat = [int(np.prod(leading)), size]
        found = _by_chirps(tf.reshape(signal.real, flat), tf.reshape(sign * signal.imag, flat), size, size)
        parts = (found.real * scale, found.imag * (sign * scale))
        return Complex(*(tf.reshape(part, [*leading, size]) for part in parts))
    real, imag = analyse(signal.real, size), analyse(signal.imag, size)
    if forward:
        result = Complex(real.real - imag.imag, real.imag + imag.real)
    else:  # nothing is negated, so that no 0 becomes -0, of which the phase would be -pi
        result = Complex(real.real + imag.imag, imag.real - real.imag)
    return result if scale == 1 else Complex(result.real * scale, result.imag * scale)

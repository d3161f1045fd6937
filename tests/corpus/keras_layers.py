"""Layers of their own, as audio authors write them for Keras: tf.signal front ends, positions, a quantiser."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("corpus")
class LogMel(keras.layers.Layer):
    """Samples, (batch, samples), to log-mels or MFCCs, (batch, frames, coefficients), with tf.signal."""

    def __init__(self, n_mels: int = 40, n_mfcc: int = 0, rate_hz: int = 16000, **options: Any) -> None:
        super().__init__(**options)
        self.n_mels, self.n_mfcc, self.rate_hz = n_mels, n_mfcc, rate_hz
        self.filters = tf.signal.linear_to_mel_weight_matrix(n_mels, 257, rate_hz, 60.0, 7600.0)

    def call(self, samples: tf.Tensor) -> tf.Tensor:
        spectrum = tf.signal.stft(samples, frame_length=400, frame_step=160, fft_length=512)
        log_mel = tf.math.log(tf.tensordot(tf.abs(spectrum), self.filters, 1) + 1e-6)
        if not self.n_mfcc:
            return log_mel
        return tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[..., : self.n_mfcc]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        frames = None if shape[1] is None else (shape[1] - 400) // 160 + 1
        return (shape[0], frames, self.n_mfcc or self.n_mels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n_mels": self.n_mels, "n_mfcc": self.n_mfcc, "rate_hz": self.rate_hz}


@keras.saving.register_keras_serializable("corpus")
class Stft(keras.layers.Layer):
    """Real and imaginary parts, (batch, frames, bins, 2)."""

    def call(self, samples: tf.Tensor) -> tf.Tensor:
        spectrum = tf.signal.stft(samples, 256, 64, pad_end=True)
        return tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], None if shape[1] is None else -(-shape[1] // 64), 129, 2)


@keras.saving.register_keras_serializable("corpus")
class InverseStft(keras.layers.Layer):
    """Back to samples, (batch, samples), with the window that undoes `Stft`'s."""

    def call(self, parts: tf.Tensor) -> tf.Tensor:
        spectrum = tf.complex(parts[..., 0], parts[..., 1])
        window = tf.signal.inverse_stft_window_fn(64)
        return tf.signal.inverse_stft(spectrum, 256, 64, window_fn=window)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], None if shape[1] is None else (shape[1] - 1) * 64 + 256)


@keras.saving.register_keras_serializable("corpus")
class Smoother(keras.layers.Layer):
    """One step of PCEN's moving average, a cell for keras.layers.RNN."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.state_size, self.output_size = units, units, units

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.rate = self.add_weight(shape=(self.units,), initializer=keras.initializers.RandomUniform(0.02, 0.1))

    def call(self, energy: tf.Tensor, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        (last,) = states if isinstance(states, (list, tuple)) else (states,)
        smooth = (1.0 - self.rate) * last + self.rate * energy
        return smooth, [smooth]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("corpus")
class FixedPositions(keras.layers.Layer):
    """Sinusoids added to a sequence."""

    def call(self, x: Any) -> Any:
        frames, size = x.shape[-2], x.shape[-1]
        angles = np.arange(frames)[:, None] / 10000 ** (np.arange(0, size, 2)[None] / size)
        return x + ops.cast(np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[None], x.dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape


@keras.saving.register_keras_serializable("corpus")
class VectorQuantizer(keras.layers.Layer):
    """The nearest of a book of codes, by squared distance; the straight-through gradient is there as in training."""

    def __init__(self, codes: int, **options: Any) -> None:
        super().__init__(**options)
        self.codes = codes

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.book = self.add_weight(
            shape=(self.codes, shape[-1]), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flat = tf.reshape(x, [-1, x.shape[-1]])
        distance = tf.reduce_sum(flat**2, 1, keepdims=True) - 2.0 * tf.matmul(flat, self.book, transpose_b=True)
        index = tf.argmin(distance + tf.reduce_sum(self.book**2, 1), axis=1)
        quantized = tf.reshape(tf.gather(self.book, index), tf.shape(x))
        return x + tf.stop_gradient(quantized - x), tf.reshape(tf.cast(index, tf.int32), tf.shape(x)[:-1])

    def compute_output_spec(self, x: Any) -> tuple[Any, Any]:
        return keras.KerasTensor(x.shape, x.dtype), keras.KerasTensor(x.shape[:-1], "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "codes": self.codes}

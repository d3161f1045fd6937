"""Published speech and sound models of which phones were measured, with random weights: bodies after the front end."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_keras import Model, layers

WHISPER = {"tiny": (4, 384, 6), "base": (6, 512, 8), "small": (12, 768, 12)}
"""size → layers, width, heads of the encoder. Source: Radford et al., arXiv:2212.04356, table 1"""


def _convolve(x: Any, filters: int, kernel: int, strides: int = 1) -> Any:
    x = layers.Conv2D(filters, kernel, strides, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def yamnet() -> Model:
    """MobileNet V1 on 0.96 s of 64 mel bands. Source: tensorflow/models, `research/audioset/yamnet/yamnet.py`."""
    start = layers.Input(batch_shape=(1, 96, 64, 1))
    x = _convolve(start, 32, 3, 2)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for filters, strides in blocks:
        x = layers.DepthwiseConv2D(3, strides, "same", use_bias=False)(x)
        x = _convolve(layers.ReLU()(layers.BatchNormalization()(x)), filters, 1)
    x = layers.Dense(521, "sigmoid")(layers.GlobalAveragePooling2D()(x))
    return Model(start, x)


def cnn14() -> Model:
    """PANNs CNN14 on 10 s, 1001 frames of 64 mel bands. Source: Kong et al., arXiv:1912.10211, table 1."""
    start = layers.Input(batch_shape=(1, 1001, 64, 1))
    x = tf.transpose(layers.BatchNormalization()(tf.transpose(start, (0, 1, 3, 2))), (0, 1, 3, 2))
    for filters in (64, 128, 256, 512, 1024, 2048):
        x = _convolve(_convolve(x, filters, 3), filters, 3)
        x = layers.AveragePooling2D(2)(x) if filters < 2048 else x
    x = tf.reduce_mean(x, 2)
    x = tf.reduce_max(x, 1) + tf.reduce_mean(x, 1)
    return Model(start, layers.Dense(527, "sigmoid")(layers.Dense(2048, "relu")(x)))


def deepspeech() -> Model:
    """DeepSpeech 0.4 on 16 frames of 19 × 26 features. Source: mozilla/DeepSpeech v0.4.1, `DeepSpeech.py`."""
    start = layers.Input(batch_shape=(1, 16, 19, 26))
    cell, output = (layers.Input(batch_shape=(1, 2048)) for _ in range(2))
    x = layers.Reshape((16, 494))(start)
    for _ in range(3):
        x = layers.Dense(2048, "relu")(x)
    x, output_after, cell_after = layers.LSTM(2048, return_sequences=True, return_state=True, unroll=True)(
        x, initial_state=[output, cell]
    )
    x = layers.Dense(29)(layers.Dense(2048, "relu")(x))
    return Model([start, cell, output], [x, cell_after, output_after])


class Scale(layers.Layer):  # type: ignore[misc]
    """Layer normalisation in the ops that converters make of it."""

    def build(self, shape: Any) -> None:
        self.gain, self.offset = (self.add_weight(name=name, shape=shape[-1:]) for name in ("gain", "offset"))

    def call(self, x: Any) -> Any:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-5) * self.gain + self.offset


def _split(x: Any, heads: int) -> Any:
    return tf.transpose(tf.reshape(x, (1, x.shape[1], heads, -1)), (0, 2, 1, 3))


def _attend(x: Any, heads: int) -> Any:
    width = x.shape[-1]
    query, key, value = (
        _split(layers.Dense(width, use_bias=name != "key")(x), heads) for name in ("query", "key", "value")
    )
    weights = tf.nn.softmax(tf.matmul(query * (width // heads) ** -0.5, key, transpose_b=True))
    joined = tf.reshape(tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3)), (1, -1, width))
    return layers.Dense(width)(joined)


class Positions(layers.Layer):  # type: ignore[misc]
    def build(self, shape: Any) -> None:
        self.table = self.add_weight(name="table", shape=shape[1:])

    def call(self, x: Any) -> Any:
        return x + self.table


def whisper_encoder(size: str) -> Model:
    """On 30 s, 3000 frames of 80 mel bands, as the published exports take them: bands first."""
    depth, width, heads = WHISPER[size]
    start = layers.Input(batch_shape=(1, 80, 3000))
    x = tf.transpose(start, (0, 2, 1))
    for strides in (1, 2):
        x = tf.nn.gelu(layers.Conv1D(width, 3, strides, "same")(x), approximate=True)
    x = Positions()(x)
    for _ in range(depth):
        x = x + _attend(Scale()(x), heads)
        x = x + layers.Dense(width)(tf.nn.gelu(layers.Dense(4 * width)(Scale()(x)), approximate=True))
    return Model(start, Scale()(x))

"""Tiny float32 TFLite models: `python tiny_flatbuffers.py FOLDER` writes `FOLDER/<kind>.tflite` for each kind.

A script of its own, so that TensorFlow never enters the process of the tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"})

import numpy as np
import tensorflow as tf

SAMPLES = 2048
STEPS, FEATURES, UNITS = 12, 40, 64
WORDS = 50

_random = np.random.default_rng(1123)


def _weights(*shape: int) -> tf.Variable:
    return tf.Variable(_random.normal(scale=1 / np.sqrt(np.prod(shape[:-1])), size=shape).astype(np.float32))


def make_net() -> tuple[Callable[..., object], list[tf.TensorSpec], list[tf.Variable]]:
    """Convolutions over audio, with a group norm, ending in 10 scores."""
    first, second, last = _weights(64, 1, 32), _weights(9, 32, 64), _weights(64, 10)

    def call(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.nn.conv1d(audio, first, stride=16, padding="SAME")
        groups = tf.reshape(hidden, (1, -1, 4, 8))
        mean, variance = tf.nn.moments(groups, (1, 3), keepdims=True)
        hidden = tf.nn.relu(tf.reshape((groups - mean) * tf.math.rsqrt(variance + 1e-5), hidden.shape))
        hidden = tf.nn.relu(tf.nn.conv1d(hidden, second, stride=2, padding="SAME"))
        return {"scores": tf.matmul(tf.reduce_mean(hidden, 1), last)}

    return call, [tf.TensorSpec((1, SAMPLES, 1), name="audio")], [first, second, last]


def make_front() -> tuple[Callable[..., object], list[tf.TensorSpec], list[tf.Variable]]:
    """A spectrogram in decibels, over its range, before a larger network: what Basic Pitch does."""
    bank, first, second = _weights(256, 1, 64), _weights(5, 64, 128), _weights(5, 128, 64)

    def call(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        power = tf.square(tf.nn.conv1d(audio, bank, stride=64, padding="SAME"))
        decibels = tf.math.log(power + 1e-10)
        low, high = tf.reduce_min(decibels), tf.reduce_max(decibels)
        hidden = tf.nn.conv1d((decibels - low) / (high - low), first, stride=1, padding="SAME")
        return {"notes": tf.sigmoid(tf.nn.conv1d(tf.nn.relu(hidden), second, stride=1, padding="SAME"))}

    return call, [tf.TensorSpec((1, SAMPLES, 1), name="audio")], [bank, first, second]


def make_loop() -> tuple[Callable[..., object], list[tf.TensorSpec], list[tf.Variable]]:
    """An LSTM as a WHILE loop."""
    kernel, last = _weights(FEATURES + UNITS, 4 * UNITS), _weights(UNITS, 8)

    def call(features: tf.Tensor) -> dict[str, tf.Tensor]:
        steps = tf.TensorArray(tf.float32, STEPS, element_shape=(1, FEATURES))
        steps = steps.unstack(tf.transpose(features, (1, 0, 2)))

        def step(time: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, ...]:
            gates = tf.matmul(tf.concat([steps.read(time), hidden], 1), kernel)
            enter, forget, change, leave = tf.split(gates, 4, 1)
            cell = tf.sigmoid(forget) * cell + tf.sigmoid(enter) * tf.tanh(change)
            return time + 1, tf.sigmoid(leave) * tf.tanh(cell), cell

        zeros = tf.zeros((1, UNITS))
        _, hidden, _ = tf.while_loop(lambda time, *_: time < STEPS, step, (0, zeros, zeros))
        return {"scores": tf.matmul(hidden, last)}

    return call, [tf.TensorSpec((1, STEPS, FEATURES), name="features")], [kernel, last]


def make_attention() -> tuple[Callable[..., object], list[tf.TensorSpec], list[tf.Variable]]:
    """Words (whole numbers), features and a mask (truth values) through one layer of attention."""
    table, into = _weights(WORDS, UNITS), _weights(FEATURES, UNITS)
    query, key, value, out = (_weights(UNITS, UNITS) for _ in range(4))

    def call(words: tf.Tensor, features: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.gather(table, words) + tf.einsum("btf,fu->btu", features, into)
        match = tf.matmul(
            tf.einsum("btu,uv->btv", hidden, query), tf.einsum("btu,uv->btv", hidden, key), transpose_b=True
        )
        weights = tf.nn.softmax(tf.where(mask, match / 8, -1e4))
        heard = tf.matmul(weights, tf.einsum("btu,uv->btv", hidden, value))
        states = tf.einsum("btu,uv->btv", heard, out) + hidden
        return {"states": states, "best": tf.argmax(states, -1, output_type=tf.int32)}

    specs = [
        tf.TensorSpec((1, STEPS), tf.int32, name="words"),
        tf.TensorSpec((1, STEPS, FEATURES), name="features"),
        tf.TensorSpec((1, STEPS, STEPS), tf.bool, name="mask"),
    ]
    return call, specs, [table, into, query, key, value, out]


_KINDS = {"net": make_net, "front": make_front, "loop": make_loop, "attention": make_attention}

if __name__ == "__main__":
    for kind, make in _KINDS.items():
        call, specs, variables = make()
        module = tf.Module()
        module.kept = variables
        function = tf.function(call, input_signature=specs).get_concrete_function()
        converted = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
        Path(sys.argv[1], f"{kind}.tflite").write_bytes(converted)

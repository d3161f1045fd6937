"""Factories of TensorFlow models, as recipes name them."""

from __future__ import annotations

from typing import Any


def make_keras() -> Any:
    import keras

    samples = keras.Input((None, 1), name="samples")
    return keras.Model(samples, {"halved": keras.layers.Rescaling(0.5)(samples)})


def make_module() -> Any:
    import tensorflow as tf

    class Halver(tf.Module):
        def __call__(self, waveform: Any) -> Any:
            if tf.reduce_max(waveform) > 100.0:  # a condition on a tensor
                waveform = waveform / 100.0
            return 0.5 * waveform

    return Halver()


def make_function() -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.float32, name="waveform")])
    def transform(waveform: Any) -> Any:
        spectrum = tf.signal.rfft(waveform)
        return spectrum, tf.abs(spectrum)

    return transform


def make_with_examples() -> Any:
    import numpy as np
    import tensorflow as tf

    return tf.function(lambda x, ids: {"picked": tf.gather(x, ids, axis=1)}), (
        np.zeros((1, 64), np.float32),
        np.array([3, 0], np.int32),
    )


def make_nothing() -> Any:
    return 7


def _noisy(loudness: float) -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.float32, name="waveform")])
    def transform(waveform: Any) -> Any:
        return 0.5 * waveform + loudness * tf.random.normal(tf.shape(waveform))

    return transform


def make_noisy() -> Any:
    return _noisy(0.1)


def make_noiseless() -> Any:
    return _noisy(0.0)


def make_generator() -> Any:
    import tensorflow as tf

    class Noisy(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = tf.random.Generator.from_seed(1)

        def __call__(self, waveform: Any) -> Any:
            return waveform + self.generator.uniform(tf.shape(waveform))

    return Noisy()


def make_dropout() -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.float32, name="waveform")])
    def transform(waveform: Any) -> Any:
        return tf.nn.dropout(waveform, 0.5)

    return transform

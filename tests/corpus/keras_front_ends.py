"""Keras 3 models that take samples: tf.signal front ends inside, and STFT masking."""

from __future__ import annotations

import keras
from keras import layers, ops

from .keras_layers import InverseStft, LogMel, Smoother, Stft
from .keras_models import N_KEYWORDS, settle


def keras_log_mel() -> keras.Model:
    keras.utils.set_random_seed(1201)
    samples = keras.Input((8000,), name="samples")
    x = layers.Normalization(axis=None, mean=-3.0, variance=4.0)(LogMel(32)(samples))
    x = layers.Conv1D(32, 5, strides=2, activation="relu", padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling1D(2)(layers.Conv1D(32, 5, activation="relu")(x))
    return settle(keras.Model(samples, layers.Dense(N_KEYWORDS)(layers.GlobalAveragePooling1D()(x))), scale=0.2)


def keras_mfcc_gru() -> keras.Model:
    """A discrete cosine transform, which TensorFlow makes of an FFT, and a GRU with the older placing of its gates."""
    keras.utils.set_random_seed(1202)
    samples = keras.Input((8000,), name="samples")
    x = layers.LayerNormalization()(LogMel(32, n_mfcc=13)(samples))
    x = layers.GRU(24, reset_after=False, return_sequences=True)(x)
    x = layers.SimpleRNN(24)(x)
    return settle(keras.Model(samples, layers.Dense(2, activation="softmax")(x)), scale=0.2)


def keras_pcen() -> keras.Model:
    """The moving average by keras.layers.RNN over a cell of its own."""
    keras.utils.set_random_seed(1203)
    energy = keras.Input((60, 32), name="energy")
    positive = ops.square(energy)
    smooth = layers.RNN(Smoother(32), return_sequences=True)(positive)
    x = ops.power(positive / ops.power(smooth + 1e-6, 0.8) + 2.0, 0.5) - 2.0**0.5
    x = layers.Conv1D(24, 3, padding="same", activation="relu")(x)
    return settle(keras.Model(energy, layers.Dense(8)(layers.GlobalAveragePooling1D()(x))))


def keras_stft_masking() -> keras.Model:
    """tf.signal.stft, an LSTM's mask, tf.signal.inverse_stft."""
    keras.utils.set_random_seed(1204)
    samples = keras.Input((4096,), batch_size=1, name="samples")
    parts = Stft()(samples)
    magnitude = ops.sqrt(ops.sum(ops.square(parts), axis=-1) + 1e-9)
    x = layers.LSTM(32, return_sequences=True)(ops.log1p(magnitude))
    mask = layers.Dense(129, activation="sigmoid", kernel_initializer=keras.initializers.RandomNormal(stddev=0.6))(x)
    return settle(keras.Model(samples, InverseStft()(parts * mask[..., None])), scale=0.2)

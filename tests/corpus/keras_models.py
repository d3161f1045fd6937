"""Keras 3 models on TensorFlow, the counterparts of the PyTorch ones."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from .keras_layers import FixedPositions, VectorQuantizer

N_KEYWORDS = 12


def settle(model: keras.Model, *, scale: float = 1.0) -> keras.Model:
    """Give biases and norms values that show when they are lost, and norms the statistics of random inputs.

    Args:
        model: Fresh, made under a seed.
        scale: Standard deviation of the inputs that the statistics are gathered on.
    """
    generator = np.random.default_rng(model.count_params())
    for layer in model._flatten_layers():
        for variable in layer.weights:
            if variable.path.endswith(("/beta", "/bias")):
                variable.assign(variable + generator.normal(0.0, 0.1, variable.shape))
            if variable.path.endswith("/gamma"):
                variable.assign(generator.uniform(0.7, 1.3, variable.shape))
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    if norms:
        for norm in norms:
            norm.momentum = 0.0  # what the one call sees is all that counts
        model(generator.normal(0.0, scale, [4, *model.inputs[0].shape[1:]]).astype(np.float32), training=True)
        for norm in norms:
            norm.momentum = 0.99
    return model


def keras_ds_cnn() -> keras.Model:
    keras.utils.set_random_seed(1101)
    mfcc = keras.Input((49, 10), name="mfcc")
    x = layers.Reshape((49, 10, 1))(mfcc)
    x = layers.Conv2D(48, (10, 4), strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(3):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(48, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return settle(keras.Model(mfcc, layers.Dense(N_KEYWORDS, activation="softmax")(x)))


def keras_crnn_gru() -> keras.Model:
    """Two bidirectional GRUs, as Keras 3 makes them (`reset_after`), the second giving its last state."""
    keras.utils.set_random_seed(1102)
    log_mel = keras.Input((80, 40), name="log_mel")
    x = layers.Conv2D(24, (5, 20), strides=(2, 4), padding="same", activation="relu")(log_mel[..., None])
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.Bidirectional(layers.GRU(32, return_sequences=True))(x)
    x = layers.Bidirectional(layers.GRU(32), merge_mode="concat")(x)
    return settle(keras.Model(log_mel, layers.Dense(N_KEYWORDS)(layers.Dense(48, activation="gelu")(x))))


def keras_lstm_vad() -> keras.Model:
    """Eight frames a call; the LSTM's h and c go in and come out by name."""
    keras.utils.set_random_seed(1103)
    frames = keras.Input((8, 24), batch_size=1, name="frames")
    h, c = (keras.Input((32,), batch_size=1, name=name) for name in ("h", "c"))
    x = layers.Conv1D(32, 1, activation="relu")(layers.LayerNormalization()(frames))
    x, h_out, c_out = layers.LSTM(32, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    speech = layers.Dense(1, activation="sigmoid", kernel_initializer=keras.initializers.RandomNormal(stddev=1.0))(x)
    outputs = {"speech": layers.Flatten()(speech), "h_out": h_out, "c_out": c_out}
    return settle(keras.Model([frames, h, c], outputs))


def keras_unet() -> keras.Model:
    keras.utils.set_random_seed(1104)
    magnitude = keras.Input((64, 96, 1), name="magnitude")
    x, skips = magnitude, []
    for width in (12, 16, 24):
        x = layers.Conv2D(width, 5, strides=2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(x))
        skips.append(x)
    for width, skip in ((16, skips[1]), (12, skips[0])):
        x = layers.Conv2DTranspose(width, 5, strides=2, padding="same", activation="relu")(x)
        x = layers.SpatialDropout2D(0.5)(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, skip])
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    mask = layers.Conv2D(1, 5, padding="same", activation="sigmoid")(x)
    return settle(keras.Model(magnitude, layers.Multiply()([mask, magnitude])))


def keras_wavenet() -> keras.Model:
    keras.utils.set_random_seed(1105)
    samples = keras.Input((1024, 1), name="samples")
    x, total = layers.Conv1D(16, 2, padding="causal")(samples), []
    for dilation in (1, 2, 4, 8, 16, 32):
        value = layers.Conv1D(16, 2, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        gate = layers.Conv1D(16, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        y = layers.Multiply()([value, gate])
        total.append(layers.Conv1D(16, 1)(y))
        x = layers.Add()([x, layers.Conv1D(16, 1)(y)])
    x = layers.PReLU(shared_axes=[1])(layers.Add()(total))
    return settle(keras.Model(samples, layers.Conv1D(32, 1)(layers.Conv1D(32, 1, activation="relu")(x))))


def keras_bilstm_mask() -> keras.Model:
    """Open-Unmix in Keras: stacked bidirectional LSTMs whose directions are summed, a mask of the input."""
    keras.utils.set_random_seed(1106)
    magnitude = keras.Input((64, 65), name="magnitude")
    x = layers.TimeDistributed(layers.Dense(32, activation="tanh"))(magnitude)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(24, return_sequences=True), merge_mode="sum")(x)
    mask = layers.Dense(65, activation="sigmoid", kernel_initializer=keras.initializers.RandomNormal(stddev=0.6))(x)
    return settle(keras.Model(magnitude, mask * magnitude))


def keras_tc_resnet() -> keras.Model:
    keras.utils.set_random_seed(1107)
    mfcc = keras.Input((98, 40), name="mfcc")
    x = layers.Conv1D(16, 3, padding="same", use_bias=False)(mfcc)
    for width in (24, 32, 48):
        skip = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(width, 1, strides=2, use_bias=False)(x)))
        y = layers.Conv1D(width, 9, strides=2, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.SeparableConv1D(width, 9, padding="same", use_bias=False)(y))
        squeezed = layers.Dense(8, activation="relu")(layers.GlobalAveragePooling1D(keepdims=True)(y))
        x = layers.ReLU()(y * layers.Dense(width, activation="hard_sigmoid")(squeezed) + skip)
    return settle(keras.Model(mfcc, layers.Dense(N_KEYWORDS)(layers.GlobalMaxPooling1D()(x))))


def keras_transformer() -> keras.Model:
    """Encoder blocks with a causal one among them, fixed positions, group norm; attention scores are an output."""
    keras.utils.set_random_seed(1108)
    features = keras.Input((50, 40), name="features")
    x = FixedPositions()(layers.Dense(48)(features))
    scores: Any = None
    for causal in (False, True):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        attention = layers.MultiHeadAttention(4, 12, dropout=0.1)
        y, scores = attention(y, y, use_causal_mask=causal, return_attention_scores=True)
        x = layers.Add()([x, y])
        y = layers.GroupNormalization(4)(x)
        x = layers.Add()([x, layers.Dense(48)(layers.Dense(96, activation="swish")(y))])
    pooled = layers.GlobalAveragePooling1D()(x)
    return settle(keras.Model(features, {"tags": layers.Dense(10)(pooled), "attention": scores}))


def keras_conv_codec() -> keras.Model:
    """Strided convolutions, one codebook, transposed convolutions; samples and codes out."""
    keras.utils.set_random_seed(1109)
    samples = keras.Input((2000, 1), name="samples")
    x = samples
    for width, stride in ((12, 4), (24, 5)):
        x = layers.Conv1D(width, 2 * stride, strides=stride, padding="same", activation="elu")(x)
    quantized, codes = VectorQuantizer(64)(layers.Conv1D(8, 3, padding="same")(x * 3.0))
    x = quantized
    for width, stride in ((24, 5), (12, 4)):
        x = layers.Conv1DTranspose(width, 2 * stride, strides=stride, padding="same", activation="elu")(x)
    restored = layers.Conv1D(1, 7, padding="same", activation="tanh")(x)
    return settle(keras.Model(samples, {"restored": restored, "codes": codes}), scale=0.5)

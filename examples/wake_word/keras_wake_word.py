"""The wake word spotter in Keras 3: the architecture of `wake_word.py`, with the weights that PyTorch was trained to.

Nothing is trained here: arrays are copied. Channels come last, as TensorFlow has them, in the remembered frames too.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read when keras is imported

import keras  # type: ignore[import-untyped]
import numpy as np
import torch
from clips import WORDS
from keras import layers, ops
from wake_word import (
    CHANNELS,
    CONTEXT,
    DILATIONS,
    FLOOR,
    HOP,
    KEPT,
    KERNEL,
    MELS,
    MEMORY,
    N_FFT,
    WINDOW,
    WakeWord,
    mel_filters,
)


def make_model() -> keras.Model:
    """The spotter without its weights.

    It takes `audio` `(1, 1280)`, `context` `(1, 416)` and `memory` `(1, 36, 32)`, and gives `keyword` `(1, 8, 2)`,
    `context_next` and `memory_next`; states are zeros at the start of a stream.
    """
    audio = keras.Input((WINDOW,), batch_size=1, name="audio")
    context = keras.Input((CONTEXT,), batch_size=1, name="context")
    memory = keras.Input((MEMORY, CHANNELS), batch_size=1, name="memory")
    heard = ops.concatenate([context, audio], axis=1)
    real, imaginary = ops.stft(heard, N_FFT, HOP, N_FFT, window="hann", center=False)
    magnitude = ops.sqrt(real**2 + imaginary**2)
    mel = layers.Dense(MELS, use_bias=False, trainable=False, name="mel")(magnitude)
    x = layers.Conv1D(CHANNELS, KERNEL, strides=2, activation="relu", name="entry")(ops.log(mel + FLOOR))
    kept, first = [], 0
    for place, (dilation, frames) in enumerate(zip(DILATIONS, KEPT, strict=True)):
        joined = ops.concatenate([memory[:, first : first + frames], x], axis=1)
        kept.append(joined[:, -frames:])
        first += frames
        inner = layers.Conv1D(CHANNELS, KERNEL, dilation_rate=dilation, use_bias=False, name=f"convolution_{place}")
        normed = layers.BatchNormalization(epsilon=1e-5, name=f"norm_{place}")(inner(joined))  # PyTorch's default
        x = x + ops.relu(normed)
    keyword = layers.Conv1D(len(WORDS), 1, activation="sigmoid", name="head")(x)
    outputs = {"keyword": keyword, "context_next": heard[:, -CONTEXT:], "memory_next": ops.concatenate(kept, axis=1)}
    return keras.Model([audio, context, memory], outputs, name="wake_word")


def carry_weights(source: WakeWord, model: keras.Model) -> None:
    """Copy PyTorch's arrays into the layers: (out, in, time) of a convolution is (time, in, out) here."""
    model.get_layer("mel").set_weights([mel_filters().numpy().T])
    model.get_layer("entry").set_weights([*_turn(source.entry)])
    model.get_layer("head").set_weights([*_turn(source.head)])
    for place, block in enumerate(source.blocks):
        norm: Any = block.norm
        model.get_layer(f"convolution_{place}").set_weights([*_turn(block.convolution)])
        parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        model.get_layer(f"norm_{place}").set_weights([part.detach().numpy() for part in parts])


def _turn(convolution: Any) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Kernel, and bias where there is one."""
    kernel = convolution.weight.detach().numpy().transpose(2, 1, 0)
    return [kernel] if convolution.bias is None else [kernel, convolution.bias.detach().numpy()]


def build() -> keras.Model:
    """The model with its weights, trained with PyTorch where they are not there yet."""
    from train_wake_word import find_weights

    source, model = WakeWord(), make_model()
    source.load_state_dict(torch.load(find_weights(), weights_only=True))
    carry_weights(source, model)
    return model

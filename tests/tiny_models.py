"""Tiny SavedModels, built in code and seeded: `python tests/tiny_models.py FOLDER` makes `FOLDER/<kind>` for each kind.

A script of its own, so that TensorFlow never enters the process of the tests.
"""

from __future__ import annotations

import os
import sys

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"})

import numpy as np
import tensorflow as tf

GAIN = 0.5
WINDOW_SAMPLES = 2048
FRAME_SAMPLES = 128
N_PITCHES = 88
_SEED = 1123


def save_gain(folder: str) -> None:
    """One output, `scaled`: the input times `GAIN`, plus 0.25."""
    gain = tf.Variable(GAIN, dtype=tf.float32)

    def call(samples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scaled": samples * gain + 0.25}

    _save(folder, call, [gain], [None, WINDOW_SAMPLES])


def save_notes(folder: str) -> None:
    """`note` and `onset`, each (batch, 16, 88): a 1-D convolution a frame, squashed. It knows no music."""
    generator = np.random.default_rng(_SEED)
    kernels = {
        name: tf.Variable(generator.normal(scale=1.0, size=(FRAME_SAMPLES, 1, N_PITCHES)).astype(np.float32))
        for name in ("note", "onset")
    }

    def call(samples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            name: tf.nn.sigmoid(tf.nn.conv1d(samples, kernel, stride=FRAME_SAMPLES, padding="VALID"))
            for name, kernel in kernels.items()
        }

    _save(folder, call, list(kernels.values()), [None, WINDOW_SAMPLES, 1])


def save_two_inputs(folder: str) -> None:
    """Takes two signals, which testpress cannot bind."""
    module = tf.Module()

    @tf.function(
        input_signature=[
            tf.TensorSpec([1, WINDOW_SAMPLES], name="left"),
            tf.TensorSpec([1, WINDOW_SAMPLES], name="right"),
        ]
    )
    def call(left: tf.Tensor, right: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scaled": left + right}

    tf.saved_model.save(module, folder, signatures=call)


def save_refused(folder: str) -> None:
    """Holds ops that neither TFLite's converter nor coremltools knows (`AsString`, `StringToHashBucketFast`)."""

    def call(samples: tf.Tensor) -> dict[str, tf.Tensor]:
        buckets = tf.strings.to_hash_bucket_fast(tf.strings.as_string(samples), 16)
        return {"scaled": tf.cast(buckets, tf.float32)}

    _save(folder, call, [], [None, WINDOW_SAMPLES])


def save_normalised(folder: str) -> None:
    """One output, `normalised`: the input over its peak, and 0 where the peak is 0."""

    def call(samples: tf.Tensor) -> dict[str, tf.Tensor]:
        peak = tf.reduce_max(tf.abs(samples), axis=1, keepdims=True)
        return {"normalised": tf.math.divide_no_nan(samples, peak)}

    _save(folder, call, [], [None, WINDOW_SAMPLES])


def _save(folder: str, call: object, variables: list[tf.Variable], shape: list[int | None]) -> None:
    module = tf.Module()
    module.kept = variables
    module.call = tf.function(call, input_signature=[tf.TensorSpec(shape, tf.float32, name="samples")])
    tf.saved_model.save(module, folder, signatures=module.call)


_KINDS = {
    "gain": save_gain,
    "normalised": save_normalised,
    "notes": save_notes,
    "two_inputs": save_two_inputs,
    "refused": save_refused,
}

if __name__ == "__main__":
    for kind, save in _KINDS.items():
        save(f"{sys.argv[1]}/{kind}")

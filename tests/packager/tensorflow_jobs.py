"""What tests of TensorFlow sources have workers do: make small models, load them. TensorFlow stays out of the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.model import ModelSpec, find_source
from packager.sources import load_source

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"})

WINDOW = 64
FRAMES, BANDS, UNITS = 6, 5, 4


def make_models(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One model a kind of file, into a folder."""
    folder = Path(request["folder"])
    _save_keras_2(folder)
    _save_keras_3(folder)
    _save_modules(folder)
    (folder / "damaged.keras").write_bytes((folder / "three.keras").read_bytes()[:-200])
    yield {}


def _build(keras: Any, *, custom: Any = None) -> Any:
    """`scaled`: the samples times 0.5, filtered; the weights are the same in both versions of Keras."""
    samples = keras.Input((WINDOW,), name="samples")
    x = keras.layers.Reshape((WINDOW, 1))(samples)
    x = keras.layers.Conv1D(1, 1, kernel_initializer="ones", name="filter")(x)
    x = keras.layers.Rescaling(0.5)(x) if custom is None else custom(x)
    return keras.Model(samples, keras.layers.Flatten(name="scaled")(x))


def _save_keras_2(folder: Path) -> None:
    import tf_keras

    model = _build(tf_keras)
    model.save(folder / "two.h5")
    model.save(folder / "two.keras")
    model.save(folder / "two_saved", save_format="tf")
    compiled = _build(tf_keras)
    compiled.compile("adam", "mse")  # an optimizer's slots are what Keras 3 cannot load
    compiled.save(folder / "two_compiled", save_format="tf")
    _build(tf_keras, custom=tf_keras.layers.Lambda(lambda x: 0.5 * x)).save(folder / "code.h5")


def _save_keras_3(folder: Path) -> None:
    import keras

    model = _build(keras)
    model.save(folder / "three.keras")
    model.save(folder / "three.h5")
    model.export(folder / "three_saved", verbose=False)
    _build(keras, custom=keras.layers.Lambda(lambda x: 0.5 * x)).save(folder / "code.keras")
    frames = keras.Input((None, BANDS), name="frames")
    h, c = (keras.Input((UNITS,), name=name) for name in ("h", "c"))
    y, h_out, c_out = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)(frames, initial_state=[h, c])
    speech = keras.layers.Dense(1)(y)
    keras.Model([frames, h, c], {"speech": speech, "h_out": h_out, "c_out": c_out}).save(folder / "states.keras")
    samples, features = keras.Input((None,), name="samples"), keras.Input((3,), name="features")
    mixed = keras.layers.Lambda(lambda pair: pair[0][:, :3] + pair[1], name="sum")([samples, features])
    keras.Model({"a": samples, "b": features}, mixed).save(folder / "two_inputs.keras")


def _save_modules(folder: Path) -> None:
    import tensorflow as tf

    class Filters(tf.Module):
        """Two functions, neither of which is the default signature."""

        def __init__(self) -> None:
            super().__init__()
            self.gain = tf.Variable(0.5)

        @tf.function(input_signature=[tf.TensorSpec([None], name="waveform")])
        def scale(self, waveform: Any) -> Any:
            return {"scaled": self.gain * waveform}

        @tf.function(input_signature=[tf.TensorSpec([None, None], name="waveform")])
        def invert(self, waveform: Any) -> Any:
            return {"scaled": -waveform}

    module = Filters()
    tf.saved_model.save(module, str(folder / "module"), signatures={"scale": module.scale, "invert": module.invert})
    tf.saved_model.save(module, str(folder / "unsigned"))


def load_models(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Load and run each of several recipes' models, one after the other in this process."""
    audio = AudioContract(sample_rate_hz=8000, window_samples=WINDOW, hop_samples=WINDOW)
    for name, changes in request["recipes"].items():
        spec = ModelSpec.model_validate(
            {"name": name, "version": "1", "license": "Apache-2.0", **changes}, strict=False
        )
        try:
            loaded = load_source(find_source(spec, Path(request["folder"])), audio)
            given = {
                key: np.linspace(-1, 1, int(np.prod(tensor.shape)), dtype=tensor.dtype).reshape(tensor.shape)
                for key, tensor in loaded.inputs.items()
            }
            given |= loaded.examples
            outputs = loaded.run(given)
        except PackagingError as fault:
            yield {"name": name, "fault": str(fault)}
            continue
        yield {
            "name": name,
            "inputs": {key: list(tensor.shape) for key, tensor in loaded.inputs.items()},
            "outputs": {key: list(tensor.shape) for key, tensor in loaded.outputs.items()},
            "first": {key: float(value.reshape(-1)[0]) for key, value in outputs.items()},
        }

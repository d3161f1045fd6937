"""What tests of the lists of ops and layers have workers do: walk the registries, and describe good models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.sources import graph_ops, keras_objects
from packager.sources.saved_graphs import check_saved_model

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_USE_LEGACY_KERAS": "1"})

Events = Iterator[dict[str, Any]]


def walk_graphs(request: dict[str, Any]) -> Events:
    """Every registered op, and why it is refused; then what is refused of good SavedModels."""
    yield {"ops": {name: graph_ops.explain_refusal(name) for name in graph_ops.list_definitions()}}
    yield from _check_good_graphs(Path(request["folder"]))


def walk_layers(_: dict[str, Any]) -> Events:
    """Every layer that either Keras looks up by name, and every part; then what is refused of good models."""
    import keras
    from keras.src import activations, constraints, initializers, regularizers
    from tf_keras.src.layers import serialization

    serialization.populate_deserializable_objects()
    two = set(serialization.LOCAL.ALL_OBJECTS)
    three = {name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)}
    parts = {name for module in (constraints, initializers, regularizers) for name in module.ALL_OBJECTS_DICT}
    yield {"layers": sorted(two | three), "parts": sorted(parts), "activations": sorted(activations.ALL_OBJECTS_DICT)}
    yield from _check_good_models()


def _check_good_models() -> Events:
    """Models as people make them, of both versions."""
    import keras
    import tf_keras

    for library in (keras, tf_keras):
        for name, model in {**_make_layers(library), **_make_ops(library)}.items():
            for form, config in _describe(library, model):
                fault = None
                try:
                    keras_objects.check_objects(json.loads(config), Path("m"))
                except PackagingError as refusal:
                    fault = str(refusal)
                yield {"name": f"{library.__name__} {name}, {form}", "fault": fault}


def _describe(library: Any, model: Any) -> Iterator[tuple[str, str]]:
    with_scope = library.saving.serialize_keras_object
    yield "as .keras", json.dumps(with_scope(model))
    if library.__name__ == "tf_keras":
        model.use_legacy_config = True
        yield "as .h5", model.to_json()


LAYERS: dict[str, tuple[Any, ...]] = {
    "Dense": (3, "gelu"),
    "Conv1D": (3, 2),
    "Conv1DTranspose": (2, 2),
    "SeparableConv1D": (2, 2),
    "DepthwiseConv1D": (2,),
    "LSTM": (2,),
    "GRU": (2,),
    "SimpleRNN": (2,),
    "BatchNormalization": (),
    "LayerNormalization": (),
    "GroupNormalization": (2,),
    "UnitNormalization": (),
    "Dropout": (0.1,),
    "SpatialDropout1D": (0.1,),
    "GaussianNoise": (0.1,),
    "Activation": ("relu",),
    "LeakyReLU": (),
    "PReLU": (),
    "Softmax": (),
    "Reshape": ((32,),),
    "Permute": ((2, 1),),
    "Flatten": (),
    "GlobalAveragePooling1D": (),
    "MaxPooling1D": (),
    "ZeroPadding1D": (),
    "UpSampling1D": (),
    "Cropping1D": (),
    "Masking": (),
    "Rescaling": (2.0,),
    "Normalization": (),
    "Discretization": ([1.0],),
}


def _make_layers(library: Any) -> dict[str, Any]:
    layers = {name: getattr(library.layers, name)(*settings) for name, settings in LAYERS.items()}
    regularizer, swish = library.regularizers.L1L2(0.1, 0.1), library.activations.swish
    layers |= {
        "wrapped": library.layers.Bidirectional(library.layers.LSTM(2)),
        "in time": library.layers.TimeDistributed(library.layers.Dense(2)),
        "of cells": library.layers.RNN([library.layers.LSTMCell(2), library.layers.GRUCell(2)]),
        "with names": library.layers.Dense(
            2, kernel_regularizer="l2", kernel_constraint="max_norm", bias_initializer="he_normal"
        ),
        "with objects": library.layers.Dense(2, activation=swish, kernel_regularizer=regularizer),
    }
    models = {}
    for name, layer in layers.items():
        samples = library.Input((8, 4), name="samples")
        models[name] = library.Model(samples, layer(samples))
    inner = library.Sequential([library.Input((8, 4)), library.layers.Dense(2)])
    rate = library.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    inner.compile(library.optimizers.Adam(rate), library.losses.BinaryCrossentropy(), metrics=[library.metrics.AUC()])
    samples = library.Input((8, 4))
    return {**models, "compiled within": library.Model(samples, inner(samples))}


def _make_ops(library: Any) -> dict[str, Any]:
    """Models that compute between layers, which both versions store as layers of their own."""
    import tensorflow as tf

    if library.__name__ == "tf_keras":
        calls = {
            "arithmetic": lambda x: -(x**2) * 2 + 1 - x / 3,
            "slices": lambda x: x[:, 1:, :2],
            "a spectrum": lambda x: tf.abs(tf.signal.stft(x[:, :, 0], 4, 2)),
            "a logarithm": lambda x: tf.math.log(tf.maximum(x, 1e-6)),
            "shapes": lambda x: tf.reshape(tf.transpose(x, [0, 2, 1]), [-1, 32]),
            "reductions": lambda x: tf.reduce_mean(x, axis=1),
            "joined": lambda x: tf.concat([x, tf.nn.relu(x)], 1),
            "chosen": lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
            "matrices": lambda x: tf.einsum("abc,adc->abd", x, x) @ x,
        }
    else:
        ops = library.ops
        calls = {
            "arithmetic": lambda x: -(x**2) * 2 + 1 - x / 3,
            "slices": lambda x: x[:, 1:, :2],
            "a spectrum": lambda x: ops.stft(x[..., 0], 4, 2, 4)[0],
            "a logarithm": lambda x: ops.log(ops.maximum(x, 1e-6)),
            "shapes": lambda x: ops.reshape(ops.transpose(x, (0, 2, 1)), (-1, 32)),
            "reductions": lambda x: ops.mean(x, axis=1),
            "joined": lambda x: ops.concatenate([x, ops.relu(x)], 1),
            "chosen": lambda x: ops.where(x > 0, x, ops.zeros_like(x)),
            "matrices": lambda x: ops.einsum("abc,adc->abd", x, x) @ x,
        }
    models = {}
    for name, call in calls.items():
        samples = library.Input((8, 4), name="samples")
        models[name] = library.Model(samples, call(samples))
    return models


def _check_good_graphs(folder: Path) -> Events:
    """SavedModels as people make them, and whether their savers name files."""
    from tensorflow.python.saved_model import loader_impl

    for name, path in {"of TensorFlow 1": _save_first(folder / "one"), **_installed()}.items():
        model = loader_impl.parse_saved_model(str(path))
        text = model.SerializeToString()
        fault = None
        try:
            check_saved_model(model, path)
        except PackagingError as refusal:
            fault = str(refusal)
        yield {"name": name, "fault": fault, "saves": b"SaveV2" in text and b"RestoreV2" in text}


def _installed() -> dict[str, Path]:
    import importlib.util

    found = importlib.util.find_spec("basic_pitch")
    if found is None or not found.origin:
        return {}
    return {"Basic Pitch": Path(found.origin).parent / "saved_models/icassp_2022/nmp"}


def _save_first(path: Path) -> Path:
    import tensorflow as tf

    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        samples = v1.placeholder(tf.float32, [1, 8], name="samples")
        output = tf.identity(samples * v1.get_variable("gain", [], initializer=v1.ones_initializer()), name="y")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"samples": samples}, {"y": output})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    return path

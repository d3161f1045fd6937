"""Keras models, of Keras 2 and 3: `.keras` and `.h5` files, and models that a factory returns."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.diagnosis import describe_fault
from packager.errors import PackagingError
from packager.sources.keras_archives import read_config
from packager.sources.keras_objects import check_objects
from packager.sources.native_calls import NativeCall, NativeInput

SUFFIXES = (".keras", ".h5", ".hdf5")


def import_keras() -> Any:
    """Keras 3 on TensorFlow, whatever `tf.keras` is in this process.

    Raises:
        PackagingError: It is not installed.
    """
    if importlib.util.find_spec("keras") is None:
        raise PackagingError('Keras is not installed; install "testpress[tensorflow]"')
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras  # type: ignore[import-untyped]

    if keras.backend.backend() != "tensorflow":
        raise PackagingError(f"Keras runs on {keras.backend.backend()} in this process; set KERAS_BACKEND=tensorflow")
    return keras


def load_keras_file(path: Path, *, trust: bool) -> Any:
    """A model from a `.keras` or `.h5` file, by Keras 3, else by Keras 2.

    Args:
        path: The file.
        trust: Whether code in it may run: Lambda layers are stored as Python bytecode.

    Raises:
        PackagingError: It holds code and is not trusted, leads to other files, or neither Keras can load it.
    """
    config = read_config(path)
    if not trust:
        check_objects(config, path)
    faults = []
    for name, load in (("Keras 3", _load_with_keras_3), ("Keras 2", _load_with_keras_2)):
        try:
            return load(path, trust)
        except Exception as fault:  # noqa: BLE001  the other Keras may load it; both faults are told below
            faults.append(f"{name}: {describe_fault(fault)}")
    raise PackagingError(
        f"{path}: cannot be loaded as a Keras model: {'; '.join(faults)}; where it has layers of its own, write a "
        'factory that imports them and loads it, as source = "python:module:factory" with framework = "tensorflow"'
    )


def _load_with_keras_3(path: Path, trust: bool) -> Any:
    return import_keras().saving.load_model(path, compile=False, safe_mode=not trust)


def _load_with_keras_2(path: Path, trust: bool) -> Any:
    if importlib.util.find_spec("tf_keras") is None:
        raise PackagingError("tf-keras is not installed")
    import tf_keras

    return tf_keras.models.load_model(str(path), compile=False, safe_mode=not trust)


def is_keras_model(value: Any) -> bool:
    """Whether an object is a model or layer of Keras 2 or 3."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(value).__mro__}
    return bool(names & {"keras.Layer", "tf_keras.Layer"})


def wrap_keras(model: Any) -> NativeCall:
    """A Keras model as a call in inference mode.

    A functional or sequential model names its inputs; of a subclassed one they are `call`'s parameters.
    """
    tensors = getattr(model, "inputs", None)
    if not tensors:
        return _wrap_subclassed(model)
    import tensorflow as tf

    names = [tensor.name.partition(":")[0] for tensor in tensors]
    structure = getattr(model, "_inputs_struct", None)  # Keras 3
    structure = getattr(model, "_nested_inputs", None) if structure is None else structure
    structure = (tensors if len(tensors) > 1 else tensors[0]) if structure is None else structure

    def call(given: Mapping[str, Any]) -> Any:
        return model(tf.nest.pack_sequence_as(structure, [given[name] for name in names]), training=False)

    inputs = {
        name: NativeInput(tuple(tensor.shape), tf.as_dtype(tensor.dtype))
        for name, tensor in zip(names, tensors, strict=True)
    }
    own = getattr(model, "output_names", None) or ()
    return NativeCall(call, inputs, model, tuple(own))


def _wrap_subclassed(model: Any) -> NativeCall:
    import tensorflow as tf

    declared = inspect.signature(model.call).parameters
    names = [
        name for name, one in declared.items() if one.default is one.empty and one.kind <= one.POSITIONAL_OR_KEYWORD
    ]
    built = getattr(model, "_build_shapes_dict", None) or {}
    inputs = {}
    for name in names:
        shape = built.get(f"{name}_shape", built.get("input_shape") if len(names) == 1 else None)
        inputs[name] = NativeInput(None if shape is None else tuple(shape), tf.float32)
    takes_training = {"training": False} if "training" in declared else {}

    def call(given: Mapping[str, Any]) -> Any:
        return model(*(given[name] for name in names), **takes_training)

    return NativeCall(call, inputs, model)

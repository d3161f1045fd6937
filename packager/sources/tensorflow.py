"""TensorFlow models: load a SavedModel, fix its shapes, run it as the reference."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.model import ModelSource
from packager.sources import SourceTensor, fix_audio_shape

DEFAULT_SIGNATURE = "serving_default"
INPUT_NAME = "audio"


@dataclass(frozen=True)
class TensorFlowSource:
    """A loaded SavedModel with one audio input, all shapes fixed to one window.

    Attributes:
        function: Concrete function; takes the window as `audio`, returns a dictionary of outputs by name.
        trackable: The loaded object, which keeps the variables alive.
        native_names: Output name → name of the tensor in the function's graph, without the `:0`.
        input: The audio input.
        outputs: By name.
    """

    function: Any
    trackable: Any
    native_names: Mapping[str, str]
    input: SourceTensor
    outputs: Mapping[str, SourceTensor]

    def run(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Run one window, shaped as `input`."""
        import tensorflow as tf

        return {name: value.numpy() for name, value in self.function(tf.constant(window)).items()}


def load(source: ModelSource, audio: AudioContract) -> TensorFlowSource:
    """Load a SavedModel and trace the signature for one window.

    The batch is fixed to 1 and any other open dimension to the contract's window: phones' delegates refuse a whole
    graph in which one dimension is open.

    Raises:
        PackagingError: It cannot be loaded, has no such signature, or does not take one audio window.
    """
    tf = import_tensorflow()
    trackable = _load_saved_model(tf, source.path)
    signature = _signature(trackable, source)
    specs = signature.structured_input_signature[1]
    if len(specs) != 1:
        raise PackagingError(
            f"{source.path}: signature takes {len(specs)} inputs ({', '.join(sorted(specs))}); "
            "testpress binds one audio input"
        )
    (name, spec), *_ = specs.items()
    shape = fix_audio_shape(tuple(spec.shape.as_list()), audio, where=f"{source.path}: input {name!r}")

    def call(window: Any) -> Any:
        return signature(**{name: window})

    function = tf.function(call).get_concrete_function(tf.TensorSpec(shape, spec.dtype, name=INPUT_NAME))
    tensors = function.structured_outputs
    _check_outputs(source, tensors)
    return TensorFlowSource(
        function=function,
        trackable=trackable,
        native_names={name: tensor.name.partition(":")[0] for name, tensor in tensors.items()},
        input=SourceTensor(shape=shape, dtype=spec.dtype.name),
        outputs={
            name: SourceTensor(shape=tuple(tensor.shape.as_list()), dtype=tensor.dtype.name)
            for name, tensor in sorted(tensors.items())
        },
    )


def import_tensorflow() -> Any:
    """TensorFlow with Keras 2 behind `tf.keras` where tf-keras is installed, and without a GPU.

    SavedModels written by Keras 2 cannot be loaded under Keras 3 ("'_UserObject' object has no attribute 'add_slot'").
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise PackagingError('TensorFlow is not installed; install "testpress[tensorflow]"')
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    return tf


def _load_saved_model(tf: Any, path: Path) -> Any:
    if not (path / "saved_model.pb").is_file():
        raise PackagingError(f"{path}: not a SavedModel: there is no saved_model.pb in it")
    try:
        return tf.saved_model.load(str(path))
    except Exception as fault:
        first = str(fault).strip().splitlines() or ["no message"]
        raise PackagingError(
            f"{path}: TensorFlow cannot load this SavedModel; it may be corrupted or truncated: "
            f"{type(fault).__name__}: {first[0][:300]}"
        ) from fault


def _signature(trackable: Any, source: ModelSource) -> Any:
    wanted = source.spec.signature or DEFAULT_SIGNATURE
    signatures = dict(getattr(trackable, "signatures", {}))
    if wanted not in signatures:
        known = ", ".join(sorted(signatures)) or "none"
        raise PackagingError(f"{source.path}: has no signature {wanted!r}; model.signature can be: {known}")
    return signatures[wanted]


def _check_outputs(source: ModelSource, tensors: Mapping[str, Any]) -> None:
    missing = sorted(set(source.spec.outputs) - set(tensors))
    if missing:
        raise PackagingError(
            f"model.outputs: {', '.join(missing)}: not among the outputs of {source.path}, "
            f"which are {', '.join(sorted(tensors))}"
        )
    for name, spec in source.spec.outputs.items():
        rank = len(tensors[name].shape) - 1
        if rank != len(spec.axes):
            raise PackagingError(
                f"model.outputs.{name}.axes: {len(spec.axes)} axes for an output of shape "
                f"{tuple(tensors[name].shape.as_list())}: name {rank}, the batch left out"
            )

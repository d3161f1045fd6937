"""TensorFlow models: a SavedModel, a Keras file or a factory; fix its shapes, run it as the reference."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.audio_windows import AUDIO, holds_window
from packager.bundle import AudioContract
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.factories import call_factory
from packager.frontends.backends import TensorFlowBackend
from packager.model import ModelSource, ModelSpec
from packager.sources import SourceTensor, check_outputs, find_audio_input, part_names
from packager.sources.draws import refuse_tensorflow_draws
from packager.sources.keras import SUFFIXES, is_keras_model, load_keras_file, wrap_keras
from packager.sources.native_calls import (
    NativeCall,
    Shape,
    choose_output_names,
    flatten_tensors,
    safe_name,
    with_examples,
    wrap_function,
)
from packager.sources.saved_graphs import check_graph
from packager.sources.saved_models import choose_signature, load_saved_model


@dataclass(frozen=True)
class TensorFlowSource:
    """A TensorFlow model with named tensors in and out, all shapes fixed.

    Attributes:
        function: Concrete function; takes the inputs in order, returns a dictionary of outputs by name.
        call: What was traced: the same for inputs of any shape that the model takes.
        trackable: What keeps the variables alive.
        inputs: By name, in the order of the call.
        outputs: By name.
        examples: Values that came with the model.
        where: The source, for messages.
    """

    function: Any
    call: Any
    trackable: Any
    inputs: Mapping[str, SourceTensor]
    outputs: Mapping[str, SourceTensor]
    examples: Mapping[str, npt.NDArray[Any]]
    where: str

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once; inputs of other shapes than `inputs` say are run eagerly, where the model takes them."""
        import tensorflow as tf

        given = [tf.constant(inputs[name], tensor.dtype) for name, tensor in self.inputs.items()]
        known = all(one.shape == tensor.shape for one, tensor in zip(given, self.inputs.values(), strict=True))
        return {name: value.numpy() for name, value in (self.function if known else self.call)(*given).items()}

    @property
    def backend(self) -> TensorFlowBackend:
        """What a front end is folded in with."""
        return TensorFlowBackend()

    def put_behind(
        self, name: str, compute: Callable[[Any], Any], example: npt.NDArray[np.float32]
    ) -> TensorFlowSource:
        """The same model, one of its inputs computed from audio by its own graph.

        Args:
            name: The input.
            compute: Samples → what the input takes.
            example: A window of samples.
        """
        import tensorflow as tf

        place = list(self.inputs).index(name)

        def call(*tensors: Any) -> Any:
            return self.call(*tensors[:place], compute(tensors[place]), *tensors[place + 1 :])

        inputs = {
            AUDIO if each == name else each: SourceTensor(example.shape, "float32") if each == name else tensor
            for each, tensor in self.inputs.items()
        }
        specs = [_spec(tensor.shape, tf.as_dtype(tensor.dtype), each) for each, tensor in inputs.items()]
        return dataclasses.replace(
            self,
            function=tf.function(call, autograph=False).get_concrete_function(*specs),
            call=call,
            inputs=inputs,
            examples={each: value for each, value in self.examples.items() if each != name},
        )

    def trace(self, open_axes: Mapping[str, int]) -> Any:
        """As `function`, one axis of some inputs left open.

        Args:
            open_axes: Input → axis.

        Raises:
            PackagingError: The model does not take an open dimension.
        """
        import tensorflow as tf

        specs = []
        for name, tensor in self.inputs.items():
            shape = [None if axis == open_axes.get(name) else size for axis, size in enumerate(tensor.shape)]
            specs.append(tf.TensorSpec(shape, tensor.dtype, name=name))
        try:
            return tf.function(self.call, autograph=False).get_concrete_function(*specs)
        except Exception as fault:
            raise PackagingError(f"{self.where}: does not take an open dimension: {explain(fault)}") from fault


def load(source: ModelSource, audio: AudioContract | None) -> TensorFlowSource:
    """Load a model and trace it for one call.

    The batch is fixed to 1, and other open dimensions to the contract's window or to what the recipe says: phones'
    delegates refuse a whole graph in which one dimension is open.

    Raises:
        PackagingError: It cannot be loaded, is not what the recipe says, or a dimension stays open.
    """
    where = f"{source.path.name}:{source.factory}" if source.factory else str(source.path)
    native = _find_call(source, where)
    shapes = {name: _close(name, native, source.spec, audio, where) for name in native.inputs}
    heard = find_audio_input(shapes, source.spec, audio, where=where)
    renamed = {name: AUDIO if name == heard else safe_name(name) for name in shapes}
    function, call = _trace(native, renamed, shapes, source.spec, where)
    if source.factory is None and not source.spec.trust:  # what a layer traced to is looked at too, before it runs
        check_graph(function.graph.as_graph_def(), where)
    examples = {renamed[name]: _as_real(value) for name, value in native.examples.items()}
    refuse_tensorflow_draws(function, examples, where)
    tensors = {name: _describe(tensor) for name, tensor in function.structured_outputs.items()}
    check_outputs(source.spec, {name: tensor.shape for name, tensor in tensors.items()}, where=where)
    return TensorFlowSource(
        function=function,
        call=call,
        trackable=native.owner,
        inputs={renamed[name]: _describe(tensor) for name, tensor in zip(shapes, function.inputs, strict=False)},
        outputs=tensors,
        examples=examples,
        where=where,
    )


def import_tensorflow(*, legacy_keras: bool = True) -> Any:
    """TensorFlow without a GPU.

    Args:
        legacy_keras: Whether `tf.keras` is Keras 2, where tf-keras is installed: SavedModels written by Keras 2 cannot
            be loaded under Keras 3 ("'_UserObject' object has no attribute 'add_slot'"). It is settled by the first
            import; `import keras` is Keras 3 either way.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise PackagingError('TensorFlow is not installed; install "testpress[tensorflow]"')
    if legacy_keras and importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # The same kernels on every processor: without AVX-512 TensorFlow would take others, which sum less exactly and have
    # no dilated transposed convolution.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import tensorflow as tf

    return tf


def _find_call(source: ModelSource, where: str) -> NativeCall:
    if source.factory is not None:
        return _call_factory(source, where)
    tf = import_tensorflow()
    if source.path.suffix in SUFFIXES:
        return wrap_keras(load_keras_file(source.path, trust=source.spec.trust))
    return choose_signature(load_saved_model(tf, source.path, trust=source.spec.trust), source.spec, where=where)


def _call_factory(source: ModelSource, where: str) -> NativeCall:
    """What a factory returns; its `tf.keras` is whatever it is where the user runs it."""
    tf = import_tensorflow(legacy_keras=False)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    weights = () if source.weights is None else (str(source.weights),)
    made = call_factory(source.path, source.factory or "", *weights)
    model, example = made if isinstance(made, tuple) and len(made) == 2 and callable(made[0]) else (made, None)
    if is_keras_model(model):
        native = wrap_keras(model)
    elif isinstance(model, tf.Module) or hasattr(model, "signatures"):
        native = choose_signature(model, source.spec, where=where)
    elif callable(model):
        native = wrap_function(model, model)
    else:
        raise PackagingError(
            f"{source.path}: {source.factory} returned a {type(model).__name__}; a factory returns a keras.Model, a "
            "tf.Module, a tf.function, or (model, example_inputs)"
        )
    return native if example is None else with_examples(native, example, where=where)


def _close(name: str, native: NativeCall, spec: ModelSpec, audio: AudioContract | None, where: str) -> tuple[int, ...]:
    """An input's shape without open dimensions."""
    shape = native.inputs[name].shape
    said = spec.inputs[name].shape if name in spec.inputs else None
    if (
        said is None
        and AUDIO in spec.inputs
        and AUDIO not in native.inputs
        and len(native.inputs) - len(spec.state) == 1
    ):
        said = spec.inputs[AUDIO].shape if name not in spec.state else None
    if said is not None:
        if shape is not None and not _fits(said, shape):
            raise PackagingError(
                f"model.inputs.{name}.shape: {list(said)} does not fit what {where} takes: {list(shape)}"
            )
        return said
    if shape is not None and None not in shape:
        return tuple(int(size) for size in shape if size is not None)
    if audio is not None and name not in spec.state:
        window = _with_window(shape, audio)
        if window is not None:
            return window
    closed = None if shape is None else (1 if shape and shape[0] is None else shape[0], *shape[1:]) if shape else ()
    if closed is not None and None not in closed:
        return tuple(int(size) for size in closed if size is not None)
    raise PackagingError(_open_message(name, closed, where))


def _fits(said: tuple[int, ...], shape: Shape) -> bool:
    assert shape is not None
    return len(said) == len(shape) and all(has is None or has == size for size, has in zip(said, shape, strict=True))


def _with_window(shape: Shape, audio: AudioContract) -> tuple[int, ...] | None:
    """The shape with a window of audio in its open dimensions, where that holds exactly one."""
    if shape is None:
        return (1, audio.window_samples) if audio.channels == 1 else (1, audio.channels, audio.window_samples)
    for batch in (1, audio.window_samples):  # (None,) is samples, not a batch of one
        filled = tuple(
            (batch if axis == 0 else audio.window_samples) if size is None else size for axis, size in enumerate(shape)
        )
        if holds_window(filled, audio):
            return filled
    return None


def _open_message(name: str, shape: Shape, where: str) -> str:
    if shape is None:
        return (
            f"{where}: input {name!r} has no shape; say it in the recipe, for example "
            f"model.inputs.{name}.shape = [1, 16000]"
        )
    open_ = [str(axis) for axis, size in enumerate(shape) if size is None]
    example = [100 if size is None else size for size in shape]
    return (
        f"{where}: input {name!r} has shape {list(shape)}, and nothing says how large dimension "
        f"{' and '.join(open_)} is; say it in the recipe, for example model.inputs.{name}.shape = {example}"
    )


def _trace(
    native: NativeCall, renamed: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], spec: ModelSpec, where: str
) -> tuple[Any, Any]:
    """A concrete function of real tensors in and real tensors out, by name; and what it was traced from."""
    import tensorflow as tf

    state = [name for name in spec.state.values() if name not in spec.outputs]
    wanted = [*spec.outputs, *state] if spec.outputs else []

    def call(*tensors: Any) -> dict[str, Any]:
        given = {
            name: tf.complex(tensor[..., 0], tensor[..., 1]) if native.inputs[name].dtype.is_complex else tensor
            for name, tensor in zip(shapes, tensors, strict=True)
        }
        for name, tensor in given.items():
            if not tensor.shape.is_compatible_with(native.inputs[name].shape):
                raise ValueError(f"input {name!r} takes {native.inputs[name].shape}, not {tensor.shape}")
        found = flatten_tensors(native.call(given))
        chosen = choose_output_names([path for path, _ in found], native.output_names, wanted, where=where)
        names = part_names(chosen, renamed.values())
        return {name: _leave(tensor, name) for name, (_, tensor) in zip(names, found, strict=True)}

    specs = [_spec(shapes[name], native.inputs[name].dtype, renamed[name]) for name in shapes]
    try:
        return tf.function(call, autograph=False).get_concrete_function(*specs), call
    except PackagingError:
        raise
    except Exception as fault:
        raise PackagingError(f"{where}: fails on inputs of shape {shapes}: {explain(fault)}") from fault


def _spec(shape: tuple[int, ...], dtype: Any, name: str) -> Any:
    import tensorflow as tf

    if dtype.is_complex:
        shape, dtype = (*shape, 2), dtype.real_dtype
    return tf.TensorSpec(shape, dtype, name=name)


def _leave(tensor: Any, name: str) -> Any:
    """A complex output as pairs in a last dimension, float64 as float32: neither format has another form for them."""
    import tensorflow as tf

    if tensor.dtype.is_complex:
        tensor = tf.stack([tf.math.real(tensor), tf.math.imag(tensor)], axis=-1)
    if tensor.dtype == tf.float64:
        tensor = tf.cast(tensor, tf.float32)
    return tf.identity(tensor, name=name)


def _as_real(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.stack([value.real, value.imag], axis=-1) if np.iscomplexobj(value) else value


def _describe(tensor: Any) -> SourceTensor:
    return SourceTensor(tuple(tensor.shape.as_list()), tensor.dtype.name)

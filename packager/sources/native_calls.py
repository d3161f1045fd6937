"""A TensorFlow model as something to call: named tensors in, named tensors out, whatever it was made of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.errors import PackagingError
from packager.sources.flat_call import name_outputs

Shape = tuple[int | None, ...] | None
"""with open dimensions; None where not even the rank is known"""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-/]+")


@dataclass(frozen=True)
class NativeInput:
    """An input as the model declares it."""

    shape: Shape
    dtype: Any


@dataclass(frozen=True)
class NativeCall:
    """A model before its shapes are fixed.

    Attributes:
        call: Takes the inputs by name and returns whatever the model does.
        inputs: By the model's own names, in the order of the call.
        owner: What keeps its variables alive.
        output_names: The model's own, in order, where it returns no dictionary.
        examples: Values for inputs that came with some.
    """

    call: Callable[[Mapping[str, Any]], Any]
    inputs: Mapping[str, NativeInput]
    owner: Any
    output_names: Sequence[str] = ()
    examples: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def wrap_signature(signature: Any, owner: Any) -> NativeCall:
    """A SavedModel's signature, whose inputs are keywords and whose outputs are a dictionary."""
    specs = signature.structured_input_signature[1]
    return NativeCall(lambda given: signature(**given), _describe(specs), owner)


def wrap_function(function: Any, owner: Any) -> NativeCall:
    """A `tf.function`, or a Python function of tensors; what has been traced tells the shapes, else the recipe."""
    traced = [*getattr(function, "concrete_functions", ())]  # of a function that was loaded, not made here
    if not traced and getattr(function, "input_signature", None) is not None:
        traced = [function.get_concrete_function()]
    if not traced:
        return _wrap_python(function, owner)
    concrete = min(traced, key=lambda one: _is_training(one.structured_input_signature))
    args, kwargs = concrete.structured_input_signature
    import tensorflow as tf

    leaves = tf.nest.flatten((args, kwargs))
    tensors = [index for index, leaf in enumerate(leaves) if isinstance(leaf, tf.TensorSpec)]
    names = _distinct([leaves[index].name or f"input_{place}" for place, index in enumerate(tensors)])

    def call(given: Mapping[str, Any]) -> Any:
        filled = list(leaves)
        for name, index in zip(names, tensors, strict=True):
            filled[index] = given[name]
        positional, keywords = tf.nest.pack_sequence_as((args, kwargs), filled)
        return function(*positional, **keywords)

    return NativeCall(call, _describe({name: leaves[at] for name, at in zip(names, tensors, strict=True)}), owner)


def _is_training(signature: tuple[Any, Mapping[str, Any]]) -> bool:
    """Whether a trace holds `True` among its arguments, which is what Keras says when it trains."""
    args, kwargs = signature
    return any(one is True for one in (*args, *kwargs.values()))


def _wrap_python(function: Any, owner: Any) -> NativeCall:
    import tensorflow as tf

    declared = inspect.signature(getattr(function, "python_function", function)).parameters.values()
    names = [
        one.name
        for one in declared
        if one.default is inspect.Parameter.empty
        and one.kind in {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        and one.name != "self"
    ]
    if not hasattr(function, "get_concrete_function"):
        function = tf.function(function)  # its conditions and loops on tensors become those of the graph
    inputs = {name: NativeInput(None, tf.float32) for name in names}
    return NativeCall(lambda given: function(*(given[name] for name in names)), inputs, owner)


def _describe(specs: Mapping[str, Any]) -> dict[str, NativeInput]:
    return {
        name: NativeInput(None if spec.shape.rank is None else tuple(spec.shape.as_list()), spec.dtype)
        for name, spec in specs.items()
    }


def with_examples(native: NativeCall, example: Any, *, where: str) -> NativeCall:
    """The same call with example inputs, which fix its shapes.

    Args:
        native: The call.
        example: An array, a sequence of arrays in the order of the call, or a mapping by name.
        where: The source, for messages.

    Raises:
        PackagingError: There are more or fewer examples than inputs, or an input of another name.
    """
    import tensorflow as tf

    if isinstance(example, Mapping):
        values = dict(example)
    else:
        values = dict(zip(native.inputs, [*example] if isinstance(example, tuple | list) else [example], strict=False))
    if set(values) != set(native.inputs) or (isinstance(example, tuple | list) and len(example) != len(values)):
        raise PackagingError(
            f"{where}: the example inputs do not fit the model, which takes {', '.join(native.inputs) or 'nothing'}"
        )
    arrays = {name: np.asarray(value) for name, value in values.items()}
    inputs = {name: NativeInput(array.shape, tf.as_dtype(array.dtype)) for name, array in arrays.items()}
    return NativeCall(native.call, inputs, native.owner, native.output_names, arrays)


def flatten_tensors(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """All tensors of a model's result with their paths: `""` for a lone one, keys and positions joined by `_`."""
    import tensorflow as tf

    if value is None:
        return []
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, tuple | list):
        items = zip(getattr(value, "_fields", None) or range(len(value)), value, strict=True)
    else:
        return [(path, tf.convert_to_tensor(value))]
    return [pair for key, inner in items for pair in flatten_tensors(inner, f"{path}_{key}" if path else str(key))]


def choose_output_names(
    paths: Sequence[str], own: Sequence[str], wanted: Sequence[str], *, where: str
) -> tuple[str, ...]:
    """Names for a model's outputs: keys of a dictionary, else its own, else the recipe's, in order.

    Args:
        paths: As `flatten_tensors` gives them.
        own: The model's names, in order; may be empty.
        wanted: The recipe's, in its order.
        where: The source, for messages.

    Raises:
        PackagingError: The recipe names another number of outputs than the model returns.
    """
    positional = all(path == "" or path.replace("_", "").isdigit() for path in paths)
    if positional and len(own) == len(set(own)) == len(paths) and set(wanted) <= set(own):
        return tuple(safe_name(name) for name in own)
    return tuple(safe_name(name) for name in name_outputs(paths, wanted, where=where))


def safe_name(name: str) -> str:
    """A name that both formats take."""
    return _UNSAFE.sub("_", name).strip("_") or "tensor"


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        found.append(name if name not in found else f"{name}_{len(found)}")
    return found

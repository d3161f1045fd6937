"""A TensorFlow graph run by Python into another graph: known values computed, functions inlined, ops replaced.

A value is an eager tensor (known now), a symbolic one, a `Complex` pair of such, or a `TensorList`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from packager.errors import PackagingError
from packager.rewrites.tensorflow.complex_values import PART_BY_PART, Complex, as_pair, is_pair, real_dtype
from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.known_values import FEW_BYTES, compute, is_small_enough, may_compute

if TYPE_CHECKING:
    from packager.rewrites.tensorflow.replacements import Replacement

Value = Any

PASSING = frozenset(
    {"Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot", "PlaceholderWithDefault"}
    | {"EnsureShape", "ReadVariableOp"}
)
"""ops that hand their first input on; in a frozen graph a variable is its value"""
CALLS = {"PartitionedCall": "f", "StatefulPartitionedCall": "f"}
IGNORED = frozenset({"NoOp", "Assert", "Print", "PrintV2"})
_SHAPES: Mapping[str, Callable[[Value, Any], Any]] = {
    "Shape": lambda value, dtype: np.array(value.shape.as_list(), dtype),
    "Size": lambda value, dtype: np.array(np.prod(value.shape.as_list()), dtype),
    "Rank": lambda value, dtype: np.array(value.shape.rank, dtype),
    "ZerosLike": lambda value, dtype: np.zeros(value.shape.as_list(), dtype),
    "OnesLike": lambda value, dtype: np.ones(value.shape.as_list(), dtype),
}
"""ops that read no more of a tensor than its shape"""


@dataclass(frozen=True)
class Call:
    """One op to be replaced.

    Attributes:
        op: The `tf.Operation` in the original graph.
        values: Its inputs.
        interpreter: What runs the graph, for emitting ops and running functions.
    """

    op: Any
    values: Sequence[Value]
    interpreter: Interpreter

    @property
    def inputs(self) -> list[Any]:
        """The inputs as tensors of the current graph, complex ones as pairs of such."""
        return [self.interpreter.as_symbol(value) for value in self.values]

    def attribute(self, name: str) -> Any:
        """An attribute of the op, as Python has it."""
        return self.op.get_attr(name)

    def known(self, index: int) -> Any:
        """An input's value as numpy has it; None where it is not known yet."""
        return known(self.values[index])


def is_known(value: Value) -> bool:
    """Whether a value depends on no input of the model."""
    import tensorflow as tf

    return isinstance(value, tf.Tensor) and hasattr(value, "_numpy")


def known(value: Value) -> Any:
    """A known value as numpy has it; None for others."""
    return value.numpy() if is_known(value) else None


class Interpreter:
    """Runs graphs that share one library of functions.

    Attributes:
        applied: Names of the rewrites that replaced something.
        dialect: What the converter takes that the graph is made for.
        takes_phase: Whether angles are taken somewhere, so that the sign of an imaginary part near 0 matters.
    """

    def __init__(self, graph: Any, replacements: Mapping[str, Replacement], dialect: Dialect) -> None:
        """Take the functions of a graph.

        Args:
            graph: A frozen graph.
            replacements: By op.
            dialect: What the converter takes.
        """
        self.applied: set[str] = set()
        self.dialect = dialect
        self._graph = graph
        self._replacements = replacements
        definition = graph.as_graph_def()
        self._definitions = {one.signature.name: one for one in definition.library.function}
        nodes = itertools.chain(definition.node, *(one.node_def for one in definition.library.function))
        self.takes_phase = any(node.op in ("Angle", "Atan2") for node in nodes)
        self._functions: dict[str, Any] = {}
        self._anchor: Any = None
        self._values: dict[str, Value] = {}
        self._constants: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def run(self, graph: Any, given: Mapping[str, Value], wanted: Sequence[Any]) -> list[Value]:
        """Values of tensors of a graph.

        Args:
            graph: The original.
            given: Values of its placeholders, or of other tensors, by their names.
            wanted: Tensors of it.
        """
        values = dict(given)
        if self._anchor is None:
            self._anchor = next((v for v in given.values() if _is_anchor(v)), None)
        needed = _needed(wanted, values)
        outer, self._values = self._values, values
        try:
            for op in graph.get_operations():
                if op.name in needed:
                    results = self._evaluate(op, [values[tensor.name] for tensor in op.inputs])
                    values.update(zip((tensor.name for tensor in op.outputs), results, strict=True))
        finally:
            self._values = outer
        return [values[tensor.name] for tensor in wanted]

    def value_of(self, tensor: Any) -> Value:
        """What a tensor of the graph that is being run was found to be; None where that is not known yet."""
        return self._values.get(tensor.name)

    def is_inside_loop(self) -> bool:
        """Whether what is emitted now goes into a function of the new graph, not into the graph itself."""
        import tensorflow as tf

        return self._anchor is not None and tf.compat.v1.get_default_graph() is not self._anchor.graph

    def function(self, name: str) -> Any:
        """A function of the library as a graph of its own, with `inputs` and `outputs`."""
        from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

        if name not in self._functions:
            with self._graph.as_default():
                self._functions[name] = function_def_to_graph(self._definitions[name])
        return self._functions[name]

    def run_function(self, name: str, inputs: Sequence[Value]) -> list[Value]:
        """Run a function of the library in place."""
        graph = self.function(name)
        return self.run(graph, bind(graph.inputs, inputs), graph.outputs)

    def emit(self, op: Any, inputs: Sequence[Value], *, real: bool = False) -> list[Value]:
        """An op on other inputs: computed now where all are known and the result is not large, else put in the graph.

        Args:
            op: The original.
            inputs: Real values.
            real: Whether attributes that say "complex" become those of the parts.
        """
        if all(is_known(value) for value in inputs) and may_compute(op):
            folded = compute(op, inputs, real=real)
            if folded is not NotImplemented and is_small_enough(folded, inputs):
                return list(folded)
        return self._put(op, inputs, real=real)

    def as_tensor(self, value: Value) -> Any:
        """A value as a tensor of the current graph; constants are put in once."""
        import tensorflow as tf

        if is_pair(value):
            return tf.stack([self.as_tensor(value.real), self.as_tensor(value.imag)], axis=-1)
        if not is_known(value):
            return value
        graph = tf.compat.v1.get_default_graph()
        key = (id(graph), id(value))
        if key not in self._constants:  # the objects are kept too, so that no other can take their identity
            array = value.numpy().astype(np.float32) if value.dtype == tf.float64 else value.numpy()
            self._constants[key] = (graph, value, tf.constant(array))
        return self._constants[key][2]

    def as_symbol(self, value: Value) -> Any:
        """A value as replacements take it: a tensor of the current graph, or a pair of such."""
        if is_pair(value) or (is_known(value) and value.dtype.is_complex):
            pair = as_pair(value)
            return Complex(self.as_tensor(pair.real), self.as_tensor(pair.imag))
        return self.as_tensor(value)

    def zeros(self, shape: Sequence[int], dtype: Any) -> Any:
        """Zeros; many hang on the model's input, for converters store a constant in full."""
        import tensorflow as tf

        if self._anchor is None or np.prod(shape) * dtype.size <= FEW_BYTES // 64:
            return tf.zeros(shape, dtype)
        with self._anchor.graph.as_default():
            one = tf.reshape(
                tf.strided_slice(self._anchor, [0] * len(self._anchor.shape), [1] * len(self._anchor.shape)),
                [1] * len(shape),
            )
            zero = tf.cast(tf.less(one, one), dtype)
        return tf.tile(zero, shape)

    def _evaluate(self, op: Any, inputs: list[Value]) -> list[Value]:
        if op.type == "Const":
            return [constant(_read_constant(op))]
        if op.type in PASSING:
            return inputs[: len(op.outputs)]
        if op.type in IGNORED:
            return []
        if op.type in CALLS:
            return self.run_function(op.get_attr(CALLS[op.type]).name, inputs)
        if all(is_known(value) for value in inputs) and may_compute(op):
            folded = compute(op, inputs)
            if folded is not NotImplemented and is_small_enough(folded, inputs):
                return list(folded)
        if op.type in _SHAPES and not _is_complex(inputs[0]) and inputs[0].shape.is_fully_defined():
            if op.type == "ZerosLike" and np.prod(inputs[0].shape) * inputs[0].dtype.size > FEW_BYTES:
                return [self.zeros(inputs[0].shape.as_list(), inputs[0].dtype)]
            return [constant(_SHAPES[op.type](inputs[0], op.outputs[0].dtype.as_numpy_dtype))]
        replaced = self._replace(op, inputs)
        if replaced is not NotImplemented:
            return list(replaced)
        if any(_is_complex(value) for value in inputs) or any(t.dtype.is_complex for t in op.outputs):
            return self._part_by_part(op, inputs)
        return self.emit(op, inputs)

    def _replace(self, op: Any, inputs: list[Value]) -> Any:
        replacement = self._replacements.get(op.type)
        if replacement is None:
            return NotImplemented
        result = replacement.call(Call(op, inputs, self))
        if result is NotImplemented:
            return result
        if replacement.name:
            self.applied.add(replacement.name)
        return result if isinstance(result, list) else [result]

    def _part_by_part(self, op: Any, inputs: list[Value]) -> list[Value]:
        """An op that treats both parts of a complex number alike, done twice."""
        if op.type not in PART_BY_PART:
            raise PackagingError(
                f"TensorFlow's {op.type} on complex numbers ({op.name}) has no counterpart on real ones here; compute "
                "with the real and imaginary parts, or the magnitude"
            )
        pairs = [as_pair(v) if _is_complex(v) else v for v in inputs]
        real = self.emit(op, [v.real if is_pair(v) else v for v in pairs], real=True)
        imag = self.emit(op, [v.imag if is_pair(v) else v for v in pairs], real=True)
        return [Complex(one, other) for one, other in zip(real, imag, strict=True)]

    def _put(self, op: Any, inputs: Sequence[Value], *, real: bool = False) -> list[Value]:
        import tensorflow as tf

        graph = tf.compat.v1.get_default_graph()
        tensors = [self.as_tensor(value) for value in inputs]
        attributes = {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}
        attributes = {name: _single(value, real=real) for name, value in attributes.items()}
        for attribute in attributes.values():
            if attribute.HasField("func"):
                graph._add_function_recursive(self._graph._get_function(attribute.func.name))
        created = graph._create_op_internal(op.type, tensors, name=short_name(op), attrs=attributes, op_def=op.op_def)
        return list(created.outputs)


def short_name(op: Any) -> str:
    """The end of an op's name: whole paths are repeated throughout a Core ML file and make up half of it."""
    return "/".join(op.name.split("/")[-2:])


def bind(tensors: Sequence[Any], values: Sequence[Value]) -> dict[str, Value]:
    """Values by the names of the tensors that they are for."""
    return {tensor.name: value for tensor, value in zip(tensors, values, strict=True)}


def _is_anchor(value: Value) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and not is_known(value) and (dtype.is_floating or dtype.is_integer)


def resolve(tensor: Any) -> Any:
    """Where a tensor comes from, ops that hand it on left out."""
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]
    return tensor


def constant(value: Any) -> Any:
    """A known value."""
    import tensorflow as tf

    with tf.init_scope():
        return tf.constant(value)


def _needed(wanted: Sequence[Any], given: Mapping[str, Value]) -> set[str]:
    """Names of the ops that tensors are computed from."""
    found: set[str] = set()
    waiting = [tensor for tensor in wanted if tensor.name not in given]
    while waiting:
        op = waiting.pop().op
        if op.name not in found:
            found.add(op.name)
            waiting += [tensor for tensor in op.inputs if tensor.name not in given]
    return found


def _read_constant(op: Any) -> Any:
    from tensorflow.python.framework import tensor_util

    return tensor_util.MakeNdarray(op.node_def.attr["value"].tensor)


def _is_complex(value: Value) -> bool:
    return is_pair(value) or getattr(getattr(value, "dtype", None), "is_complex", False)


def _single(attribute: Any, *, real: bool) -> Any:
    """An attribute with float32 for float64, which neither format has, and where wanted real for complex types."""
    import tensorflow as tf

    types = [attribute.type] if attribute.HasField("type") else list(attribute.list.type)
    changed = []
    for number in types:
        dtype = tf.as_dtype(number)
        dtype = real_dtype(dtype) if real else dtype
        changed.append((tf.float32 if dtype == tf.float64 else dtype).as_datatype_enum)
    if changed == types:
        return attribute
    if attribute.HasField("type"):
        return tf.compat.v1.AttrValue(type=changed[0])
    return tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(type=changed))

"""TensorFlow's lists of tensors, which loops read from and write to, as plain tensors.

Replaces: the `TensorList` ops that `tf.TensorArray` is made of.
Why: both converters take them in loops of some forms only; coremltools 9.0 fails on those of Keras 3.
Given: a list of n tensors of one shape. Result: one tensor (n, ...), read by `gather` and written in place.
Equal because: no value is computed. An element that was never written is 0, as TensorFlow has it when it stacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from packager.errors import PackagingError
from packager.rewrites.tensorflow.complex_values import Complex, is_pair, real_dtype
from packager.rewrites.tensorflow.interpreter import Call, Interpreter, constant, is_known

NAME = "tensor_lists"

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorList:
    """A list whose length is known.

    Attributes:
        length: How many tensors it holds.
        shape: Of each; None as long as it is not known.
        dtype: Of each.
        items: All of them, (length, ...), or None where they were written one by one, or not at all.
        pieces: Those that were written one by one, by their place.
    """

    length: int
    shape: Shape | None
    dtype: Any
    items: Any = None
    pieces: dict[int, Any] = field(default_factory=dict)

    def stack(self, interpreter: Interpreter) -> Any:
        """All tensors as one.

        Raises:
            PackagingError: Nothing was written, and nothing tells the shape.
        """
        import tensorflow as tf

        if self.items is not None:
            return interpreter.as_symbol(self.items)
        if self.shape is None:
            raise PackagingError("a tf.TensorArray is read before anything tells the shape of its elements")
        if not self.pieces:
            return self._zeros((self.length, *self.shape), interpreter)
        missing = self._zeros(self.shape, interpreter) if len(self.pieces) < self.length else None
        pieces = [interpreter.as_symbol(self.pieces.get(index, missing)) for index in range(self.length)]
        if any(is_pair(piece) for piece in pieces):
            return Complex(tf.stack([one.real for one in pieces]), tf.stack([one.imag for one in pieces]))
        return tf.stack(pieces)

    def _zeros(self, shape: Sequence[int], interpreter: Interpreter) -> Any:
        zeros = interpreter.zeros(shape, real_dtype(self.dtype))
        return Complex(zeros, zeros) if self.dtype.is_complex else zeros

    def read(self, place: Any, interpreter: Interpreter) -> Any:
        """The element at a place, a number or a scalar tensor."""
        import tensorflow as tf

        if isinstance(place, int) or is_known(place):
            index = int(place)
            if index in self.pieces:
                return self.pieces[index]
            return each_part(lambda part: part[index], self.stack(interpreter))
        if self.dtype == tf.bool:  # Core ML's gather takes numbers only
            return tf.not_equal(tf.gather(tf.cast(self.stack(interpreter), tf.int32), place), 0)
        return each_part(lambda part: tf.gather(part, place), self.stack(interpreter))


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return {
        "TensorListReserve": _reserve,
        "EmptyTensorList": _empty,
        "TensorListFromTensor": _from_tensor,
        "TensorListGetItem": _get,
        "TensorListSetItem": _set,
        "TensorListStack": lambda call: _the_list(call).stack(call.interpreter),
        "TensorListGather": _gather,
        "TensorListScatterIntoExistingList": _scatter_into,
        "TensorListScatterV2": _scatter,
        "TensorListLength": lambda call: constant(np.int32(_the_list(call).length)),
        "TensorListElementShape": _element_shape,
        "TensorListConcatV2": _concatenate,
        "TensorListPushBack": _push,
        "TensorListResize": _resize,
    }


def each_part(call: Callable[..., Any], *values: Any) -> Any:
    """A function of tensors on the parts of pairs."""
    if not any(is_pair(value) for value in values):
        return call(*values)
    return Complex(call(*(value.real for value in values)), call(*(value.imag for value in values)))


def _the_list(call: Call) -> TensorList:
    found = call.values[0]
    assert isinstance(found, TensorList)
    return found


def _length(call: Call, index: int) -> int:
    count = call.known(index)
    if count is None:
        raise PackagingError(f"the length of a tf.TensorArray depends on the model's input ({call.op.name})")
    return int(count)


def _shape(call: Call, index: int) -> Shape | None:
    said = call.known(index)
    return tuple(int(size) for size in said) if said is not None and said.ndim == 1 and (said >= 0).all() else None


def _reserve(call: Call) -> TensorList:
    return TensorList(_length(call, 1), _shape(call, 0), call.attribute("element_dtype"))


def _empty(call: Call) -> TensorList:
    return TensorList(0, _shape(call, 0), call.attribute("element_dtype"))


def make_list(items: Any, dtype: Any = None) -> TensorList:
    """A list of the slices of a tensor along its first axis; a pair's type must be said."""
    length, *shape = items.shape.as_list()
    return TensorList(length, tuple(shape), items.dtype if dtype is None else dtype, items)


def _from_tensor(call: Call) -> TensorList:
    return make_list(call.values[0], call.attribute("element_dtype"))


def _get(call: Call) -> Any:
    return _the_list(call).read(call.values[1], call.interpreter)


def _set(call: Call) -> TensorList:
    found, item = _the_list(call), call.values[2]
    shape = tuple(item.shape.as_list())
    index = call.known(1)
    known_shape = replace(found, shape=shape)
    if index is not None and found.items is None:
        return replace(known_shape, pieces={**found.pieces, int(index): item})
    items = known_shape.stack(call.interpreter)
    written = each_part(lambda part, one: write(part, call.inputs[1], one), items, call.interpreter.as_symbol(item))
    return TensorList(found.length, shape, found.dtype, written)


def write(items: Any, index: Any, item: Any) -> Any:
    """Items with one of them replaced; TFLite has an op for it that needs no copy."""
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops

    place = tf.stack([tf.cast(index, tf.int32), *([0] * item.shape.rank)])
    return gen_xla_ops.xla_dynamic_update_slice(input=items, update=item[None], indices=place)


def _gather(call: Call) -> Any:
    import tensorflow as tf

    items = _the_list(call).stack(call.interpreter)
    return each_part(lambda part: tf.gather(part, call.inputs[1]), items)


def _scatter_into(call: Call) -> TensorList:
    found, tensor = _the_list(call), call.values[1]
    return _scattered(call, tensor, call.known(2), found)


def _scatter(call: Call) -> TensorList:
    tensor, indices = call.values[0], call.known(1)
    length = _length(call, 3)
    length = len(indices) if length < 0 and indices is not None else length
    return _scattered(call, tensor, indices, TensorList(length, None, tensor.dtype))


def _scattered(call: Call, tensor: Any, indices: Any, found: TensorList) -> TensorList:
    if indices is None:
        raise PackagingError(f"where a tf.TensorArray is written depends on the model's input ({call.op.name})")
    length = max(found.length, int(max(indices, default=-1)) + 1)
    shape = tuple(tensor.shape.as_list()[1:])
    if list(indices) == list(range(length)):
        return TensorList(length, shape, found.dtype, tensor)
    if found.items is not None:
        raise PackagingError(f"a tf.TensorArray is written in part ({call.op.name}); write all of it, or one by one")
    rows = each_part(lambda part: part, call.interpreter.as_symbol(tensor))
    pieces = {int(place): each_part(lambda part, at=at: part[at], rows) for at, place in enumerate(indices)}
    return TensorList(length, shape, found.dtype, None, {**found.pieces, **pieces})


def _element_shape(call: Call) -> Any:
    shape = _the_list(call).shape
    return NotImplemented if shape is None else constant(np.array(shape, call.op.outputs[0].dtype.as_numpy_dtype))


def _concatenate(call: Call) -> Any:
    import tensorflow as tf

    found = _the_list(call)
    items = found.stack(call.interpreter)
    count, each, *rest = items.shape.as_list()
    joined = each_part(lambda part: tf.reshape(part, [count * each, *rest]), items)
    return [joined, constant(np.full(count, each, np.int64))]


def _push(call: Call) -> TensorList:
    found, item = _the_list(call), call.values[1]
    pieces: Sequence[Any] = [found.pieces[index] for index in range(found.length)] if found.items is None else []
    if found.items is not None:
        items = call.interpreter.as_symbol(found.items)
        pieces = [each_part(lambda part, at=at: part[at], items) for at in range(found.length)]
    shape = tuple(item.shape.as_list())
    return TensorList(found.length + 1, shape, found.dtype, None, dict(enumerate([*pieces, item])))


def _resize(call: Call) -> TensorList:
    found, length = _the_list(call), _length(call, 1)
    if length == found.length:
        return found
    if found.items is not None:
        raise PackagingError(
            f"a tf.TensorArray changes its length ({call.op.name}); give it its length when it is made"
        )
    return replace(found, length=length, pieces={at: item for at, item in found.pieces.items() if at < length})


def _lower_update(context: Any, node: Any) -> None:
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    items, update, place = (context[name] for name in node.inputs)
    index = mb.slice_by_index(x=place, begin=[0], end=[1])
    context.add(node.name, mb.scatter(data=items, indices=index, updates=update, axis=0, mode="update", name=node.name))


LOWERINGS = {"XlaDynamicUpdateSlice": _lower_update}

"""An LSTM's loop as the op that Core ML has for it.

Replaces: a loop whose round is an LSTM's: the usual gates, `sigmoid` and `tanh`, one sequence in, h and c carried.
Why: Core ML runs a loop one op at a time; its `lstm` is one op, and one that the Neural Engine takes.
Given: such a loop of Keras, or of anyone. Result: TensorFlow's `BlockLSTMV2`, lowered to `lstm`.
Equal because: weights are read from the round's products and sums, and one round of the loop is then computed on random
    numbers beside the formula with these weights. Where the two differ the loop stays a loop.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.rewrites.tensorflow.interpreter import Interpreter, is_known, known, resolve
from packager.rewrites.tensorflow.loop_reading import Loop, depends_only_on, find_kernel
from packager.rewrites.tensorflow.tensor_lists import TensorList, make_list

NAME = "recurrence"

Floats = npt.NDArray[np.float32]

_CLOSE = 1e-5
"""between two ways to compute one round in float32, of values no larger than 1 or so"""


@dataclass(frozen=True)
class _Layer:
    """Weights of an LSTM, gates in TensorFlow's order: input, forget, candidate, output."""

    frames: int
    """the variable that holds the list of frames"""
    read: str
    """the tensor that holds the frame of a round"""
    kernel: Floats
    recurrent: Floats
    bias: Floats

    def step(self, x: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
        admit, keep, candidate, give = np.split(x @ self.kernel + h @ self.recurrent + self.bias, 4, axis=1)
        memory = _sigmoid(keep) * c + _sigmoid(admit) * np.tanh(candidate)
        return _sigmoid(give) * np.tanh(memory), memory


def _sigmoid(x: Floats) -> Floats:
    result: Floats = (1 / (1 + np.exp(-x))).astype(np.float32)
    return result


def run_as_layer(loop: Loop, interpreter: Interpreter) -> dict[int, Any] | None:
    """The varying variables after all rounds, by an op in the loop's place; None where the loop is none of an LSTM."""
    states = [k for k in loop.varying if not isinstance(loop.start[k], TensorList)]
    lists = {k: _written(loop, k) for k in loop.varying if k not in states}
    if len(states) != 2 or None in lists.values() or not all(_is_state(loop, k) for k in states):
        return None
    layer = _read_layer(loop, states, interpreter)
    if layer is None:
        return None
    for h, c in itertools.permutations(states):
        if _is_equal(loop, layer, (h, c), list(lists.values()), interpreter):
            interpreter.applied.add(NAME)
            return _emit(loop, layer, (h, c), interpreter)
    return None


def _is_state(loop: Loop, k: int) -> bool:
    shape = loop.start[k].shape
    return bool(loop.start[k].dtype.name == "float32" and shape.rank == 2 and shape.is_fully_defined())


def _written(loop: Loop, k: int) -> Any:
    """What a round writes to a list at its own place, or None where it does anything else."""
    op = resolve(loop.body.outputs[k]).op
    if op.type != "TensorListSetItem" or loop.start[k].length != loop.rounds or loop.start[k].pieces:
        return None
    listed, place, item = (resolve(tensor) for tensor in op.inputs)
    return item if listed is loop.body.inputs[k] and _is_round(loop, place) else None


def _is_round(loop: Loop, tensor: Any) -> bool:
    """Whether a tensor of the body counts the rounds from 0."""
    place = next((k for k, one in enumerate(loop.body.inputs) if one is tensor), None)
    return place is not None and loop.counters.get(place) == 1 and int(known(loop.start[place])) == 0


def _read_layer(loop: Loop, states: list[int], interpreter: Interpreter) -> _Layer | None:
    size = loop.start[states[0]].shape.as_list()[1]
    kernels: list[Floats] = []
    recurrent: list[Floats] = []
    reads = set()
    for op in loop.body.get_operations():
        if op.type != "MatMul" or op.get_attr("transpose_a"):
            continue
        source, kernel = resolve(op.inputs[0]), find_kernel(op, loop, interpreter)
        if kernel is None:
            return None
        if source.op.type == "TensorListGetItem" and _is_round(loop, resolve(source.op.inputs[1])):
            kernels.append(kernel)
            reads.add(source.name)
        elif any(source is loop.body.inputs[k] for k in states):
            recurrent.append(kernel)
        else:
            return None
    if len(reads) != 1 or not recurrent:
        return None
    (read,) = reads
    source = resolve(loop.body.get_tensor_by_name(read).op.inputs[0])
    frames = next((k for k, one in enumerate(loop.body.inputs) if one is source), -1)
    layer = _Layer(frames, read, np.hstack(kernels), np.hstack(recurrent), _read_bias(loop, size, interpreter))
    fits = layer.kernel.shape[1] == 4 * size and layer.recurrent.shape == (size, 4 * size) and frames in loop.invariant
    return layer if fits and _holds_frames(loop.start[frames], loop, layer) else None


def _holds_frames(listed: Any, loop: Loop, layer: _Layer) -> bool:
    return (
        isinstance(listed, TensorList)
        and listed.length == loop.rounds
        and listed.shape is not None
        and len(listed.shape) == 2
        and listed.shape[1] == len(layer.kernel)
    )


def _read_bias(loop: Loop, size: int, interpreter: Interpreter) -> Floats:
    """The sum of known vectors that a round adds to its gates; parts of the gates are laid side by side."""
    whole, parts = np.zeros(4 * size, np.float32), []
    given = {loop.body.inputs[k].name: loop.start[k] for k in loop.invariant}
    for op in loop.body.get_operations():
        if op.type in {"BiasAdd", "AddV2", "Add"}:
            for tensor in op.inputs:
                value = _try_known(tensor, given, loop, interpreter)
                if value is not None and value.size == 4 * size:
                    whole = whole + value.reshape(-1)
                elif value is not None and value.size == size and value.ndim:
                    parts.append(value.reshape(-1))
    return whole + np.concatenate(parts) if len(parts) == 4 else whole


def _try_known(tensor: Any, given: dict[str, Any], loop: Loop, interpreter: Interpreter) -> Any:
    if tensor.dtype.name != "float32" or not depends_only_on(tensor, given):
        return None
    (value,) = interpreter.run(loop.body, given, [tensor])
    return known(value) if is_known(value) else None


def _is_equal(loop: Loop, layer: _Layer, states: tuple[int, int], written: list[Any], interpreter: Interpreter) -> bool:
    """One round on random numbers: the loop's beside the layer's."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    batch, size = loop.start[states[0]].shape.as_list()
    shapes = ((batch, len(layer.kernel)), (batch, size), (batch, size))
    x, h, c = (generator.normal(size=shape).astype(np.float32) for shape in shapes)
    given = {loop.body.inputs[k].name: loop.start[k] for k in loop.invariant}
    with tf.init_scope():
        named = zip((layer.read, *(loop.body.inputs[k].name for k in states)), (x, h, c), strict=True)
        given |= {name: tf.constant(value) for name, value in named}
    wanted = [*(loop.body.outputs[k] for k in states), *written]
    results = interpreter.run(loop.body, given, wanted)
    if not all(is_known(value) for value in results):
        return False
    after_h, after_c = layer.step(x, h, c)
    expected = [after_h, after_c, *(after_h for _ in written)]
    return all(np.allclose(known(a), b, rtol=0, atol=_CLOSE) for a, b in zip(results, expected, strict=True))


def _emit(loop: Loop, layer: _Layer, states: tuple[int, int], interpreter: Interpreter) -> dict[int, Any]:
    import tensorflow as tf

    size = len(layer.recurrent)
    none = np.zeros(size, np.float32)
    h, c = (interpreter.as_symbol(loop.start[k]) for k in states)
    result = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(loop.rounds, tf.int64),
        x=interpreter.as_symbol(loop.start[layer.frames].stack(interpreter)),
        cs_prev=c,
        h_prev=h,
        w=np.vstack([layer.kernel, layer.recurrent]),
        wci=none,
        wcf=none,
        wco=none,
        b=layer.bias,
        cell_clip=0.0,
        use_peephole=False,
    )
    lists = {k: replace(make_list(result.h), dtype=tf.float32) for k in loop.varying if k not in states}
    return {**lists, states[0]: result.h[-1], states[1]: result.cs[-1]}


def _lower(context: Any, node: Any) -> None:
    """Lower one `BlockLSTMV2` as `_emit` makes it, of which the sequence of h and the last c are read."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    x, c, h, weights = (context[name] for name in node.inputs[1:5])
    bias = context[node.inputs[8]]
    admit, keep, candidate, give = np.split(np.vstack([weights.val, bias.val]), 4, axis=1)
    stacked = np.hstack([admit, keep, give, candidate]).T
    features = x.shape[2]
    outputs, _, memory = mb.lstm(
        x=x,
        initial_h=h,
        initial_c=c,
        weight_ih=np.ascontiguousarray(stacked[:, :features]),
        weight_hh=np.ascontiguousarray(stacked[:, features:-1]),
        bias=np.ascontiguousarray(stacked[:, -1]),
        output_sequence=True,
        name=node.name,
    )
    memories = mb.expand_dims(x=memory, axes=[0])
    context.add(node.name, (None, memories, None, None, None, None, outputs))


LOWERINGS = {"BlockLSTMV2": _lower}

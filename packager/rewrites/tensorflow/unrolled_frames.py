"""A layer that was written out once for every frame, applied to all frames at once.

Replaces: a stack of results that are computed alike, each from one frame of a sequence.
Why: Keras 3 unrolls `TimeDistributed` where the number of frames is known: a dense layer over 64 frames is 64 products
    and as many names in the file, and conversion takes as long as there are frames.
Given: `stack([f(x[0]), f(x[1]), …])`. Result: the frames laid side by side as a batch, f, and the frames apart again.
Equal because: every f is compared with the first op by op, and the first is computed on random frames, apart and as a
    batch; where the two differ, in a value or in shape, the frames stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.interpreter import Call, Interpreter, constant, is_known, known, resolve

NAME = "unrolled_frames"

FEWEST = 4
"""frames that are worth it"""
_TRIED = 3
_CLOSE = 1e-5


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return {"Pack": _replace}


def _replace(call: Call) -> Any:
    import tensorflow as tf

    outputs = [resolve(tensor) for tensor in call.op.inputs]
    if len(outputs) < FEWEST or outputs[0].shape.rank in {None, 0}:
        return NotImplemented
    read = _find_frame(outputs[0], 0)
    if read is None or not _is_parallel(read, outputs):
        return NotImplemented
    sequence = call.interpreter.value_of(read.op.inputs[0])
    shape = read.shape.as_list()
    if sequence is None or is_known(sequence) or None in shape or not shape or not read.dtype.is_floating:
        return NotImplemented
    if not _is_equal(call.interpreter, read, outputs[0]):
        return NotImplemented
    count = len(outputs)
    frames = tf.reshape(sequence[:count], [count * shape[0], *shape[1:]])
    (result,) = _apply(call.interpreter, read, outputs[0], frames)
    apart = tf.reshape(result, [count, *outputs[0].shape.as_list()])
    axis = call.attribute("axis") % (outputs[0].shape.rank + 1)
    order = [*range(1, axis + 1), 0, *range(axis + 1, apart.shape.rank)]
    return tf.transpose(apart, order) if axis else apart


def _index(op: Any) -> int | None:
    """Which frame a `StridedSlice` takes, where it takes one along the first axis and no more."""
    from tensorflow.python.framework import tensor_util

    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
    if op.type != "StridedSlice" or any(op.get_attr(name) != value for name, value in masks.items()):
        return None
    begin = tensor_util.constant_value(op.inputs[1])
    return int(begin[0]) if begin is not None and begin.shape == (1,) and begin[0] >= 0 else None


def _ops(tensor: Any) -> Iterator[Any]:
    """All ops that a tensor is computed from."""
    seen = set()
    waiting = [tensor.op]
    while waiting:
        op = waiting.pop()
        if op.name not in seen:
            seen.add(op.name)
            yield op
            if _index(op) is None:
                waiting += [one.op for one in op.inputs]


def _find_frame(output: Any, index: int) -> Any:
    """The one frame that a result is computed from; None where there are several, or what else is not constant."""
    found = [op.outputs[0] for op in _ops(output) if _index(op) is not None]
    others = [op for op in _ops(output) if op.type == "Placeholder"]
    return found[0] if len(found) == 1 and not others and _index(found[0].op) == index else None


def _is_parallel(read: Any, outputs: list[Any]) -> bool:
    return all(_are_alike(outputs[0], one, read, index) for index, one in enumerate(outputs[1:], 1))


def _are_alike(first: Any, other: Any, read: Any, index: int) -> bool:
    """Whether two results are computed by the same ops, the one from the first frame, the other from a later one."""
    waiting = [(first, other)]
    seen = set()
    while waiting:
        one, two = (resolve(tensor) for tensor in waiting.pop())
        if (one.name, two.name) in seen:
            continue
        seen.add((one.name, two.name))
        if one is read:
            if _index(two.op) != index or resolve(two.op.inputs[0]) is not resolve(read.op.inputs[0]):
                return False
            continue
        if one is two:
            continue
        if one.op.type != two.op.type or one.value_index != two.value_index or not _have_same_attributes(one, two):
            return False
        waiting += zip(one.op.inputs, two.op.inputs, strict=True)
    return True


def _have_same_attributes(one: Any, two: Any) -> bool:
    first, second = ({k: v for k, v in t.op.node_def.attr.items() if k[0] != "_"} for t in (one, two))
    return first == second and len(one.op.inputs) == len(two.op.inputs)


def _apply(interpreter: Interpreter, read: Any, output: Any, frames: Any) -> list[Any]:
    """The first result's ops on a batch of frames; where a shape names the batch, it names the new one."""
    from tensorflow.python.framework import tensor_util

    batch, wanted = read.shape.as_list()[0], frames.shape.as_list()[0]
    given = {read.name: frames}
    for op in _ops(output):
        if op.type == "Reshape" and any(one is read.op for one in _ops(op.inputs[0])):
            target = tensor_util.constant_value(op.inputs[1])
            if target is not None and target.size and target[0] == batch:
                given[op.inputs[1].name] = constant(np.array([wanted, *target[1:]], target.dtype))
    return interpreter.run(read.graph, given, [output])


def _is_equal(interpreter: Interpreter, read: Any, output: Any) -> bool:
    """A few random frames, one by one and as a batch."""
    shape = read.shape.as_list()
    frames = np.random.default_rng(0).normal(size=(_TRIED, *shape)).astype(read.dtype.as_numpy_dtype)
    try:
        (batch,) = _apply(interpreter, read, output, constant(frames.reshape(-1, *shape[1:])))
        single = [interpreter.run(read.graph, {read.name: constant(frame)}, [output])[0] for frame in frames]
    except Exception:  # noqa: BLE001  what does not take a batch of this size stays as it is
        return False
    if not is_known(batch) or not all(is_known(value) for value in single):
        return False
    expected = np.stack([known(value) for value in single])
    found = known(batch)
    return found.size == expected.size and np.allclose(found.reshape(expected.shape), expected, rtol=0, atol=_CLOSE)

"""A loop over frames, in the terms of litert-converter.

A TFLite loop copies in every round what it carries, inputs and outputs of all frames among it, so that one loop over n
frames would take time in n². Long sequences are therefore cut into chunks of about √n frames: an outer loop carries all
frames from chunk to chunk, an inner one carries a chunk from frame to frame. Where n is no multiple of the chunk, the
last one overlaps the one before and starts where that ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Value = Any
"""An MLIR value"""

Step = Callable[[Value, Sequence[Value], Sequence[Value]], Sequence[Value]]
"""A frame's input (batch, channel), the states (batch, size), the weights → the states after, of which the first is the
frame's output"""

_WHOLE_FRAMES = 48
"""Up to here one loop is as fast as two"""


class _Carried(NamedTuple):
    """What a loop carries: the next frame's number, inputs and outputs (frame, batch, channel), states, weights."""

    at: Value
    inputs: Value
    outputs: Value
    states: Sequence[Value]
    weights: Sequence[Value]

    @property
    def flat(self) -> list[Value]:
        return [self.at, self.inputs, self.outputs, *self.states, *self.weights]

    def regroup(self, flat: Sequence[Value]) -> _Carried:
        end = 3 + len(self.states)
        return _Carried(flat[0], flat[1], flat[2], flat[3:end], flat[end:])


def scan(
    step: Step, inputs: Value, states: Sequence[Value], weights: Sequence[Value], reverse: bool
) -> tuple[Value, ...]:
    """Go through all frames.

    Args:
        step: What one frame does.
        inputs: (frame, batch, channel), with at least as many channels as the first state has.
        states: The first ones, each (batch, size).
        weights: What every step is given.
        reverse: From the last frame to the first; the outputs are in the order of the inputs all the same.

    Returns:
        The outputs (frame, batch, size), and the last states.
    """
    from litert_converter.mlir.dialects import stablehlo as hlo

    count = inputs.type.shape[0]
    # Every frame of it is overwritten; a constant would be as large in the file as the outputs are.
    outputs = cut(inputs, 0, states[0].type.shape[1])
    whole = _Carried(_index(0), inputs, outputs, states, weights)
    if count <= _WHOLE_FRAMES:
        return _finish(_scan_one_by_one(step, whole, reverse))
    size = math.isqrt(count - 1) + 1

    def advance(before: _Carried) -> _Carried:
        start = hlo.minimum(before.at, _index(count - size))
        where = hlo.subtract(_index(count - size), start) if reverse else start
        rows = hlo.add(_spread(where, size), _constant(np.arange(size, dtype=np.int32)))
        chunk = before._replace(
            at=hlo.subtract(before.at, start),
            inputs=_read(before.inputs, rows),
            outputs=_read(before.outputs, rows),
        )
        after = _scan_one_by_one(step, chunk, reverse)
        return before._replace(
            at=hlo.add(before.at, _index(size)),
            outputs=_write(before.outputs, after.outputs, where),
            states=after.states,
        )

    return _finish(_loop(advance, whole))


def _finish(after: _Carried) -> tuple[Value, ...]:
    return (after.outputs, *after.states)


def _scan_one_by_one(step: Step, first: _Carried, reverse: bool) -> _Carried:
    from litert_converter.mlir.dialects import stablehlo as hlo

    count, *frame_shape = first.inputs.type.shape

    def advance(before: _Carried) -> _Carried:
        where = hlo.subtract(_index(count - 1), before.at) if reverse else before.at
        frame = reshape(_read(before.inputs, where), frame_shape)
        states = step(frame, before.states, before.weights)
        output = reshape(states[0], [1, *states[0].type.shape])
        return before._replace(
            at=hlo.add(before.at, _index(1)), outputs=_write(before.outputs, output, where), states=states
        )

    return _loop(advance, first)


def _loop(advance: Callable[[_Carried], _Carried], first: _Carried) -> _Carried:
    """Rounds until the frame's number is that of the inputs; the converter takes out what no round changes."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    types = [value.type for value in first.flat]
    loop = hlo.WhileOp(types, first.flat)
    condition, body = (region.blocks.append(*types) for region in loop.regions)
    with ir.InsertionPoint(condition):
        end = _index(first.inputs.type.shape[0])
        goes_on = hlo.compare(condition.arguments[0], end, ir.Attribute.parse("#stablehlo<comparison_direction LT>"))
        hlo.return_([reshape(goes_on, [])])
    with ir.InsertionPoint(body):
        hlo.return_(advance(first.regroup(list(body.arguments))).flat)
    return first.regroup(list(loop.results))


def emit(name: str, shape: Sequence[int], operands: Sequence[Value], **attributes: Any) -> Value:
    """An op of TFLite, in the wrapping in which the converter lets it through.

    Args:
        name: As in the converter's dialect: `tfl.gather`.
        shape: Of the one result, whose type is that of the first operand.
        operands: None may be left out.
        attributes: All that the op has, as MLIR attributes.
    """
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    return hlo.custom_call(
        result=[ir.RankedTensorType.get(shape, operands[0].type.element_type)],
        inputs=operands,
        call_target_name=ir.StringAttr.get(name),
        has_side_effect=ir.BoolAttr.get(False),
        backend_config=ir.StringAttr.get(str(ir.DictAttr.get(attributes))),
    )


def cut(x: Value, start: int, end: int) -> Value:
    """A part of the last axis."""
    from litert_converter.mlir.dialects import stablehlo as hlo

    shape = x.type.shape
    return hlo.slice(x, _sizes([0] * (len(shape) - 1) + [start]), _sizes([*shape[:-1], end]), _sizes([1] * len(shape)))


def _read(frames: Value, rows: Value) -> Value:
    """By `GATHER`: what a `SLICE` from a moving start gives has no fixed shape, which keeps delegates out."""
    from litert_converter.mlir import ir

    zero = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 0)
    shape = [rows.type.shape[0], *frames.type.shape[1:]]
    return emit("tfl.gather", shape, [frames, rows], axis=zero, batch_dims=zero)


def _write(frames: Value, part: Value, at: Value) -> Value:
    from litert_converter.mlir.dialects import stablehlo as hlo

    zero = _constant(np.array(0, np.int32))
    return hlo.dynamic_update_slice(frames, part, [reshape(at, []), zero, zero])


def select(x: Value, at: int) -> Value:
    """One position of the first axis, which goes."""
    from litert_converter.mlir.dialects import stablehlo as hlo

    shape = x.type.shape
    start = _sizes([at] + [0] * (len(shape) - 1))
    return reshape(hlo.slice(x, start, _sizes([at + 1, *shape[1:]]), _sizes([1] * len(shape))), shape[1:])


def reshape(x: Value, shape: Sequence[int]) -> Value:
    """The same values in another shape."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    return hlo.reshape(ir.RankedTensorType.get(shape, x.type.element_type), x)


def _spread(x: Value, size: int) -> Value:
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    return hlo.broadcast_in_dim(ir.RankedTensorType.get([size], x.type.element_type), x, _sizes([0]))


def _sizes(values: Sequence[int]) -> Any:
    from litert_converter.mlir import ir

    return ir.DenseI64ArrayAttr.get(np.array(values, np.int64))


def _index(value: int) -> Value:
    return _constant(np.array([value], np.int32))


def _constant(array: np.ndarray[Any, Any]) -> Value:
    from litert_torch.backend.lowerings import utils

    return utils.numpy_array_constant(array)

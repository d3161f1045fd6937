"""A loop over frames, in the terms of litert-converter.

A TFLite loop copies in every round what it carries, inputs and outputs of all frames among it, so that one loop over n
frames would take time in n². Long sequences are therefore cut into chunks of about √n frames: an outer loop carries all
frames from chunk to chunk, an inner one carries a chunk from frame to frame. Where n is no multiple of the chunk, the
last one overlaps the one before and starts where that ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from packager.errors import PackagingError

Value = Any
"""An MLIR value"""

Step = Callable[[Value, Sequence[Value], Sequence[Value]], Sequence[Value]]
"""A frame's input (batch, channel), the states (batch, size), the weights → the states after, of which the first is the
frame's output"""

_WHOLE_FRAMES = 48
"""Up to here one loop is as fast as two"""


class Lane(NamedTuple):
    """What one direction of a layer goes through.

    Attributes:
        inputs: (frame, batch, channel), with at least as many channels as the first state has.
        states: The first ones, each (batch, size).
        weights: What every step is given.
        reverse: From the last frame to the first; outputs are in the order of the inputs all the same.
    """

    inputs: Value
    states: Sequence[Value]
    weights: Sequence[Value]
    reverse: bool


class _Running(NamedTuple):
    """A lane in a loop; `outputs` (frame, batch, size) fills frame by frame."""

    outputs: Value
    lane: Lane

    @property
    def flat(self) -> list[Value]:
        return [self.outputs, self.lane.inputs, *self.lane.states, *self.lane.weights]

    def take(self, flat: Iterator[Value]) -> _Running:
        """The same with the next values of `flat`."""
        outputs, inputs = next(flat), next(flat)
        states, weights = ([next(flat) for _ in part] for part in (self.lane.states, self.lane.weights))
        return _Running(outputs, self.lane._replace(inputs=inputs, states=states, weights=weights))


Advance = Callable[[Value, Sequence[_Running]], Sequence[_Running]]
"""The next frame's number and the lanes → the lanes after a round"""


def scan(step: Step, lanes: Sequence[Lane]) -> list[list[Value]]:
    """Go through all frames, in all lanes side by side.

    Returns:
        For each lane its outputs (frame, batch, size) and last states.

    Raises:
        PackagingError: The number of frames, or the batch, is not fixed.
    """
    from litert_converter.mlir.dialects import stablehlo as hlo

    if not lanes[0].inputs.type.has_static_shape:
        raise PackagingError(
            "a recurrent layer in TFLite needs a fixed number of frames; give the model's inputs fixed shapes"
        )
    count = lanes[0].inputs.type.shape[0]
    # Every frame of the outputs is overwritten; zeros would be a constant as large as they are.
    whole = [_Running(cut(lane.inputs, 0, lane.states[0].type.shape[1]), lane) for lane in lanes]
    if count <= _WHOLE_FRAMES:
        return _finish(_scan_one_by_one(step, whole, _index(0)))
    size = math.isqrt(count - 1) + 1

    def advance(at: Value, before: Sequence[_Running]) -> Sequence[_Running]:
        start = hlo.minimum(at, _index(count - size))
        where = [hlo.subtract(_index(count - size), start) if b.lane.reverse else start for b in before]
        chunks = [_read_chunk(b, place, size) for b, place in zip(before, where, strict=True)]
        after = _scan_one_by_one(step, chunks, hlo.subtract(at, start))
        return [
            _Running(_write(b.outputs, a.outputs, place), b.lane._replace(states=a.lane.states))
            for b, a, place in zip(before, after, where, strict=True)
        ]

    return _finish(_loop(advance, whole, _index(0), size))


def _finish(after: Sequence[_Running]) -> list[list[Value]]:
    return [[running.outputs, *running.lane.states] for running in after]


def _read_chunk(running: _Running, start: Value, size: int) -> _Running:
    from litert_converter.mlir.dialects import stablehlo as hlo

    rows = hlo.add(_spread(start, size), _constant(np.arange(size, dtype=np.int32)))
    lane = running.lane._replace(inputs=_read(running.lane.inputs, rows))
    return _Running(_read(running.outputs, rows), lane)


def _scan_one_by_one(step: Step, first: Sequence[_Running], start: Value) -> Sequence[_Running]:
    from litert_converter.mlir.dialects import stablehlo as hlo

    def advance(at: Value, before: Sequence[_Running]) -> Sequence[_Running]:
        after = []
        for outputs, lane in before:
            count, *frame_shape = lane.inputs.type.shape
            where = hlo.subtract(_index(count - 1), at) if lane.reverse else at
            states = step(reshape(_read(lane.inputs, where), frame_shape), lane.states, lane.weights)
            output = reshape(states[0], [1, *states[0].type.shape])
            after.append(_Running(_write(outputs, output, where), lane._replace(states=states)))
        return after

    return _loop(advance, first, start, 1)


def _loop(advance: Advance, first: Sequence[_Running], start: Value, stride: int) -> Sequence[_Running]:
    """Rounds until the last frame; the converter takes out what no round changes."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    def regroup(flat: Iterator[Value]) -> list[_Running]:
        return [running.take(flat) for running in first]

    carried = [start, *(value for running in first for value in running.flat)]
    types = [value.type for value in carried]
    loop = hlo.WhileOp(types, carried)
    condition, body = (region.blocks.append(*types) for region in loop.regions)
    with ir.InsertionPoint(condition):
        end = _index(first[0].lane.inputs.type.shape[0])
        goes_on = hlo.compare(condition.arguments[0], end, ir.Attribute.parse("#stablehlo<comparison_direction LT>"))
        hlo.return_([reshape(goes_on, [])])
    with ir.InsertionPoint(body):
        at, *flat = body.arguments
        after = advance(at, regroup(iter(flat)))
        hlo.return_([hlo.add(at, _index(stride)), *(value for running in after for value in running.flat)])
    return regroup(iter(list(loop.results)[1:]))


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
    return hlo.slice(x, sizes([0] * (len(shape) - 1) + [start]), sizes([*shape[:-1], end]), sizes([1] * len(shape)))


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
    start = sizes([at] + [0] * (len(shape) - 1))
    return reshape(hlo.slice(x, start, sizes([at + 1, *shape[1:]]), sizes([1] * len(shape))), shape[1:])


def reshape(x: Value, shape: Sequence[int]) -> Value:
    """The same values in another shape."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    return hlo.reshape(ir.RankedTensorType.get(shape, x.type.element_type), x)


def _spread(x: Value, size: int) -> Value:
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo as hlo

    return hlo.broadcast_in_dim(ir.RankedTensorType.get([size], x.type.element_type), x, sizes([0]))


def sizes(values: Sequence[int]) -> Any:
    """Numbers as the attributes of ops have them."""
    from litert_converter.mlir import ir

    return ir.DenseI64ArrayAttr.get(np.array(values, np.int64))


def _index(value: int) -> Value:
    return _constant(np.array([value], np.int32))


def _constant(array: np.ndarray[Any, Any]) -> Value:
    from litert_torch.backend.lowerings import utils

    return utils.numpy_array_constant(array)

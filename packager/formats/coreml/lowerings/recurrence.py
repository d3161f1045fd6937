"""The recurrent layers of `packager.rewrites.torch.recurrent_ops` in Core ML: `lstm`, `rnn`, and loops.

`lstm` holds both directions; for `rnn` the backward one is the forward one on reversed frames.

GRU is a loop. Core ML's `gru` multiplies the reset gate with the state before the product with the weights, torch the
product itself, and no choice of weights makes one the other. iOS 18 has `reset_after`, but coremltools 9.0 expects its
own comparison of that with torch to fail (rdar://128479517). An LSTM with a projection is a loop for want of an op.
In a loop, the inputs' product with the weights is taken for all frames at once, before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from packager.errors import PackagingError
from packager.rewrites.torch.recurrent_ops import KINDS, LayerWeights, define_ops, name_weights

NAME = "recurrence"

Var = Any
"""A variable of a MIL program"""

Array = np.ndarray[Any, Any]

Layer = Callable[[Var, Sequence[Var], LayerWeights], Sequence[Var]]
"""One direction: frames (frame, batch, input), states (batch, size), weights → outputs (frame, batch, size), states"""

Step = Callable[[Var, Sequence[Var]], Sequence[Var]]
"""A frame's projected input (batch, gates), the states (batch, size) → the states after; the first is the output"""


@functools.cache
def register() -> None:
    """Tell coremltools how the recurrent layers are lowered, traced ones and exported ones."""
    from coremltools.converters.mil.frontend.torch import register_torch_op

    define_ops()
    for kind in KINDS:
        register_torch_op(_lowering(kind), override=True)


def _lowering(kind: str) -> Callable[[Any, Any], None]:
    def lower(context: Any, node: Any) -> None:
        from coremltools.converters.mil.frontend.torch.ops import _get_inputs

        x, states, weights = _get_inputs(context, node, expected=3)
        named = [_constants(part) for part in name_weights(weights, states[0].shape[0])]
        results = _LAYERS[kind](x, states, named)
        if len(node.outputs) == 1:  # an exported program's node has one name, and another node for each result
            context.add(tuple(results), node.name)
        else:
            for name, result in zip(node.outputs, results, strict=True):
                context.add(result, name)

    lower.__name__ = f"testpress::{kind}_layer"  # coremltools takes the op's name from the function's
    return lower


def _constants(weights: LayerWeights) -> LayerWeights:
    if any(part is not None and part.val is None for part in weights):
        raise PackagingError(
            "a recurrent layer's weights depend on the model's input; Core ML takes them as constants only"
        )
    return LayerWeights(*(None if part is None else part.val for part in weights))


def _lower_lstm(x: Var, states: Sequence[Var], weights: Sequence[LayerWeights]) -> Sequence[Var]:
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    if weights[0].w_hr is not None:
        return _each_direction(_project_lstm, x, states, weights)
    given: dict[str, Array] = {}
    for suffix, part in zip(("", "_back"), weights, strict=False):
        given |= {f"weight_ih{suffix}": _output_third(part.w_ih), f"weight_hh{suffix}": _output_third(part.w_hh)}
        if part.b_ih is not None:
            given[f"bias{suffix}"] = _output_third(part.b_ih + part.b_hh)
    outputs, *last = mb.lstm(
        x=x,
        initial_h=_side_by_side(states[0]),
        initial_c=_side_by_side(states[1]),
        direction="forward" if len(weights) == 1 else "bidirectional",
        output_sequence=True,
        **given,
    )
    return [outputs, *(_one_above_the_other(state, len(weights)) for state in last)]


def _output_third(stacked: Array) -> Array:
    """Weights of the gates as Core ML has them: input, forget, output, candidate; torch has the last two turned."""
    admit, keep, candidate, give = np.split(stacked, 4)
    return np.concatenate([admit, keep, give, candidate])


def _side_by_side(state: Var) -> Var:
    """(direction, batch, size) → (batch, direction · size)."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    return mb.concat(values=_each(state), axis=1) if state.shape[0] > 1 else mb.squeeze(x=state, axes=[0])


def _one_above_the_other(state: Var, directions: int) -> Var:
    """(batch, direction · size) → (direction, batch, size)."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    if directions == 1:
        return mb.expand_dims(x=state, axes=[0])
    return mb.stack(values=mb.split(x=state, num_splits=directions, axis=1), axis=0)


def _each(state: Var) -> list[Var]:
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    parts = mb.split(x=state, num_splits=state.shape[0], axis=0) if state.shape[0] > 1 else [state]
    return [mb.squeeze(x=part, axes=[0]) for part in parts]


def _each_direction(layer: Layer, x: Var, states: Sequence[Var], weights: Sequence[LayerWeights]) -> Sequence[Var]:
    """Both directions of a layer from one: the backward one is the forward one on reversed frames."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    first = zip(*(_each(state) for state in states), strict=True)
    results = []
    for at, (part, before) in enumerate(zip(weights, first, strict=True)):
        outputs, *last = layer(mb.reverse(x=x, axes=[0]) if at else x, before, part)
        results.append([mb.reverse(x=outputs, axes=[0]) if at else outputs, *last])
    outputs, *last = zip(*results, strict=True)
    joined = outputs[0] if len(outputs) == 1 else mb.concat(values=outputs, axis=2)
    return [joined, *(mb.stack(values=state, axis=0) for state in last)]


def _rnn(activation: str) -> Layer:
    def layer(x: Var, states: Sequence[Var], weights: LayerWeights) -> Sequence[Var]:
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        biases = {} if weights.b_ih is None else {"bias": weights.b_ih + weights.b_hh}
        results: Sequence[Var] = mb.rnn(
            x=x,
            initial_h=states[0],
            weight_ih=weights.w_ih,
            weight_hh=weights.w_hh,
            output_sequence=True,
            activation=activation,
            **biases,
        )
        return results

    return layer


def _gru(x: Var, states: Sequence[Var], weights: LayerWeights) -> Sequence[Var]:
    size = weights.w_hh.shape[1]

    def step(frame: Var, states: Sequence[Var]) -> Sequence[Var]:
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        (before,) = states
        product = mb.linear(x=before, weight=weights.w_hh, bias=weights.b_hh)
        frame_gates, frame_candidate = mb.split(x=frame, split_sizes=[2 * size, size], axis=1)
        gates, candidate = mb.split(x=product, split_sizes=[2 * size, size], axis=1)
        reset, update = mb.split(x=mb.sigmoid(x=mb.add(x=frame_gates, y=gates)), num_splits=2, axis=1)
        candidate = mb.tanh(x=mb.add(x=frame_candidate, y=mb.mul(x=reset, y=candidate)))
        return [mb.add(x=candidate, y=mb.mul(x=update, y=mb.sub(x=before, y=candidate)))]

    return _loop(step, x, states, weights)


def _project_lstm(x: Var, states: Sequence[Var], weights: LayerWeights) -> Sequence[Var]:
    size = weights.w_hh.shape[0] // 4

    def step(frame: Var, states: Sequence[Var]) -> Sequence[Var]:
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        before, memory = states
        gates = mb.add(x=frame, y=mb.linear(x=before, weight=weights.w_hh, bias=weights.b_hh))
        admit_keep, candidate, give = mb.split(x=gates, split_sizes=[2 * size, size, size], axis=1)
        admit, keep = mb.split(x=mb.sigmoid(x=admit_keep), num_splits=2, axis=1)
        admitted = mb.mul(x=admit, y=mb.tanh(x=candidate))
        memory = mb.add(x=mb.mul(x=keep, y=memory), y=admitted)
        output = mb.mul(x=mb.sigmoid(x=give), y=mb.tanh(x=memory))
        return [mb.linear(x=output, weight=weights.w_hr), memory]

    return _loop(step, x, states, weights)


def _loop(step: Step, x: Var, states: Sequence[Var], weights: LayerWeights) -> Sequence[Var]:
    """One direction by a loop of one frame a round."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    inputs = mb.linear(x=x, weight=weights.w_ih, bias=weights.b_ih)
    count = mb.slice_by_index(x=mb.shape(x=x), begin=[0], end=[1])
    gate = mb.slice_by_index(x=inputs, begin=[0, 0, 0], end=[0, 0, states[0].shape[1]], end_mask=[True, True, False])
    # Zeros that hang on the input: others are folded to a constant as large as the outputs.
    outputs = mb.cast(x=mb.less(x=gate, y=gate), dtype=types.builtin_to_string(inputs.dtype))

    def goes_on(at: Var, *_: Var) -> Var:
        return mb.less(x=at, y=count)

    def advance(at: Var, outputs: Var, *states: Var) -> Sequence[Var]:
        frame = mb.squeeze(x=mb.gather(x=inputs, indices=at, axis=0), axes=[0])
        after = step(frame, states)
        output = mb.expand_dims(x=after[0], axes=[0])
        written = mb.scatter(data=outputs, indices=at, updates=output, axis=0, mode="add")
        return (mb.add(x=at, y=1), written, *after)

    results: Sequence[Var] = mb.while_loop(_cond=goes_on, _body=advance, loop_vars=([0], outputs, *states))
    return results[1:]


_LAYERS: dict[str, Callable[[Var, Sequence[Var], Sequence[LayerWeights]], Sequence[Var]]] = {
    "lstm": _lower_lstm,
    "gru": functools.partial(_each_direction, _gru),
    "rnn_tanh": functools.partial(_each_direction, _rnn("tanh")),
    "rnn_relu": functools.partial(_each_direction, _rnn("relu")),
}

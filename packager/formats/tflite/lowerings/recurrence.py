"""The recurrent layers of `packager.rewrites.torch.recurrent_ops` as TFLite loops.

Why loops and not `UNIDIRECTIONAL_SEQUENCE_LSTM`: the fused op keeps its states in variables that live on from one call
to the next, so that a model that starts from zero would start where the clip before it ended, unless the app resets
them; it gives no last cell state, and there is none for GRU.

The inputs' product with the weights is taken for all frames at once, before the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from packager.formats.tflite.lowerings import loops
from packager.formats.tflite.lowerings._frames import Lane, Step, Value, cut, emit, reshape, scan, select
from packager.rewrites.torch.recurrent_ops import KINDS, define_ops, name_weights

NAME = "recurrence"


@functools.cache
def register() -> None:
    """Tell litert-torch how the recurrent layers are lowered."""
    import torch
    from litert_torch.backend.lowerings import registry

    define_ops()
    loops.register()
    for kind in KINDS:
        registry.lower(getattr(torch.ops.testpress, f"{kind}_layer").default)(globals()[f"_lower_{kind}"])


def _lower_lstm(_context: Any, x: Value, states: Sequence[Value], weights: Sequence[Value]) -> tuple[Value, ...]:
    from litert_converter.mlir.dialects import stablehlo as hlo

    size = states[1].type.shape[2]

    def step(frame: Value, states: Sequence[Value], weights: Sequence[Value]) -> Sequence[Value]:
        hidden, memory = states
        gates = hlo.add(frame, _multiply(hidden, weights[0], weights[1]))
        admit_keep = hlo.logistic(cut(gates, 0, 2 * size))
        candidate = hlo.tanh(cut(gates, 2 * size, 3 * size))
        give = hlo.logistic(cut(gates, 3 * size, 4 * size))
        admitted = hlo.multiply(cut(admit_keep, 0, size), candidate)
        memory = hlo.add(hlo.multiply(cut(admit_keep, size, 2 * size), memory), admitted)
        output = hlo.multiply(give, hlo.tanh(memory))
        return (_multiply(output, *weights[2:]) if weights[2:] else output), memory

    return _run(step, x, states, weights)


def _lower_gru(_context: Any, x: Value, states: Sequence[Value], weights: Sequence[Value]) -> tuple[Value, ...]:
    from litert_converter.mlir.dialects import stablehlo as hlo

    size = states[0].type.shape[2]

    def step(frame: Value, states: Sequence[Value], weights: Sequence[Value]) -> Sequence[Value]:
        (before,) = states
        product = _multiply(before, *weights)
        gates = hlo.logistic(hlo.add(cut(frame, 0, 2 * size), cut(product, 0, 2 * size)))
        reset, update = cut(gates, 0, size), cut(gates, size, 2 * size)
        recurrent = hlo.multiply(reset, cut(product, 2 * size, 3 * size))
        candidate = hlo.tanh(hlo.add(cut(frame, 2 * size, 3 * size), recurrent))
        return (hlo.add(candidate, hlo.multiply(update, hlo.subtract(before, candidate))),)

    return _run(step, x, states, weights)


def _lower_rnn_tanh(_context: Any, x: Value, states: Sequence[Value], weights: Sequence[Value]) -> tuple[Value, ...]:
    from litert_converter.mlir.dialects import stablehlo as hlo

    def step(frame: Value, states: Sequence[Value], weights: Sequence[Value]) -> Sequence[Value]:
        return (hlo.tanh(hlo.add(frame, _multiply(states[0], *weights))),)

    return _run(step, x, states, weights)


def _lower_rnn_relu(_context: Any, x: Value, states: Sequence[Value], weights: Sequence[Value]) -> tuple[Value, ...]:
    from litert_converter.mlir.dialects import stablehlo as hlo
    from litert_torch.backend.lowerings import utils

    def step(frame: Value, states: Sequence[Value], weights: Sequence[Value]) -> Sequence[Value]:
        total = hlo.add(frame, _multiply(states[0], *weights))
        return (hlo.maximum(total, utils.splat(0.0, total.type.element_type, total.type.shape)),)

    return _run(step, x, states, weights)


def _run(step: Step, x: Value, states: Sequence[Value], weights: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of all frames, and the last states; both directions run in one loop."""
    from litert_converter.mlir.dialects import stablehlo as hlo

    lanes = []
    for at, named in enumerate(name_weights(weights, states[0].type.shape[0])):
        projection = [] if named.w_hr is None else [named.w_hr, _bias(None, named.w_hr)]
        factors = [named.w_hh, _bias(named.b_hh, named.w_hh), *projection]
        first = [select(state, at) for state in states]
        lanes.append(Lane(_multiply(x, named.w_ih, named.b_ih), first, factors, reverse=at == 1))
    outputs, *last = zip(*scan(step, lanes), strict=True)
    stacked = [[reshape(state, [1, *state.type.shape]) for state in both] for both in last]
    if len(lanes) == 1:
        return (outputs[0], *(state[0] for state in stacked))
    return (hlo.concatenate(outputs, 2), *(hlo.concatenate(both, 0) for both in stacked))


def _multiply(x: Value, weight: Value, bias: Value | None = None) -> Value:
    """`x @ weight.T + bias`, by the op that has its weights as torch has them."""
    from litert_converter.mlir import ir

    return emit(
        "tfl.fully_connected",
        [*x.type.shape[:-1], weight.type.shape[0]],
        [x, weight, _bias(bias, weight)],
        fused_activation_function=ir.StringAttr.get("NONE"),
        weights_format=ir.StringAttr.get("DEFAULT"),
        keep_num_dims=ir.BoolAttr.get(True),
        asymmetric_quantize_inputs=ir.BoolAttr.get(False),
    )


def _bias(bias: Value | None, weight: Value) -> Value:
    """The bias, or zeros: the wrapping has no word for an operand that is not there."""
    from litert_torch.backend.lowerings import utils

    return utils.splat(0.0, weight.type.element_type, [weight.type.shape[0]]) if bias is None else bias

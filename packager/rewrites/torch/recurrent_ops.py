"""Torch ops for one layer of a recurrence, which stay whole on their way to both formats.

torch's own `aten.lstm`, `aten.gru` and `aten.rnn_*` hold stacks of layers, and exporters take them apart frame by
frame. Each of these is a layer, which a format lowers to its own op or loop:

- `testpress::lstm_layer(x, states, weights) -> (y, h, c)`
- `testpress::gru_layer`, `rnn_tanh_layer`, `rnn_relu_layer(x, states, weights) -> (y, h)`

x is (frame, batch, input), a state (direction, batch, size), y (frame, batch, direction · size); there are one or two
directions, forward and backward. Weights are those of one layer of `torch.nn` in its order: for each direction w_ih,
w_hh, then b_ih and b_hh where there are biases, then w_hr where an LSTM has a projection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
"""What comes before `_layer` in the ops' names; torch's own ops for whole stacks have these names"""


class LayerWeights(NamedTuple):
    """The weights of a layer in one direction by their names in torch; None is what it has not."""

    w_ih: Any
    w_hh: Any
    b_ih: Any
    b_hh: Any
    w_hr: Any


def name_weights(weights: Sequence[Any], directions: int) -> list[LayerWeights]:
    """Tell the weights of a layer apart, by direction: two, with biases four, and one more with a projection."""
    share = len(weights) // directions
    return [_name_direction(weights[start : start + share]) for start in range(0, len(weights), share)]


def _name_direction(weights: Sequence[Any]) -> LayerWeights:
    b_ih, b_hh = weights[2:4] if len(weights) >= 4 else (None, None)
    return LayerWeights(weights[0], weights[1], b_ih, b_hh, weights[-1] if len(weights) % 2 else None)


@functools.cache
def define_ops() -> None:
    """Make the ops known to torch; again, it does nothing."""
    import torch

    for kind in KINDS:
        name, state = f"testpress::{kind}_layer", ", Tensor" if kind == "lstm" else ""
        schema = f"(Tensor x, Tensor[] states, Tensor[] weights) -> (Tensor, Tensor{state})"
        torch.library.define(name, schema)
        torch.library.impl(name, "CPU", _computation(getattr(torch, kind)))
        torch.library.register_fake(name, _describe)


def _computation(stack: Callable[..., Any]) -> Callable[..., tuple[Tensor, ...]]:
    """By torch's op for stacks, of which this is one of one layer."""

    def compute(x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        directions = states[0].shape[0]
        biased = name_weights(weights, directions)[0].b_ih is not None
        first = [state.contiguous() for state in states]
        given = first if len(first) > 1 else first[0]
        results: tuple[Tensor, ...] = stack(x, given, list(weights), biased, 1, 0.0, False, directions == 2, False)
        return results

    return compute


def _describe(x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:  # noqa: ARG001
    directions, batch, size = states[0].shape
    y = x.new_empty(x.shape[0], batch, directions * size)
    return y, *(state.new_empty(state.shape) for state in states)

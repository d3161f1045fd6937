"""Torch ops for one layer of a recurrence in one direction, which stay whole on their way to both formats.

torch's own `aten.lstm`, `aten.gru` and `aten.rnn_*` hold layers, directions and batch-first in one op, and exporters
take them apart frame by frame. Each of these is one loop, which a format lowers to its own op or loop:

- `testpress::lstm_layer(x, states, weights, reverse) -> (y, h, c)`
- `testpress::gru_layer`, `rnn_tanh_layer`, `rnn_relu_layer(x, states, weights, reverse) -> (y, h)`

x is (frame, batch, input), y (frame, batch, output), a state (batch, size). Weights are those of one layer of
`torch.nn` in its order: w_ih, w_hh, then b_ih and b_hh where there are biases, then w_hr where an LSTM has a
projection. A reversed layer goes from the last frame to the first and gives y in the order of x, as torch does.
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
    """The weights of a layer by their names in torch; None is what it has not."""

    w_ih: Any
    w_hh: Any
    b_ih: Any
    b_hh: Any
    w_hr: Any


def name_weights(weights: Sequence[Any]) -> LayerWeights:
    """Tell the weights of a layer apart: two, with biases four, and one more with a projection."""
    b_ih, b_hh = weights[2:4] if len(weights) >= 4 else (None, None)
    return LayerWeights(weights[0], weights[1], b_ih, b_hh, weights[-1] if len(weights) % 2 else None)


@functools.cache
def define_ops() -> None:
    """Make the ops known to torch; again, it does nothing."""
    import torch

    for kind in KINDS:
        name, state = f"testpress::{kind}_layer", ", Tensor" if kind == "lstm" else ""
        schema = f"(Tensor x, Tensor[] states, Tensor[] weights, bool reverse) -> (Tensor, Tensor{state})"
        torch.library.define(name, schema)
        torch.library.impl(name, "CPU", _computation(getattr(torch, kind)))
        torch.library.register_fake(name, _describe)


def _computation(stack: Callable[..., Any]) -> Callable[..., tuple[Tensor, ...]]:
    """By torch's op for stacks, of which this is one of one layer."""

    def compute(x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor], reverse: bool) -> tuple[Tensor, ...]:
        biased = name_weights(weights).b_ih is not None
        first = [state[None].contiguous() for state in states]
        frames = x.flip(0) if reverse else x
        whole = first if len(first) > 1 else first[0]
        y, *last = stack(frames, whole, list(weights), biased, 1, 0.0, False, False, False)
        return (y.flip(0) if reverse else y), *(state[0].clone() for state in last)

    return compute


def _describe(x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor], reverse: bool) -> tuple[Tensor, ...]:  # noqa: ARG001
    y = x.new_empty(x.shape[0], x.shape[1], states[0].shape[1])
    return y, *(state.new_empty(state.shape) for state in states)

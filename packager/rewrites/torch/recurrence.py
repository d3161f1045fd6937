"""Recurrent layers as loops, not as one piece of graph a frame.

Replaces: `aten.lstm.input`, `aten.gru.input`, `aten.rnn_tanh.input` and `aten.rnn_relu.input`.
Why: litert-torch 0.10 unrolls them: a two-layer bidirectional LSTM over 256 frames took 204 s and ten times the size of
    its weights. coremltools 9.0 makes a loop of every GRU, and refuses an LSTM with projections.
Given: a stack of layers in one or two directions. Result: one op of `recurrent_ops` a layer, which the formats'
    lowerings turn into the format's own op or loop.
Equal because: it is how torch defines the stack: each layer reads what the one before wrote; dropout does nothing
    outside of training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from packager.errors import PackagingError
from packager.rewrites.torch.recurrent_ops import KINDS, define_ops

if TYPE_CHECKING:
    from torch import Tensor

NAME = "recurrence"


class _Stack(NamedTuple):
    """How torch's ops for stacks say what is stacked."""

    has_biases: bool
    num_layers: int
    dropout: float
    train: bool
    bidirectional: bool
    batch_first: bool


def replacements() -> dict[Any, Callable[..., Any]]:
    """The recurrent ops of torch, each with what replaces it."""
    import torch

    define_ops()
    return {getattr(torch.ops.aten, kind).input: _replacement(kind) for kind in KINDS}


def _replacement(kind: str) -> Callable[..., Any]:
    def replace(x: Tensor, states: Any, params: Sequence[Tensor], *options: Any) -> tuple[Tensor, ...]:
        """Arguments: frames, first states (layer and direction, batch, size), all weights, and a `_Stack`."""
        import torch

        layer = getattr(torch.ops.testpress, f"{kind}_layer").default
        given = list(states) if isinstance(states, list | tuple) else [states]
        return _unstack(layer, x, given, params, _Stack(*options))

    return replace


def _unstack(
    layer: Callable[..., Any], x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], stack: _Stack
) -> tuple[Tensor, ...]:
    import torch

    if stack.train and stack.dropout:
        raise PackagingError(f"dropout of {stack.dropout} is active; call eval() on the model before it is exported")
    directions = 2 if stack.bidirectional else 1
    share = len(params) // stack.num_layers
    frames = x.transpose(0, 1) if stack.batch_first else x
    last = []
    for at in range(stack.num_layers):
        first = [state[at * directions : (at + 1) * directions] for state in states]
        frames, *after = layer(frames, first, params[at * share : (at + 1) * share])
        last.append(after)
    joined = (torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*last, strict=True))
    return (frames.transpose(0, 1) if stack.batch_first else frames), *joined

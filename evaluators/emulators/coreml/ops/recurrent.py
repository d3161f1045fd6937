"""Recurrent layers. Source: recurrent.py of iOS15, iOS17 (float16 added) and iOS18 (gru's `reset_after`, `input_bias`).

Where the MIL documentation is silent, and what is taken:

- A reversed layer gives its frames in the order it computes them, last frame of the input first; a bidirectional one
  gives the reversed half in the order of the input. Source: coremltools' op tests for reverse layers; the documentation
  of `BiDirectionalLSTMLayerParams` in Core ML's NeuralNetwork.proto.
- `hard_sigmoid` is `min(max(0.2 x + 0.5, 0), 1)`, `scaled_tanh` is tanh, `linear` is the identity, as no op takes their
  parameters. Source: coremltools' op tests, "standard default values".
- lstm's peephole multiplies `c[t-1]` in the input and forget gates and `c[t]` in the output gate; `clip` holds `c[t]`
  itself. Source: NeuralNetwork.proto for the former, coremltools' op tests for the latter.
- gru's reset gate multiplies `h[t-1]` before the product with the weights; with `reset_after` it multiplies the product
  and `bias`, while `input_bias` stays outside. Source: MPSGraph's documentation of GRU; Keras' flag of the same name.

States are kept in float32 from frame to frame; only the results are rounded to float16.

All shapes are held against the weights' before a layer runs, see `recurrent_sizes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.recurrent_sizes import Sizes, described, sized
from evaluators.emulators.coreml.ops.registry import op
from evaluators.errors import EvaluationError

States = tuple[Tensor, ...]
"""What a layer carries from frame to frame, each (batch, hidden); the first is its output"""

Layer = Callable[[Tensor, States], tuple[Tensor, States]]
"""frames (sequence, batch, input), at least one, and the states before → outputs of all frames, states after"""

_Uncelled = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x, initial_h) → outputs, last h: what the layers without a cell state compute"""


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": lambda x: torch.clamp(x * 0.2 + 0.5, 0.0, 1.0),
    "linear": lambda x: x,
    "relu": torch.relu,
    "scaled_tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sigmoid_hard": lambda x: torch.clamp(x * 0.2 + 0.5, 0.0, 1.0),
    "tanh": torch.tanh,
}


@op("rnn", operands=("x", "initial_h"))
def rnn(
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    activation: str = "tanh",
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """`h[t] = activation(W_ih x[t] + W_hh h[t-1] + bias)` (iOS15); the outputs, or the last only, and the last."""
    sizes = sized("rnn", 1, weight_ih, weight_hh, bias=(bias, 1))
    function, recurrent = _activation("rnn", activation), weight_hh.t().contiguous()

    def step(frame: Tensor, states: States) -> States:
        return (function(torch.addmm(frame, states[0], recurrent)),)

    return _one_way(sizes, _stepped(weight_ih, bias, step), direction, output_sequence)


@op("gru", operands=("x", "initial_h"))
def gru(
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """`h[t] = (1 - z) · o + z · h[t-1]`, with `o = activation(W_io x[t] + W_ho (r · h[t-1]) + bias_o)` (iOS15)."""
    sizes = sized("gru", 3, weight_ih, weight_hh, bias=(bias, 3))
    gate, new, size = _activation("gru", recurrent_activation), _activation("gru", activation), sizes.hidden
    gates_hh, output_hh = (part.t().contiguous() for part in _output_last(weight_hh).split_with_sizes((2 * size, size)))

    def step(frame: Tensor, states: States) -> States:
        (before,) = states
        reset, update = gate(torch.addmm(frame[:, : 2 * size], before, gates_hh)).chunk(2, 1)
        candidate = new(torch.addmm(frame[:, 2 * size :], reset * before, output_hh))
        return (torch.lerp(candidate, before, update),)

    layer = _stepped(_output_last(weight_ih), None if bias is None else _output_last(bias), step)
    return _one_way(sizes, layer, direction, output_sequence)


@op("gru", since=18, operands=("x", "initial_h"))
def gru_18(
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,
    input_bias: Tensor | None = None,
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """As before, or with `o = activation(W_io x[t] + input_bias_o + r · (W_ho h[t-1] + bias_o))` (iOS18)."""
    sizes = sized("gru", 3, weight_ih, weight_hh, bias=(bias, 3), input_bias=(input_bias, 3))
    if not reset_after:
        both = bias if input_bias is None else input_bias if bias is None else bias + input_bias
        return gru(weight_ih, weight_hh, both, direction, output_sequence, recurrent_activation, activation)
    gate, new, size = _activation("gru", recurrent_activation), _activation("gru", activation), sizes.hidden
    recurrent = _output_last(weight_hh)
    offset = recurrent.new_zeros(3 * size) if bias is None else _output_last(bias)

    def step(frame: Tensor, states: States) -> States:
        (before,) = states
        product = F.linear(before, recurrent, offset)
        reset, update = gate(frame[:, : 2 * size] + product[:, : 2 * size]).chunk(2, 1)
        candidate = new(torch.addcmul(frame[:, 2 * size :], reset, product[:, 2 * size :]))
        return (torch.lerp(candidate, before, update),)

    layer = _stepped(_output_last(weight_ih), None if input_bias is None else _output_last(input_bias), step)
    return _one_way(sizes, layer, direction, output_sequence)


@op("lstm", operands=("x", "initial_h", "initial_c"))
def lstm(
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Long short-term memory (iOS15); the outputs, or the last only, and the last h and c.

    `c[t] = f · c[t-1] + i · z` and `h[t] = o · activation(c[t])`.
    """
    sizes = sized("lstm", 4, weight_ih, weight_hh, bias=(bias, 4), peephole=(peephole, 3))
    cell = _Cell(recurrent_activation.lower(), cell_activation.lower(), activation.lower(), clip)
    forward = _lstm_layer(cell, weight_ih, weight_hh, bias, peephole)
    if direction != "bidirectional":
        reverse = _is_reverse("lstm", direction, "forward, reverse or bidirectional")

        def compute(x: Tensor, initial_h: Tensor, initial_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            sizes.check(x, initial_h=initial_h, initial_c=initial_c)
            outputs, (hidden, memory) = _run(forward, x.flip(0) if reverse else x, (initial_h, initial_c))
            return (outputs if output_sequence else hidden[None]), hidden, memory

        return compute
    if weight_ih_back is None or weight_hh_back is None:
        raise EvaluationError("lstm is bidirectional but lacks weight_ih_back or weight_hh_back")
    back_vectors = {"bias_back": (bias_back, 4), "peephole_back": (peephole_back, 3)}
    sizes_back = sized("lstm", 4, weight_ih_back, weight_hh_back, **back_vectors)
    if (sizes.input, sizes.hidden) != (sizes_back.input, sizes_back.hidden):
        raise EvaluationError(
            f"lstm has weight_ih_back of {described(weight_ih_back)} and weight_hh_back of"
            f" {described(weight_hh_back)}; expected the shapes of the forward half, {list(weight_ih.shape)} and"
            f" {list(weight_hh.shape)}"
        )
    both = replace(sizes, directions=2)
    backward = _lstm_layer(cell, weight_ih_back, weight_hh_back, bias_back, peephole_back)

    def compute_both(x: Tensor, initial_h: Tensor, initial_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both.check(x, initial_h=initial_h, initial_c=initial_c)
        states = zip(initial_h.chunk(2, 1), initial_c.chunk(2, 1), strict=True)
        ahead, (hidden, memory) = _run(forward, x, next(states))
        back, (hidden_back, memory_back) = _run(backward, x.flip(0), next(states))
        last = torch.cat((hidden, hidden_back), 1)
        outputs = torch.cat((ahead, back.flip(0)), 2) if output_sequence else last[None]
        return outputs, last, torch.cat((memory, memory_back), 1)

    return compute_both


@dataclass(frozen=True)
class _Cell:
    """What the gates of an lstm apply."""

    gate: str
    candidate: str
    output: str
    clip: float | None

    @property
    def is_default(self) -> bool:
        return self == _Cell("sigmoid", "tanh", "tanh", None)


def _lstm_layer(
    cell: _Cell, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor | None, peephole: Tensor | None
) -> Layer:
    if cell.is_default and peephole is None:
        return _fused_lstm(weight_ih, weight_hh, bias)
    size, recurrent, clip = weight_hh.shape[1], weight_hh.t().contiguous(), cell.clip
    gate, new, final = (_activation("lstm", name) for name in (cell.gate, cell.candidate, cell.output))
    pairs, single = (None, None) if peephole is None else (peephole[: 2 * size], peephole[2 * size :])

    def step(frame: Tensor, states: States) -> States:
        hidden, memory = states
        gates, output, candidate = torch.addmm(frame, hidden, recurrent).split_with_sizes((2 * size, size, size), 1)
        if pairs is not None:
            gates = torch.addcmul(gates, memory.repeat(1, 2), pairs)
        admit, keep = gate(gates).chunk(2, 1)
        memory = torch.addcmul(keep * memory, admit, new(candidate))
        if clip is not None:
            memory = memory.clamp(-clip, clip)
        if single is not None:
            output = torch.addcmul(output, memory, single)
        return gate(output) * final(memory), memory

    return _stepped(weight_ih, bias, step)


def _fused_lstm(weight_ih: Tensor, weight_hh: Tensor, bias: Tensor | None) -> Layer:
    """By torch's kernel: 256 frames of 128 take 1.3 ms on one x86 core, and 9.5 ms by `_stepped`."""
    order = (0, 1, 3, 2)  # torch has the candidate before the output gate
    weights = [torch.cat([weight.chunk(4)[i] for i in order]) for weight in (weight_ih, weight_hh)]
    if bias is not None:
        offset = torch.cat([bias.chunk(4)[i] for i in order])
        weights += [offset, torch.zeros_like(offset)]

    def run(x: Tensor, states: States) -> tuple[Tensor, States]:
        start = [state[None].contiguous() for state in states]
        outputs, hidden, memory = torch.lstm(x, start, weights, bias is not None, 1, 0.0, False, False, False)
        return outputs, (hidden[0], memory[0])

    return run


def _stepped(weight_ih: Tensor, bias: Tensor | None, step: Callable[[Tensor, States], States]) -> Layer:
    """A layer from what one frame does; the inputs' product with the weights is taken for all frames at once."""

    def run(x: Tensor, states: States) -> tuple[Tensor, States]:
        outputs = []
        for frame in F.linear(x, weight_ih, bias).unbind(0):
            states = step(frame, states)
            outputs.append(states[0])
        return torch.stack(outputs), states

    return run


def _run(layer: Layer, x: Tensor, states: States) -> tuple[Tensor, States]:
    """The layer's results; of no frames, no outputs and the states as they were."""
    return layer(x, states) if len(x) else (x.new_empty(0, *states[0].shape), states)


def _one_way(sizes: Sizes, layer: Layer, direction: str, output_sequence: bool) -> _Uncelled:
    reverse = _is_reverse(sizes.kind, direction, "forward or reverse")

    def compute(x: Tensor, initial_h: Tensor) -> tuple[Tensor, Tensor]:
        sizes.check(x, initial_h=initial_h)
        outputs, (hidden,) = _run(layer, x.flip(0) if reverse else x, (initial_h,))
        return (outputs if output_sequence else hidden[None]), hidden

    return compute


def _output_last(stacked: Tensor) -> Tensor:
    """Weights or biases of gru's gates in the order reset, update, output; files have the output second."""
    reset, output, update = stacked.chunk(3)
    return torch.cat((reset, update, output))


def _is_reverse(kind: str, direction: str, known: str) -> bool:
    if direction not in ("forward", "reverse"):
        raise EvaluationError(f"{kind} has direction {direction!r}; expected {known}")
    return direction == "reverse"


def _activation(kind: str, name: str) -> Callable[[Tensor], Tensor]:
    if name.lower() not in _ACTIVATIONS:
        raise EvaluationError(f"{kind} has activation {name!r}; expected {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name.lower()]

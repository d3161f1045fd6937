"""The shapes of a recurrent layer's weights, frames and states, held against each other.

torch's own kernel for lstm looks at none of them: of states of another batch than the frames' it reads and writes what
lies behind them in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from evaluators.emulators.coreml.ops.control_flow import MAX_ITERATIONS
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError


@dataclass(frozen=True)
class Sizes:
    """What a layer's weights say of everything else; the op's name is for messages."""

    kind: str
    input: int
    hidden: int
    gates: int
    directions: int = 1

    def check(self, x: Tensor, **states: Tensor) -> None:
        """Hold the frames and the states before against the weights.

        Raises:
            EvaluationError: A shape does not fit, the elements are no floats, or the results would be too large.
        """
        if x.ndim != 3 or x.shape[2] != self.input or not x.is_floating_point():
            raise EvaluationError(
                f"{self.kind} has x of {described(x)}; expected floats [sequence, batch, {self.input}]"
            )
        expected = (x.shape[1], self.directions * self.hidden)
        for name, state in states.items():
            if state.shape != expected or not state.is_floating_point():
                raise EvaluationError(
                    f"{self.kind} has {name} of {described(state)}; expected floats {list(expected)} (batch, hidden)"
                )
        check_size((*x.shape[:2], self.gates, self.hidden))
        if len(x) > MAX_ITERATIONS:
            raise EvaluationError(f"{self.kind} has {len(x):,} frames; at most {MAX_ITERATIONS:,} are possible")


def sized(kind: str, gates: int, weight_ih: Tensor, weight_hh: Tensor, **vectors: tuple[Tensor | None, int]) -> Sizes:
    """The sizes of a layer.

    Args:
        kind: The op, for messages.
        gates: How many times the hidden size the weights have rows.
        weight_ih: (gates · hidden, input).
        weight_hh: (gates · hidden, hidden).
        vectors: By name, a bias or the like, and how many times the hidden size it is long.

    Raises:
        EvaluationError: A shape does not fit the others, or the elements are no floats.
    """
    hidden, size = weight_hh.shape[-1] if weight_hh.ndim else 0, weight_ih.shape[-1] if weight_ih.ndim else 0
    expected: dict[str, tuple[int, ...]] = {"weight_ih": (gates * hidden, size), "weight_hh": (gates * hidden, hidden)}
    expected |= {name: (times * hidden,) for name, (_, times) in vectors.items()}
    found = {"weight_ih": weight_ih, "weight_hh": weight_hh, **{name: vector for name, (vector, _) in vectors.items()}}
    for name, value in found.items():
        if value is not None and (value.shape != expected[name] or not value.is_floating_point()):
            raise EvaluationError(
                f"{kind} has {name} of {described(value)}; expected floats {list(expected[name])}, as weight_hh has"
                f" {hidden} columns"
            )
    if not hidden or not size:
        raise EvaluationError(f"{kind} has weights for {size} inputs and {hidden} outputs; expected at least 1 of each")
    return Sizes(kind, size, hidden, gates)


def described(value: Tensor) -> str:
    """Shape and element type, for messages."""
    return f"shape {list(value.shape)} ({str(value.dtype).removeprefix('torch.')})"

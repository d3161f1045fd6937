"""What a loop does, read from its graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.interpreter import Call, Interpreter, constant, is_known, known, resolve, short_name
from packager.rewrites.tensorflow.tensor_lists import TensorList

Values = Mapping[int, Any]


@dataclass(frozen=True)
class Loop:
    """A loop, read.

    Attributes:
        name: Of the op, for messages.
        condition: Graph.
        body: Graph.
        start: Values of the variables before the first round.
        invariant: Variables that no round changes.
        counters: Whole numbers that grow by the same amount each round: variable → amount.
        rounds: How many there are; None where that depends on the input.
    """

    name: str
    condition: Any
    body: Any
    start: Sequence[Any]
    invariant: frozenset[int]
    counters: Mapping[int, int]
    rounds: int | None
    products: Sequence[tuple[str, TensorList, int]] = ()
    """tensors of the body that are read from a list instead, at a counter"""

    @property
    def varying(self) -> list[int]:
        """Variables that are neither invariant nor, where the rounds are counted, counters."""
        counted = self.counters if self.rounds is not None else {}
        return [k for k in range(len(self.start)) if k not in self.invariant and k not in counted]

    def count(self, variable: int, rounds: Any) -> Any:
        """A counter's value after a number of rounds, which may be a tensor."""
        import tensorflow as tf

        first, step = int(known(self.start[variable])), self.counters[variable]
        dtype = self.body.inputs[variable].dtype
        if isinstance(rounds, int):
            return constant(np.array(first + step * rounds, dtype.as_numpy_dtype))
        value = rounds if dtype == rounds.dtype else tf.cast(rounds, dtype)
        value = value if step == 1 else value * step
        return value if first == 0 else value + first

    def run_round(self, interpreter: Interpreter, values: Values, rounds: Any) -> dict[int, Any]:
        """The varying variables after one more round.

        Args:
            interpreter: Runs the body.
            values: The varying variables before it.
            rounds: How many rounds went before, a number or a tensor.
        """
        given = {self.body.inputs[k].name: self.start[k] for k in self.invariant}
        given |= {self.body.inputs[k].name: value for k, value in values.items()}
        if self.rounds is not None:
            given |= {self.body.inputs[k].name: self.count(k, rounds) for k in self.counters}
        for name, listed, counter in self.products:
            given[name] = listed.read(self.count(counter, rounds), interpreter)
        results = interpreter.run(self.body, given, [self.body.outputs[k] for k in self.varying])
        return dict(zip(self.varying, results, strict=True))


def read_loop(call: Call) -> Loop:
    """What a `While` op does, as far as its graphs tell."""
    interpreter = call.interpreter
    condition, body = (interpreter.function(call.attribute(name).name) for name in ("cond", "body"))
    start = list(call.values)
    invariant = frozenset(k for k in range(len(start)) if resolve(body.outputs[k]) is body.inputs[k])
    counters = {k: step for k in range(len(start)) if k not in invariant and (step := _step(k, body, start, invariant))}
    loop = Loop(short_name(call.op), condition, body, start, invariant, counters, None)
    return replace(loop, rounds=_count_rounds(loop))


def _fixed(tensor: Any, graph: Any, start: Sequence[Any], invariant: frozenset[int]) -> Any:
    """A tensor of a loop's graph as a number, where it is the same in every round."""
    from tensorflow.python.framework import tensor_util

    tensor = resolve(tensor)
    if tensor.op.type == "Const":
        return tensor_util.MakeNdarray(tensor.op.node_def.attr["value"].tensor)
    place = next((k for k, one in enumerate(graph.inputs) if one is tensor), None)
    return known(start[place]) if place in invariant else None


def _step(k: int, body: Any, start: Sequence[Any], invariant: frozenset[int]) -> int:
    """By how much a round raises a counter; 0 for what is none."""
    first = known(start[k])
    result = resolve(body.outputs[k])
    if first is None or first.ndim or first.dtype.kind != "i" or result.op.type not in {"AddV2", "Add"}:
        return 0
    one, other = (resolve(tensor) for tensor in result.op.inputs)
    if other is body.inputs[k]:
        one, other = other, one
    amount = _fixed(other, body, start, invariant) if one is body.inputs[k] else None
    return int(amount) if amount is not None and not amount.ndim and amount > 0 else 0


def _count_rounds(loop: Loop) -> int | None:
    limits = _limits(loop.condition.outputs[0], loop)
    if not limits:
        return None
    rounds = [-(-(limit - int(known(loop.start[k]))) // loop.counters[k]) for k, limit in limits]
    return max(0, min(rounds))  # a loop ends when the first of its limits is reached


def _limits(tensor: Any, loop: Loop) -> list[tuple[int, int]] | None:
    """(counter, what it must stay below), all of which must hold; None where the condition says anything else."""
    tensor = resolve(tensor)
    op = tensor.op
    if op.type == "LogicalAnd":
        one, other = (_limits(part, loop) for part in op.inputs)
        return None if one is None or other is None else one + other
    if op.type not in {"Less", "LessEqual"}:
        return None
    counter, bound = (resolve(part) for part in op.inputs)
    limit = _fixed(bound, loop.condition, loop.start, loop.invariant)
    place = next((k for k, one in enumerate(loop.condition.inputs) if one is counter), None)
    if limit is None or place is None or place not in loop.counters or np.ndim(limit):
        return None
    return [(place, int(limit) + (op.type == "LessEqual"))]


def find_kernel(op: Any, loop: Loop, interpreter: Interpreter) -> Any:
    """The weights of a `MatMul` in a body, (input, output), where they are known; else None.

    What they are computed from may be more than a constant.
    """
    weights = resolve(op.inputs[1])
    given = {loop.body.inputs[k].name: loop.start[k] for k in loop.invariant}
    if not depends_only_on(weights, given):
        return None
    (value,) = interpreter.run(loop.body, given, [weights])
    if not is_known(value):
        return None
    return value.numpy().T if op.get_attr("transpose_b") else value.numpy()


def depends_only_on(tensor: Any, names: Mapping[str, Any]) -> bool:
    """Whether a tensor is computed from constants and the tensors of these names alone."""
    waiting, seen = [tensor], set()
    while waiting:
        current = waiting.pop()
        if current.name in names or current.name in seen:
            continue
        seen.add(current.name)
        if current.op.type == "Placeholder":
            return False
        waiting += list(current.op.inputs)
    return True

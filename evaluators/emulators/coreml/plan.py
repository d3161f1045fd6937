"""A function of a program as a flat list of steps over numbered slots.

`planner` makes it. A run walks the steps: no parsing, no look-up by name. A slot is emptied after its last use, so
memory is what is alive.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evaluators.emulators.coreml.program import Operation
from evaluators.errors import EvaluationError

Slots = list[Any]
"""The values of one run, by slot number; none where nothing is alive"""


@dataclass(frozen=True)
class PlannedOp:
    """What an observer is told of one op's output."""

    index: int
    """the step's place in the plan"""
    kind: str
    name: str
    """the op's own name"""
    output: str
    """the name of the output, by which later ops refer to it"""
    dtype: str
    """the element type the program declares, for example float16"""


Observer = Callable[[PlannedOp, torch.Tensor], torch.Tensor | None]
"""Sees every op's output; a tensor it returns takes the output's place, as it is"""


@dataclass(frozen=True)
class Step:
    """One op of a plan."""

    call: Callable[..., Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...]
    """slots that nothing after this step reads"""
    infos: tuple[PlannedOp, ...]
    """one an output"""
    operation: Operation
    """what the step was made from"""


@dataclass(frozen=True)
class Plan:
    """A function, ready to run."""

    where: str
    steps: tuple[Step, ...]
    template: tuple[Any, ...]
    """the slots before a run: constants that are outputs, else nothing"""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @functools.cached_property
    def _rows(
        self,
    ) -> tuple[tuple[Step, Callable[..., Any], Callable[[Slots], Sequence[Any]], int, tuple[int, ...]], ...]:
        """What `advance` needs of each step: itself, its call, what takes its inputs, its only output or -1, its frees.

        Loops of small ops, such as converted GRUs, spend a good part of their time here.
        """
        return tuple(
            (step, step.call, _taken(step.inputs), step.outputs[0] if len(step.outputs) == 1 else -1, step.frees)
            for step in self.steps
        )

    def start(self, values: Sequence[Any]) -> Slots:
        """The slots before the first step; `values` are the inputs, in the function's order."""
        slots = list(self.template)
        for slot, value in zip(self.inputs, values, strict=True):
            slots[slot] = value
        return slots

    def advance(self, slots: Slots, begin: int = 0) -> None:
        """Run the steps from `begin` on.

        Raises:
            EvaluationError: An op cannot compute what it is given.
        """
        step = self.steps[begin]
        try:
            for step, call, arguments, output, frees in self._rows[begin:] if begin else self._rows:
                result = call(*arguments(slots))
                if output >= 0:
                    slots[output] = result
                else:
                    for slot, value in zip(step.outputs, result, strict=True):
                        slots[slot] = value
                for slot in frees:
                    slots[slot] = None
        except EvaluationError as fault:
            raise placed(self.where, step.operation, fault) from fault.__cause__
        except Exception as fault:  # torch objects to shapes and values with errors of many types
            raise refused(self.where, step.operation, fault) from fault

    def compute(self, index: int, slots: Slots) -> tuple[Any, ...]:
        """The outputs of one step; nothing is stored or freed.

        Raises:
            EvaluationError: The op cannot compute what it is given.
        """
        step = self.steps[index]
        try:
            result = step.call(*[slots[i] for i in step.inputs])
        except EvaluationError as fault:
            raise placed(self.where, step.operation, fault) from fault.__cause__
        except Exception as fault:  # as above
            raise refused(self.where, step.operation, fault) from fault
        return (result,) if len(step.outputs) == 1 else tuple(result)

    def run_observed(self, values: Sequence[Any], observer: Observer) -> list[Any]:
        """As `run`, showing every op's outputs to an observer."""
        slots = self.start(values)
        for index, step in enumerate(self.steps):
            for slot, info, value in zip(step.outputs, step.infos, self.compute(index, slots), strict=True):
                replacement = observer(info, value) if isinstance(value, torch.Tensor) else None
                slots[slot] = value if replacement is None else replacement
            for slot in step.frees:
                slots[slot] = None
        return self.results(slots)

    def results(self, slots: Slots) -> list[Any]:
        """The function's outputs, after the last step."""
        return [slots[slot] for slot in self.outputs]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Inputs to outputs, both in the function's order."""
        slots = self.start(values)
        if self.steps:
            self.advance(slots)
        return self.results(slots)


def _taken(inputs: tuple[int, ...]) -> Callable[[Slots], Sequence[Any]]:
    """A function of the slots that returns a sequence of these."""
    if len(inputs) > 1:
        return operator.itemgetter(*inputs)
    return operator.itemgetter(slice(inputs[0], inputs[0] + 1) if inputs else slice(0))


def refused(where: str, operation: Operation, fault: Exception) -> EvaluationError:
    """The error for an op that cannot compute what it is given."""
    text = str(fault).split("\n", 1)[0]
    return EvaluationError(f"{where}: op {operation.kind} ({operation.name}) failed: {type(fault).__name__}: {text}")


def placed(where: str, operation: Operation, fault: EvaluationError) -> EvaluationError:
    """An op's own complaint with its place; one from a nested block has its place already."""
    if str(fault).startswith(where):
        return fault
    return EvaluationError(f"{where}: op {operation.kind} ({operation.name}): {fault}")

"""A function of a program as a flat list of steps over numbered slots.

`planner` makes it. A run walks the steps: no parsing, no look-up by name. A slot is emptied after its last use, so
memory is what is alive.

The block of a loop is a plan too. Steps that depend on nothing but values from outside the loop run in its first round
only, each in its place, so an op that fails does so when and where it would have; later rounds find their values.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evaluators.emulators.coreml.ownership import is_alone
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
    is_pure: bool = True
    """whether the same inputs give the same outputs, with no other effect"""
    reused: int | None = None
    """the input slot whose value `into` may write to"""
    into: Callable[..., Any] | None = None
    """as `call`, for when nobody else needs that value"""


Row = tuple[Step, Callable[..., Any], Callable[[Slots], Sequence[Any]], int, tuple[int, ...]]
"""What a run needs of a step: itself, its call, what takes its inputs, its only output or -1, its frees.

Loops of small ops, such as converted GRUs, spend a good part of their time on it."""


@dataclass(frozen=True)
class Plan:
    """A function, ready to run."""

    where: str
    steps: tuple[Step, ...]
    template: tuple[Any, ...]
    """the slots before a run: constants that are outputs, else nothing"""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    invariant: frozenset[int] = frozenset()
    """of a nested block: the steps that depend on nothing but values captured from outside"""

    @functools.cached_property
    def _rows(self) -> tuple[Row, ...]:
        return tuple(_row(step) for step in self.steps)

    @functools.cached_property
    def kept(self) -> tuple[int, ...]:
        """Slots of invariant values that the other steps read, or that are outputs."""
        needed = {slot for i, step in enumerate(self.steps) if i not in self.invariant for slot in step.inputs}
        made = dict.fromkeys(slot for i in sorted(self.invariant) for slot in self.steps[i].outputs)
        return tuple(slot for slot in made if slot in needed or slot in self.outputs)

    @functools.cached_property
    def first_rows(self) -> tuple[Row, ...]:
        """All steps; what is `kept` stays."""
        return tuple(_row(step, stay=self.kept) for step in self.steps) if self.kept else self._rows

    @functools.cached_property
    def later_rows(self) -> tuple[Row, ...]:
        """The steps of all rounds of a loop but the first."""
        return tuple(row for i, row in enumerate(self._rows) if i not in self.invariant)

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
        self.walk(self._rows[begin:] if begin else self._rows, slots)

    def walk(self, rows: Sequence[Row], slots: Slots) -> None:
        """As `advance`, of these rows."""
        if not rows:
            return
        step = rows[0][0]
        try:
            for step, call, arguments, output, frees in rows:
                if output >= 0:
                    slots[output] = call(*arguments(slots))  # no name for it, which would hold it until the next step
                else:
                    _store(call(*arguments(slots)), step.outputs, slots)
                for slot in frees:
                    slots[slot] = None
        except EvaluationError as fault:
            raise with_location(self.where, step.operation, fault) from fault.__cause__
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
            raise with_location(self.where, step.operation, fault) from fault.__cause__
        except Exception as fault:  # as above
            raise refused(self.where, step.operation, fault) from fault
        return (result,) if len(step.outputs) == 1 else tuple(result)

    def store(self, index: int, values: Sequence[Any], slots: Slots) -> None:
        """Put one step's outputs where later steps find them, and free what nothing reads after it."""
        step = self.steps[index]
        _store(values, step.outputs, slots)
        for slot in step.frees:
            slots[slot] = None

    def run_observed(self, values: Sequence[Any], observer: Observer) -> list[Any]:
        """As `run`, showing every op's outputs to an observer."""
        slots = self.start(values)
        for index, step in enumerate(self.steps):
            pairs = zip(step.infos, self.compute(index, slots), strict=True)
            self.store(index, [_shown(info, value, observer) for info, value in pairs], slots)
        return self.results(slots)

    def results(self, slots: Slots) -> list[Any]:
        """The function's outputs, after the last step."""
        return [slots[slot] for slot in self.outputs]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Inputs to outputs, both in the function's order."""
        slots = self.start(values)
        self.advance(slots)
        return self.results(slots)


class BoundBlock:
    """A nested block with the values it reads from outside, for one run of the op it belongs to."""

    def __init__(self, plan: Plan, captured: Sequence[Any]) -> None:
        self._plan = plan
        self._n_inputs = len(plan.inputs) - len(captured)  # they have the first slots
        self._is_new = True
        slots = list(plan.template)
        for slot, value in zip(plan.inputs[self._n_inputs :], captured, strict=True):
            slots[slot] = value
        self._rest = slots[self._n_inputs :]

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The block's outputs for its inputs."""
        return tuple(self.advance(list(values)))

    def advance(self, values: list[Any]) -> list[Any]:
        """As a call, but the list is emptied: what nobody else holds is freed as soon as it can be."""
        slots = [*values, *self._rest]
        values.clear()
        if self._is_new:
            self._plan.walk(self._plan.first_rows, slots)
            for slot in self._plan.kept:
                self._rest[slot - self._n_inputs] = slots[slot]
            self._is_new = False
        else:
            self._plan.walk(self._plan.later_rows, slots)
        return self._plan.results(slots)


def _row(step: Step, stay: Sequence[int] = ()) -> Row:
    frees = tuple(slot for slot in step.frees if slot not in stay)
    output = step.outputs[0] if len(step.outputs) == 1 else -1
    if step.into is not None and step.reused in frees:
        return step, _reusing(step), _all_slots, output, frees
    return step, step.call, _taken(step.inputs), output, frees


def _reusing(step: Step) -> Callable[[Slots], Any]:
    """The step's call, made on all slots, writing into the value it may reuse where that is nobody else's."""
    call, into, reused, arguments = step.call, step.into, step.reused, _taken(step.inputs)
    assert into is not None
    assert reused is not None
    return lambda slots: (into if is_alone(slots, reused) else call)(*arguments(slots))


def _store(values: Sequence[Any], outputs: tuple[int, ...], slots: Slots) -> None:
    for slot, value in zip(outputs, values, strict=True):
        slots[slot] = value


def _shown(info: PlannedOp, value: Any, observer: Observer) -> Any:
    """The value, or what the observer puts in its place."""
    replacement = observer(info, value) if isinstance(value, torch.Tensor) else None
    return value if replacement is None else replacement


def _all_slots(slots: Slots) -> tuple[Slots]:
    return (slots,)


def _taken(inputs: tuple[int, ...]) -> Callable[[Slots], Sequence[Any]]:
    """A function of the slots that returns a sequence of these."""
    if len(inputs) > 1:
        return operator.itemgetter(*inputs)
    return operator.itemgetter(slice(inputs[0], inputs[0] + 1) if inputs else slice(0))


def refused(where: str, operation: Operation, fault: Exception) -> EvaluationError:
    """The error for an op that cannot compute what it is given."""
    text = str(fault).split("\n", 1)[0]
    return EvaluationError(f"{where}: op {operation.kind} ({operation.name}) failed: {type(fault).__name__}: {text}")


def with_location(where: str, operation: Operation, fault: EvaluationError) -> EvaluationError:
    """An op's own complaint with its place; one from a nested block has its place already."""
    if str(fault).startswith(where):
        return fault
    return EvaluationError(f"{where}: op {operation.kind} ({operation.name}): {fault}")

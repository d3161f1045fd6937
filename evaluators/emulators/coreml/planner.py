"""From a function of a program to its plan: constants folded, names become slots, ops bound to their arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evaluators.emulators.coreml.allocation import keep_freed_memory
from evaluators.emulators.coreml.binding import BoundOp, Slot, bind
from evaluators.emulators.coreml.constants import round_to_half, tensor_of
from evaluators.emulators.coreml.halves import half_variables, needs_no_rounding
from evaluators.emulators.coreml.ops import OpDefinition, find_op
from evaluators.emulators.coreml.plan import BoundBlock, Plan, PlannedOp, Step, refused, with_location
from evaluators.emulators.coreml.program import Block, Function, Named, Operation, Value
from evaluators.errors import EvaluationError


def make_plan(function: Function, where: str) -> Plan:
    """Plan a function: fold its constants, resolve its ops, count its slots.

    Raises:
        EvaluationError: An op is unknown, lacks a parameter, or refers to a name that is not there.
    """
    keep_freed_memory()
    return _Planner(function.opset, where).plan(function.inputs, function.block, {})


class _Planner:
    """Plans one function or one nested block."""

    def __init__(self, opset: str, where: str) -> None:
        self._opset = opset
        self._where = where
        self._template: list[Any] = []
        self._steps: list[Step] = []
        self._names: dict[str, Any] = {}
        self._outer: Mapping[str, Any] = {}
        self._captures: dict[str, Slot] = {}
        self._halves: frozenset[str] = frozenset()

    def plan(
        self,
        inputs: Sequence[Named],
        block: Block,
        outer: Mapping[str, Any],
        halves: Collection[int] = (),
    ) -> Plan:
        """Plan a block whose free names are those of `outer`; see `captures` for which of them it reads at run time.

        Args:
            inputs: The block's own.
            block: What to plan.
            outer: Name → constant or slot.
            halves: The inputs whose values are float16 ones, whatever their type.
        """
        self._outer = outer
        self._halves = frozenset(inputs[i].name for i in halves if i < len(inputs))
        input_slots = [self._define(named.name) for named in inputs]
        for position, operation in enumerate(block.operations):
            self._add(operation, position)
        outputs = tuple(self._output(name) for name in block.outputs)
        captured = [slot.index for slot in self._captures.values()]
        steps = _with_frees(self._steps, keep=set(outputs))
        slots = (*input_slots, *captured)
        return Plan(self._where, steps, tuple(self._template), slots, outputs, _invariant(steps, captured))

    @property
    def captures(self) -> tuple[str, ...]:
        """Names of the surrounding function the block reads; their values follow the block's own inputs."""
        return tuple(self._captures)

    def _define(self, name: str) -> int:
        self._template.append(None)
        self._names[name] = Slot(len(self._template) - 1)
        return len(self._template) - 1

    def _resolve(self, name: str, where: str) -> Any:
        if name in self._names:
            return self._names[name]
        if name not in self._outer:
            raise EvaluationError(f"{where}: refers to {name!r}, which nothing before it defines")
        if isinstance(self._outer[name], Slot):
            self._captures[name] = Slot(self._define(name))
            return self._captures[name]
        return self._outer[name]

    def _output(self, name: str) -> int:
        found = self._resolve(name, f"{self._where}: outputs")
        if isinstance(found, Slot):
            return found.index
        self._template.append(found)
        return len(self._template) - 1

    def _add(self, operation: Operation, position: int) -> None:
        output = operation.outputs[0].name if operation.outputs else operation.name
        where = f"{self._where}: op {position} ({output})"
        for named in operation.outputs:
            if named.name in self._names:
                raise EvaluationError(f"{where}: defines {named.name!r}, which is there already")
        if operation.kind == "const":
            self._add_constant(operation, where)
            return
        definition = find_op(operation.kind, self._opset, where=where)
        arguments = {
            parameter: [tensor_of(item) if isinstance(item, Value) else self._resolve(item, where) for item in argument]
            for parameter, argument in operation.inputs.items()
        }
        if "declared" in definition.forms:
            arguments["declared"] = [output.type for output in operation.outputs]
        try:
            if operation.blocks:
                bound = self._bind_blocks(operation, definition, arguments, where)
            else:
                bound = bind(definition, arguments, where=where)
            call = self._finished(bound.call, operation, definition)
            if not bound.slots and definition.folds:
                self._fold(operation, call())
                return
            reuse = self._reuse(operation, definition, arguments, where)
        except EvaluationError as fault:
            raise with_location(self._where, operation, fault) from fault.__cause__
        except Exception as fault:  # preparing and folding run torch, which raises errors of many types
            raise refused(self._where, operation, fault) from fault
        self._append(operation, Step(call, bound.slots, (), (), (), operation, definition.folds, *reuse))

    def _add_constant(self, operation: Operation, where: str) -> None:
        value = operation.attributes.get("val")
        if value is None or len(operation.outputs) != 1:
            raise EvaluationError(f"{where}: a const needs a value and one output")
        self._names[operation.outputs[0].name] = tensor_of(value)

    def _fold(self, operation: Operation, result: Any) -> None:
        results = (result,) if len(operation.outputs) == 1 else result
        for output, value in zip(operation.outputs, results, strict=True):
            self._names[output.name] = value

    def _reuse(
        self, operation: Operation, definition: OpDefinition, arguments: Mapping[str, Sequence[Any]], where: str
    ) -> tuple[int | None, Callable[..., Any] | None]:
        """The slot whose value the op may write to, and the call that does."""
        found = arguments.get(definition.reuses or "", ())
        if len(found) != 1 or not isinstance(found[0], Slot):
            return None, None
        bound = bind(definition, {**arguments, "owned": [True]}, where=where)
        return found[0].index, self._finished(bound.call, operation, definition)

    def _finished(self, call: Callable[..., Any], operation: Operation, definition: OpDefinition) -> Callable[..., Any]:
        """`call` with what every op has in common: one output bare, several as a tuple, float16 outputs rounded."""
        if definition.many and len(operation.outputs) == 1:
            call = functools.partial(_only, call)
        halves = tuple(_dtype_name(output) == "float16" for output in operation.outputs)
        if definition.exact or not any(halves) or needs_no_rounding(operation, self._halves):
            return call
        if len(halves) == 1:
            return functools.partial(_rounded, call)
        return functools.partial(_each_rounded, call, halves)

    def _append(self, operation: Operation, step: Step) -> None:
        """Add a step, now that its outputs get their slots."""
        infos = tuple(
            PlannedOp(len(self._steps), operation.kind, operation.name, output.name, _dtype_name(output))
            for output in operation.outputs
        )
        outputs = tuple(self._define(output.name) for output in operation.outputs)
        self._steps.append(replace(step, outputs=outputs, infos=infos))

    def _bind_blocks(
        self, operation: Operation, definition: OpDefinition, arguments: dict[str, list[Any]], where: str
    ) -> BoundOp:
        """Bind an op with nested blocks: what the blocks read from outside becomes an input of the op."""
        scope = {**self._outer, **self._names}
        halves = half_variables(operation, scope) if operation.kind == "while_loop" else ()
        plans, captured = [], []
        for number, block in enumerate(operation.blocks):
            planner = _Planner(self._opset, f"{where}: block {number}")
            plans.append(planner.plan(block.inputs, block, scope, halves))
            captured.append([self._resolve(name, where).index for name in planner.captures])
        # Negative slots stand for the blocks until their captured values are known.
        placeholders = [Slot(-1 - number) for number in range(len(plans))]
        bound = bind(definition, {**arguments, "blocks": placeholders}, where=where)
        operands = tuple(slot for slot in bound.slots if slot >= 0)

        def call(*values: Any) -> Any:
            own, rest = iter(values[: len(operands)]), iter(values[len(operands) :])
            blocks = [BoundBlock(p, [next(rest) for _ in c]) for p, c in zip(plans, captured, strict=True)]
            return bound.call(*(next(own) if slot >= 0 else blocks[-1 - slot] for slot in bound.slots))

        return BoundOp(call, (*operands, *(slot for slots in captured for slot in slots)))


def _invariant(steps: Sequence[Step], captured: Sequence[int]) -> frozenset[int]:
    """The steps that depend on nothing but these slots."""
    known, found = set(captured), set()
    for index, step in enumerate(steps):
        if step.is_pure and known.issuperset(step.inputs):
            known.update(step.outputs)
            found.add(index)
    return frozenset(found)


def _only(call: Callable[..., Any], *values: Any) -> Any:
    (result,) = call(*values)
    return result


def _rounded(call: Callable[..., Any], *values: Any) -> Any:
    return round_to_half(call(*values))


def _each_rounded(call: Callable[..., Any], halves: Sequence[bool], *values: Any) -> tuple[Any, ...]:
    results = call(*values)
    return tuple(round_to_half(r) if half else r for r, half in zip(results, halves, strict=True))


def _dtype_name(named: Named) -> str:
    return named.type.dtype.name if named.type.dtype is not None else named.type.kind


def _with_frees(steps: Sequence[Step], keep: set[int]) -> tuple[Step, ...]:
    """The steps, each told which slots nothing after it reads."""
    seen, result = set(keep), []
    for step in reversed(steps):
        last = tuple(slot for slot in dict.fromkeys((*step.inputs, *step.outputs)) if slot not in seen)
        seen.update(last)
        result.append(replace(step, frees=last))
    return tuple(reversed(result))

"""One operation bound to its arguments: a callable of the values that are known only at run time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.emulators.coreml.constants import python_of
from evaluators.emulators.coreml.ops import OpDefinition
from evaluators.errors import EvaluationError


@dataclass(frozen=True)
class Slot:
    """Where a value lies at run time."""

    index: int


@dataclass(frozen=True)
class BoundOp:
    """A callable and the slots its positional arguments are taken from, in order."""

    call: Callable[..., Any]
    slots: tuple[int, ...]


Bound = Mapping[str, Sequence[Any]]
"""parameter → what it is bound to: slots, or constants as tensors"""


def bind(definition: OpDefinition, arguments: Bound, *, where: str) -> BoundOp:
    """Bind an op to its arguments; parameters that are constants are converted and prepared here, once.

    Raises:
        EvaluationError: The op does not take a parameter it is given, or lacks one it needs.
    """
    unknown = sorted(arguments.keys() - definition.forms.keys())
    if unknown:
        known = ", ".join(definition.forms)
        raise EvaluationError(
            f"{where}: parameter {unknown[0]!r} is unknown to the emulator's {definition.kind} ({known})"
        )
    missing = sorted(definition.required - arguments.keys())
    if missing:
        raise EvaluationError(f"{where}: parameter {missing[0]!r} is missing")
    order = [*definition.operands, *(name for name in definition.forms if name not in definition.operands)]
    gathers = {name: _Gather(name, definition.forms[name], arguments[name]) for name in order if name in arguments}
    slots = tuple(slot for gather in gathers.values() for slot in gather.slots)
    constants = {name: gather.collect(()) for name, gather in gathers.items() if not gather.slots}
    runtime = {name: gather for name, gather in gathers.items() if gather.slots}
    if definition.operands:
        return BoundOp(_prepared(definition, runtime, constants), slots)
    return BoundOp(_direct(definition, runtime, constants) or _by_name(definition.function, runtime, constants), slots)


class _Gather:
    """Makes one argument from run-time values and constants."""

    def __init__(self, name: str, form: str, bound: Sequence[Any]) -> None:
        self._name = name
        self.slots = tuple(item.index for item in bound if isinstance(item, Slot))
        self.is_plain = form == "tensor" and len(self.slots) == 1
        self._form = form
        self._bound = bound

    def collect(self, values: Sequence[Any]) -> Any:
        """The argument; `values` fill the places of the slots, in order."""
        if len(self._bound) == 1 or len(self.slots) == len(self._bound):
            items = list(values if self.slots else self._bound)
        else:
            rest = iter(values)
            items = [next(rest) if isinstance(item, Slot) else item for item in self._bound]
        if self._form in ("tensors", "blocks"):
            # An op that makes a list hands it on as one value.
            return items[0] if len(items) == 1 and isinstance(items[0], list) else items
        if self._form == "tensor":
            return items[0]
        plain = [python_of(item) for item in items]
        if self._form == "value":
            return self._flat(plain)[0]
        found = plain if len(plain) > 1 or not isinstance(plain[0], list) else plain[0]
        return self._flat(found) if self._form == "values" else [self._flat(row) for row in found]

    def _flat(self, values: list[Any]) -> list[Any]:
        """The values, none of which is a list: Python takes a list times a number for a longer list."""
        if any(isinstance(value, list) for value in values):
            expected = {"value": "a single value", "values": "a list of values"}.get(self._form, "a list of lists")
            raise EvaluationError(f"parameter {self._name!r} is given more dimensions than it has; expected {expected}")
        return values


def _direct(
    definition: OpDefinition, runtime: Mapping[str, _Gather], constants: Mapping[str, Any]
) -> Callable[..., Any] | None:
    """The function itself where run-time values can be passed by position, after constants if need be."""
    if not all(gather.is_plain for gather in runtime.values()):
        return None
    leading = list(itertools.takewhile(lambda name: name in constants, definition.forms))
    names = list(definition.forms)[len(leading) : len(leading) + len(runtime)]
    if list(runtime) != names:
        return None
    named = {name: value for name, value in constants.items() if name not in leading}
    if not constants:
        return definition.function
    return functools.partial(definition.function, *(constants[name] for name in leading), **named)


def _prepared(
    definition: OpDefinition, runtime: Mapping[str, _Gather], constants: Mapping[str, Any]
) -> Callable[..., Any]:
    parameters = {name: value for name, value in constants.items() if name not in definition.operands}
    fixed = {name: value for name, value in constants.items() if name in definition.operands}
    if set(runtime) <= set(definition.operands):
        function = definition.function(**parameters)
        if not fixed:
            return function  # type: ignore[no-any-return]  # the contract of functions with operands

        def compute(*values: Any) -> Any:
            rest = iter(values)
            return function(*(fixed[name] if name in fixed else next(rest) for name in definition.operands))

        return compute

    if not fixed and all(gather.is_plain for gather in runtime.values()):
        n_operands = len(definition.operands)  # they come first
        names = tuple(runtime)[n_operands:]

        def prepare_and_compute_plain(*values: Any) -> Any:
            given = dict(zip(names, values[n_operands:], strict=True))
            return definition.function(**given, **parameters)(*values[:n_operands])

        return prepare_and_compute_plain

    def prepare_and_compute(**arguments: Any) -> Any:
        operands = [arguments.pop(name) for name in definition.operands]
        return definition.function(**arguments)(*operands)

    return _by_name(prepare_and_compute, runtime, constants)


def _by_name(
    function: Callable[..., Any], runtime: Mapping[str, _Gather], constants: Mapping[str, Any]
) -> Callable[..., Any]:
    stops = list(itertools.accumulate(len(gather.slots) for gather in runtime.values()))
    starts = [0, *stops[:-1]]
    places = [(*item, begin, end) for item, begin, end in zip(runtime.items(), starts, stops, strict=True)]

    def call(*values: Any) -> Any:
        arguments = {name: gather.collect(values[begin:end]) for name, gather, begin, end in places}
        return function(**arguments, **constants)

    return call

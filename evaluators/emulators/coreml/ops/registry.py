"""The table of operations, and the rules by which their functions are written.

A function's parameters carry the names MIL gives them; defaults are MIL's. The annotation says how an argument arrives:

    Tensor            a torch tensor; float16 is held as float32 whose values are rounded to float16
    list[Tensor]      a list of them, for parameters that take a tuple
    StateBuffer       a state
    Blocks            the op's nested blocks, as callables (no MIL parameter)
    list[ValueType]   what the file declares its outputs to be, for a parameter named `declared` (no MIL parameter)
    bool              for a parameter named `owned`: whether nobody else needs the value of the parameter that the op
                      `reuses`, so that it may be written to (no MIL parameter)
    anything else     a Python value: int, float, bool, str, or (nested) lists of them

An op whose parameters are worth preparing names its `operands`; its function then takes all other parameters and
returns a function of the operands. Where the parameters are constants, that happens once, when a program is loaded.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from device_profiles.record import suggest
from evaluators.errors import EvaluationError

Form = Literal["tensor", "tensors", "blocks", "value", "values", "rows"]
"""How an argument arrives; `values` is a Python list, `rows` one of such lists"""


class Block(Protocol):
    """A nested block: takes its block inputs and returns its outputs."""

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The outputs for these inputs."""

    def advance(self, values: list[Any]) -> list[Any]:
        """The same for a loop, which needs its old values no more: the list is emptied."""


Blocks = Sequence[Block]

F = TypeVar("F", bound=Callable[..., Any])

_OPSETS = {"CoreML5": 15, "CoreML6": 16, "CoreML7": 17, "CoreML8": 18, "CoreML9": 26}
"""opset in the file → iOS release. Source: coremltools `_builtin_opset`, `AvailableTarget`"""


@dataclass(frozen=True)
class OpDefinition:
    """One operation, from one iOS release on."""

    kind: str
    since: int
    """the first iOS release whose opset has this meaning of the op"""
    function: Callable[..., Any]
    forms: Mapping[str, Form]
    """parameter → how its argument arrives, in the function's order"""
    required: frozenset[str]
    operands: tuple[str, ...]
    """the parameters of the function that `function` returns; empty where `function` itself computes"""
    many: bool
    """whether it returns a tuple of results"""
    exact: bool
    """whether every value of the result is one of the inputs' values (or an integer): then nothing needs rounding"""
    folds: bool
    """whether it may be computed once at loading when all inputs are constants"""
    reuses: str | None
    """the parameter whose value it may write to where nobody else needs it; it then has a parameter `owned`"""


_DEFINITIONS: dict[str, list[OpDefinition]] = {}


def op(
    kind: str,
    *,
    since: int = 15,
    operands: tuple[str, ...] = (),
    exact: bool = False,
    folds: bool = True,
    reuses: str | None = None,
) -> Callable[[F], F]:
    """Register a function as the meaning of `kind`; see the module's docstring for how it is written.

    Args:
        kind: The op's name in MIL.
        since: The first iOS release with this meaning.
        operands: See the module's docstring.
        exact: The result needs no rounding to float16: it only moves or selects values, or is not floating-point.
        folds: Whether the op may be computed at loading.
        reuses: A parameter whose value the op can write to instead of making a new one.
    """

    def register(function: F) -> F:
        forms, required = _parameters(function, operands)
        many = "tuple" in str(inspect.signature(function).return_annotation)
        definition = OpDefinition(kind, since, function, forms, required, operands, many, exact, folds, reuses)
        entries = _DEFINITIONS.setdefault(kind, [])
        if any(entry.since == since for entry in entries):
            raise ValueError(f"{kind} for iOS {since} is registered twice")
        entries.append(definition)
        entries.sort(key=lambda entry: entry.since)
        return function

    return register


def find_op(kind: str, opset: str, *, where: str) -> OpDefinition:
    """The meaning of an op under an opset.

    Args:
        kind: The op's name.
        opset: As the file spells it, for example CoreML5.
        where: The op's place, for the message.

    Raises:
        EvaluationError: The op, or the opset, is not known.
    """
    _load_families()
    if opset not in _OPSETS:
        raise EvaluationError(f"{where}: unknown opset {opset!r}; known: {', '.join(_OPSETS)}")
    release = _OPSETS[opset]
    fitting = [entry for entry in _DEFINITIONS.get(kind, []) if entry.since <= release]
    if fitting:
        return fitting[-1]
    later = [entry.since for entry in _DEFINITIONS.get(kind, [])]
    hint = f"; it begins with iOS {later[0]}" if later else suggest(kind, _DEFINITIONS)
    raise EvaluationError(f"{where}: the emulator does not know op {kind!r} of opset {opset} (iOS {release}){hint}")


def known_ops() -> dict[str, tuple[int, ...]]:
    """Every op the emulator knows → the iOS releases at which its meaning begins or changes."""
    _load_families()
    return {kind: tuple(entry.since for entry in entries) for kind, entries in sorted(_DEFINITIONS.items())}


@functools.cache
def _load_families() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def _parameters(function: Callable[..., Any], operands: tuple[str, ...]) -> tuple[dict[str, Form], frozenset[str]]:
    parameters = inspect.signature(function).parameters
    forms: dict[str, Form] = {name: _form(str(parameter.annotation)) for name, parameter in parameters.items()}
    required = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    for name in operands:
        forms[name] = "tensor"
    return forms, frozenset(required | set(operands))


def _form(annotation: str) -> Form:
    if annotation.startswith("list[Tensor]"):
        return "tensors"
    if annotation.startswith("Tensor") or annotation == "StateBuffer":
        return "tensor"
    if annotation == "Blocks":
        return "blocks"
    if annotation.startswith("list[list["):
        return "rows"
    return "values" if annotation.startswith("list[") else "value"

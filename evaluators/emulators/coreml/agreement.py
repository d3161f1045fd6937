"""A model's description held against its program, when the model is loaded.

The description is what callers go by, the program's types are what ops are made for. Where the two disagree, an op
would be given what nobody promised it, so such a model is refused, as Core ML refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evaluators.emulators.coreml.dtypes import DType
from evaluators.emulators.coreml.features import DictionaryFeature, Feature, Interface, LabelFeature
from evaluators.emulators.coreml.images import ImageFeature
from evaluators.emulators.coreml.program import Function, Named, ValueType
from evaluators.emulators.coreml.sizes import MAX_ELEMENTS
from evaluators.errors import EvaluationError


def check_agreement(interface: Interface, function: Function, where: str) -> None:
    """Hold inputs, states and outputs against what the function declares.

    Args:
        interface: What the model's description says of the function.
        function: The program's function.
        where: How messages name the file.

    Raises:
        EvaluationError: An input is in one of the two only, an output in the description only, or kind, element type,
            rank or a fixed size differ, or a feature is too large. What a program returns beyond its description, as
            debugging tools have it do, nobody gets.
    """
    types = {named.name: named.type for named in function.inputs}
    described = {**interface.inputs, **interface.states}
    for name in types:
        if name not in described:
            raise EvaluationError(f"{where}: the program's {name!r} is not in the model's description")
    _check_names("input", described, types, where)
    for feature in (*interface.inputs.values(), *interface.states.values()):
        is_state = feature.name in interface.states
        _Pair("state" if is_state else "input", feature, types[feature.name], where).check()
    made = {named.name: named.type for named in _defined(function)}
    returned = {name: made.get(name, ValueType("tensor")) for name in function.block.outputs}
    _check_names("output", interface.outputs, returned, where)
    for feature in interface.outputs.values():
        _Pair("output", feature, returned[feature.name], where).check()


def _defined(function: Function) -> Iterator[Named]:
    yield from function.inputs
    for operation in function.block.operations:
        yield from operation.outputs


def _check_names(role: str, described: Mapping[str, Feature], declared: Mapping[str, ValueType], where: str) -> None:
    for name in described:
        if name not in declared:
            raise EvaluationError(f"{where}: the model's description has {role} {name!r}, which the program lacks")


class _Pair:
    """One feature and the type of its value in the program."""

    def __init__(self, role: str, feature: Feature, type_: ValueType, where: str) -> None:
        self._feature, self._type = feature, type_
        self._role, self._place = role, f"{where}: {role} {feature.name!r}"

    def check(self) -> None:
        self._check_size()
        if isinstance(self._feature, LabelFeature | DictionaryFeature):
            return  # of these, `given` looks at the value itself
        kind = "state" if self._role == "state" else "tensor"
        if self._type.kind != kind:
            raise EvaluationError(f"{self._place}: is a {self._type.kind} in the program; expected a {kind}")
        self._check_elements(self._feature.dtype, self._type.dtype)
        if self._type.shape is not None:
            self._check_shape(self._type.shape)

    def _check_size(self) -> None:
        shape = self._feature.shape
        if any(size < 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise EvaluationError(
                f"{self._place}: has shape {list(shape)}; expected sizes from 0 on, and at most {MAX_ELEMENTS:,}"
                " elements"
            )

    def _check_elements(self, described: DType, declared: DType | None) -> None:
        if declared is None or isinstance(self._feature, ImageFeature):
            return
        fits = described == declared if self._role == "state" else _family(described) == _family(declared)
        if not fits:
            raise EvaluationError(
                f"{self._place}: is {described.name} in the model's description and {declared.name} in the program;"
                " expected the same"
            )

    def _check_shape(self, declared: tuple[int | None, ...]) -> None:
        possible = [shape for shape in self._possible() if _fits(shape, declared)]
        if not possible:
            wanted = ["?" if size is None else size for size in declared]
            raise EvaluationError(
                f"{self._place}: has shape {self._feature.expected()} in the model's description and {wanted} in the"
                " program; expected the same rank and sizes"
            )

    def _possible(self) -> list[Sequence[tuple[int, int | None]]]:
        """The shapes the description allows, as the smallest and the largest size of each dimension."""
        feature = self._feature
        if feature.shapes:
            return [[(size, size) for size in shape] for shape in feature.shapes]
        if feature.bounds:
            return [feature.bounds]
        if self._role == "output" and not feature.shape:
            return [[(0, None) for _ in self._type.shape or ()]]
        return [[(size, size) for size in feature.shape]] if feature.shape else []


def _fits(possible: Sequence[tuple[int, int | None]], declared: tuple[int | None, ...]) -> bool:
    """Whether an array of one of these shapes is what a program declares; see `features.conformed` for the surplus."""
    surplus = len(possible) - len(declared)
    if surplus < 0 or any(low > 1 for low, _ in possible[:surplus]):
        return False
    pairs = zip(possible[surplus:], declared, strict=True)
    return all(size is None or (low <= size and (high is None or size <= high)) for (low, high), size in pairs)


def _family(dtype: DType) -> str:
    return "text" if dtype.stored is None else "float" if dtype.name.startswith("float") else "whole"

"""The tensors of one call of a TFLite subgraph: their sizes, which are constants, and which are known numbers."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from evaluators.costs.loops import Number
from evaluators.formats.tflite.file import Operator, Tensor, TFLiteFile
from evaluators.formats.tflite.numbers import compute, compute_parts, telling
from evaluators.formats.tflite.reading import CUSTOM_OPTIONS, Reading, Shape
from evaluators.formats.tflite.shapes import infer_shapes


@dataclass(frozen=True)
class Given:
    """What a subgraph is called with, as far as it is the same in every call."""

    stored_as: Mapping[int, str] = field(default_factory=dict)
    """input that is a constant → the type in which the file holds it"""
    known: Mapping[int, Number] = field(default_factory=dict)
    """input that is a known number"""
    turns: tuple[Mapping[int, Number], ...] = ()
    """of a loop's body: what goes into each turn, as far as it decides on turns"""
    shapes: Mapping[int, Shape] = field(default_factory=dict)
    """sizes of inputs whose own the file leaves open"""
    typical: Mapping[int, Number] = field(default_factory=dict)
    """of a loop's body: what goes into its middle turn, in which sizes that grow with the turns have their mean"""
    closes: bool = False
    """whether the model's inputs are of fixed size, so that sizes that follow from them are as good as in the file"""


class Scope:
    """One call of a subgraph.

    Attributes:
        index: Of the subgraph.
        given: What it is called with.
        tensors: By number; open dimensions are 1 until `resolve` knows better.
        inputs: Numbers of tensors, as `outputs`.
        outputs: What it makes.
        stored_as: Number of a constant → the type in which the file holds it.
        known: Number of a tensor → its value, where that is a small known number.
        typical: The same for numbers that are others in each turn of a loop: those of its middle turn.
    """

    def __init__(self, file: TFLiteFile, index: int, given: Given) -> None:
        """Enter a subgraph."""
        self.index, self.given = index, given
        self.tensors = list(file.tensors(index))
        self.inputs, self.outputs = file.ports(index)
        self._file = file
        self.stored_as = {i: tensor.type.lower() for i, tensor in enumerate(self.tensors) if tensor.constant_bytes}
        self.known = {i: tensor.value for i, tensor in enumerate(self.tensors) if tensor.value is not None}
        self.typical: dict[int, Number] = {}
        for place, tensor in enumerate(self.inputs):
            if place in given.typical:
                self.typical[tensor] = given.typical[place]
            if place in given.stored_as:
                self.stored_as[tensor] = given.stored_as[place]
            if place in given.known:
                self.known[tensor] = given.known[place]
            self._set(tensor, given.shapes.get(place))

    def resolve(self, operator: Operator, made: Sequence[Shape] | None) -> bool:
        """Give what an op makes its size, where the file leaves that open.

        Args:
            operator: The op; what it reads was settled before.
            made: The sizes, where they follow from subgraphs and not from the op itself.

        Returns:
            Whether all sizes are known.
        """
        if not any(self.tensors[t].is_open for t in operator.writes):
            return True
        shapes = made if made is not None else infer_shapes(self._reading(operator))
        if shapes is None or len(shapes) != len(operator.writes):
            return False
        settled = [self._set(tensor, shape) for tensor, shape in zip(operator.writes, shapes, strict=True)]
        return all(settled)

    def learn(self, operator: Operator) -> None:
        """Enter what an op makes, where that is small known numbers; its sizes were settled before."""
        self.known.update(self._numbers(operator, self.known))
        if self.typical:
            made = self._numbers(operator, ChainMap(self.typical, self.known))
            self.typical.update({index: value for index, value in made.items() if index not in self.known})

    def _numbers(self, operator: Operator, values: Mapping[int, Number]) -> dict[int, Number]:
        operands = [values.get(t) for t in telling(operator)]
        if len(operator.writes) == 1:
            number = compute(self._file, operator, self.tensors, operands)
            return {} if number is None else {operator.writes[0]: number}
        return dict(zip(operator.writes, compute_parts(operator, operands) or [], strict=False))

    def _reading(self, operator: Operator) -> Reading:
        return Reading(
            operator.kind,
            [self.tensors[t].shape for t in operator.reads],
            [self.typical.get(t, self.known.get(t)) for t in operator.reads],
            [self.tensors[t].shape for t in operator.writes],
            partial(self._options, operator),
        )

    def _options(self, operator: Operator, name: str) -> Any | None:
        return self._file.custom_options(operator) if name == CUSTOM_OPTIONS else self._file.options(operator, name)

    def _set(self, index: int, shape: Shape | None) -> bool:
        """Set an open tensor's size, unless it contradicts what the file says of it."""
        tensor = self.tensors[index]
        if not tensor.is_open:
            return True
        if shape is None or (tensor.is_ranked and not _fits(shape, tensor)):
            return False
        open_axes = () if self.given.closes else tensor.open_axes
        self.tensors[index] = replace(tensor, shape=shape, open_axes=open_axes, is_ranked=True)
        return True

    def give(self, reads: Sequence[int], places: Sequence[int]) -> Given:
        """What of an op's operands a subgraph gets that is the same in every call.

        Args:
            reads: The operands.
            places: Those of them that do not change from call to call; sizes never do.
        """
        return Given(
            {place: self.stored_as[reads[place]] for place in places if reads[place] in self.stored_as},
            {place: self.known[reads[place]] for place in places if reads[place] in self.known},
            shapes={place: self.tensors[t].shape for place, t in enumerate(reads)},
            typical={place: self.typical[reads[place]] for place in places if reads[place] in self.typical},
            closes=self.given.closes,
        )


def _fits(shape: Shape, tensor: Tensor) -> bool:
    """Whether a size is what the file says of a tensor, as far as it says it."""
    pairs = enumerate(zip(shape, tensor.shape, strict=False))
    is_same = (size == said for axis, (size, said) in pairs if axis not in tensor.open_axes)
    return len(shape) == len(tensor.shape) and all(is_same)

"""An ML Program as immutable, typed values, read from its protobuf form.

Everything is checked here, so later stages may rely on it: types are known, values fit their types, blobs lie inside
their files. Names are resolved later (`plan`), where scopes are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.emulators.coreml.dtypes import DType, dtype_coded, unpack
from evaluators.emulators.coreml.sizes import MAX_RANK
from evaluators.emulators.coreml.weights import WeightFiles
from evaluators.errors import EvaluationError


@dataclass(frozen=True)
class ValueType:
    """The type of a value: a tensor's element type and shape, or the name of another kind."""

    kind: str
    """tensor, list, tuple, dictionary or state"""
    dtype: DType | None = None
    """of a tensor, or of the tensor a state holds"""
    shape: tuple[int | None, ...] | None = None
    """none for an unknown dimension; no shape at all where even the rank is unknown"""


@dataclass(frozen=True)
class Value:
    """A constant."""

    type: ValueType
    data: Any
    """numpy array (strings: an object array), or for lists and tuples a tuple of values"""
    place: tuple[str, int] | None = None
    """the weight file it lies in, and where; none where it stands in the specification"""


@dataclass(frozen=True)
class Named:
    """A typed name: an input or an output."""

    name: str
    type: ValueType


Argument = tuple[str | Value, ...]
"""What is bound to one parameter: names of results, or constants; several for a parameter that takes a tuple"""


@dataclass(frozen=True)
class Operation:
    """One op as the file has it: unresolved, its constants read."""

    kind: str
    """the op, for example conv"""
    name: str
    inputs: Mapping[str, Argument]
    outputs: tuple[Named, ...]
    blocks: tuple[Block, ...]
    attributes: Mapping[str, Value]


@dataclass(frozen=True)
class Block:
    """Operations in order, with what goes in and what comes out; a function has one, control flow nests more."""

    inputs: tuple[Named, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Function:
    """One entry of a program."""

    name: str
    opset: str
    """as the file spells it: CoreML5 is iOS 15, CoreML6 iOS 16 …"""
    inputs: tuple[Named, ...]
    block: Block


def read_function(program: Any, name: str, *, weights: WeightFiles, where: str) -> Function:
    """One function of a program.

    Args:
        program: The `MILSpec.Program` message.
        name: The function's name.
        weights: Where constants that are not in the message lie.
        where: How messages name the file.

    Raises:
        EvaluationError: There is no such function, or a part of it is malformed.
    """
    if name not in program.functions:
        known = ", ".join(sorted(program.functions)) or "none"
        raise EvaluationError(f"{where}: has no function {name!r}; it has: {known}")
    message = program.functions[name]
    if message.opset not in message.block_specializations:
        found = ", ".join(sorted(message.block_specializations)) or "none"
        raise EvaluationError(
            f"{where}: function {name!r} has no block for its opset {message.opset!r}; it has: {found}"
        )
    reader = _Reader(weights, f"{where}: function {name!r}")
    inputs = reader.names(message.inputs)
    for named in inputs:
        if named.type.dtype is not None and named.type.dtype.stored is None:
            raise EvaluationError(f"{where}: function {name!r}: input {named.name!r} holds text; expected numbers")
    return Function(name, message.opset, inputs, reader.block(message.block_specializations[message.opset]))


class _Reader:
    """Turns messages into values; keeps the place for error messages."""

    def __init__(self, weights: WeightFiles, where: str) -> None:
        self._weights = weights
        self._where = where
        self._types: dict[bytes, ValueType] = {}
        """as the file has them → read: thousands of values are of a handful of types"""

    def block(self, message: Any) -> Block:
        operations = tuple(self._operation(operation, i) for i, operation in enumerate(message.operations))
        return Block(self.names(message.inputs), tuple(message.outputs), operations)

    def names(self, messages: Iterable[Any]) -> tuple[Named, ...]:
        return tuple(Named(message.name, self._type(message.type)) for message in messages)

    def _operation(self, message: Any, position: int) -> Operation:
        outer = self._where
        output = message.outputs[0].name if message.outputs else "without output"
        self._where = f"{outer}: op {position} {message.type} ({output})"
        attributes = {key: self._value(value) for key, value in message.attributes.items()}
        named = attributes.get("name")
        inputs = {key: self._argument(argument, key) for key, argument in message.inputs.items()}
        if message.type.startswith("constexpr_"):  # before iOS 18 these have their operands as attributes
            inputs |= {key: (value,) for key, value in attributes.items() if key != "name"}
        operation = Operation(
            kind=message.type,
            name=str(named.data.item()) if named is not None and named.data.size == 1 else output,
            inputs=inputs,
            outputs=self.names(message.outputs),
            blocks=tuple(self.block(block) for block in message.blocks),
            attributes=attributes,
        )
        self._where = outer
        return operation

    def _argument(self, message: Any, parameter: str) -> Argument:
        found: list[str | Value] = []
        for binding in message.arguments:
            which = binding.WhichOneof("binding")
            if which is None:
                raise EvaluationError(f"{self._where}: parameter {parameter!r} is bound to nothing")
            found.append(binding.name if which == "name" else self._value(binding.value))
        if not found:
            raise EvaluationError(f"{self._where}: parameter {parameter!r} has no argument")
        return tuple(found)

    def _type(self, message: Any) -> ValueType:
        written = message.SerializeToString()
        if written not in self._types:
            self._types[written] = self._read_type(message)
        return self._types[written]

    def _read_type(self, message: Any) -> ValueType:
        which = message.WhichOneof("type")
        if which is None:
            raise EvaluationError(f"{self._where}: a value has no type")
        if which == "stateType":
            held = self._type(message.stateType.wrappedType)
            return ValueType("state", held.dtype, held.shape)
        if which != "tensorType":
            return ValueType(which.removesuffix("Type"))
        tensor = message.tensorType
        dtype = dtype_coded(tensor.dataType, self._where)
        if tensor.rank < 0:
            return ValueType("tensor", dtype)
        if tensor.rank != len(tensor.dimensions):
            raise EvaluationError(
                f"{self._where}: a type of rank {tensor.rank} has {len(tensor.dimensions)} dimensions"
            )
        if tensor.rank > MAX_RANK:
            raise EvaluationError(f"{self._where}: a type of rank {tensor.rank}; at most {MAX_RANK} is possible")
        return ValueType("tensor", dtype, tuple(_dimension(dimension) for dimension in tensor.dimensions))

    def _value(self, message: Any) -> Value:
        which = message.WhichOneof("value")
        if which is None:
            raise EvaluationError(f"{self._where}: a constant has no value")
        if which == "immediateValue" and message.immediateValue.WhichOneof("value") in ("tuple", "list"):
            items = getattr(message.immediateValue, message.immediateValue.WhichOneof("value")).values
            return Value(self._type(message.type), tuple(self._value(item) for item in items))
        type_ = self._type(message.type)
        if type_.kind != "tensor" or type_.dtype is None or type_.shape is None or None in type_.shape:
            raise EvaluationError(
                f"{self._where}: a constant of kind {type_.kind} and shape {type_.shape} is not known"
            )
        shape = tuple(size for size in type_.shape if size is not None)
        if which == "blobFileValue":
            blob = message.blobFileValue
            try:
                data = self._weights.read(blob.fileName, blob.offset, dtype=type_.dtype, shape=shape)
                return Value(type_, data, (blob.fileName, blob.offset))
            except EvaluationError as fault:
                raise EvaluationError(f"{self._where}: {fault}") from None
        return Value(type_, self._immediate(message.immediateValue, type_.dtype, shape))

    def _immediate(self, message: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
        if message.WhichOneof("value") != "tensor" or message.tensor.WhichOneof("value") is None:
            raise EvaluationError(f"{self._where}: a constant tensor has no elements")
        which = message.tensor.WhichOneof("value")
        elements = getattr(message.tensor, which).values
        count = math.prod(shape)
        array = self._from_bytes(elements, dtype, count) if which == "bytes" else self._from_elements(elements, dtype)
        if array.size != count:
            raise EvaluationError(f"{self._where}: a constant of shape {list(shape)} has {array.size} elements")
        return array.reshape(shape)

    def _from_elements(self, elements: Any, dtype: DType) -> np.ndarray:
        try:
            return np.array(elements, dtype=object if dtype.stored is None else dtype.stored)
        except (OverflowError, TypeError, ValueError) as fault:
            raise EvaluationError(f"{self._where}: a constant does not fit its type {dtype.name}: {fault}") from None

    def _from_bytes(self, data: bytes, dtype: DType, count: int) -> np.ndarray:
        if dtype.stored is None or (not dtype.is_packed and (len(data) * 8) % dtype.bits):
            raise EvaluationError(f"{self._where}: {len(data)} bytes do not hold elements of {dtype.name}")
        if dtype.is_packed:
            if len(data) * 8 < count * dtype.bits:
                raise EvaluationError(
                    f"{self._where}: {len(data)} bytes are too few for {count} elements of {dtype.name}"
                )
            return unpack(np.frombuffer(data, np.uint8), dtype, count)
        return np.frombuffer(data, dtype.stored).copy()


def _dimension(message: Any) -> int | None:
    return int(message.constant.size) if message.WhichOneof("dimension") == "constant" else None

"""Odd changes to a call of an op: to its constants, to what is given to it, to types, arguments and blocks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .op_calls import CALLS, set_constant
from .programs import ARRAY_CODES, Op, Text, add_op, set_type

WHOLE = (0, 1, -1, 2, 3, 5, -2, -7, 100, 255, 256, 4096, 1 << 16, 1 << 20, 1 << 24, 1 << 27, 1 << 28, 1 << 30)
EXTREME = (2**31 - 1, -(2**31), 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
REAL = (0.0, -1.0, 0.5, 2.5, 1e9, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    *("", "x", "fp16", "fp32", "int32", "int8", "uint8", "bool", "valid", "custom", "same", "same_lower", "forward"),
    *("reverse", "bidirectional", "tanh", "relu", "constant", "reflect", "replicate", "border", "symmetric", "update"),
    *("nearest", "bilinear", "unnormalized", "NEAREST_NEIGHBOR", "ALIGN_CORNERS", "UNALIGN_CORNERS", "OFFSET_CORNERS"),
    *("CENTER_SIZE_WIDTH_FIRST", "SIGMOID_APPROXIMATION", "mul", "max", "div", "probs", "linear", "hard_sigmoid"),
    *("ii,ij->", "bchw,bcwk->bchkz", "->", "...,...->...", "abcd,efgh->abcdefgh", "ab,bc", "bchw,bcwk->bb", "\x00"),
)
DTYPES = ("float32", "float16", "int32", "int64", "bool", "int8", "uint8", "int16", "uint16", "uint32")
LARGE = ((1 << 21,), (1 << 15, 1), (1, 1 << 15), (1, 4, 512, 512), (1, 1 << 16, 1, 1), (3000, 1, 2), (1, 1, 1, 1 << 17))
"""of tensors a program makes for itself, which take no room in a file"""


@dataclass
class Changing:
    """A call while it is changed."""

    message: Any
    given: dict[str, np.ndarray]
    notes: list[str] = field(default_factory=list)
    """what was done, for people"""

    @property
    def function(self) -> Any:
        """The only function."""
        return self.message.mlProgram.functions["main"]

    @property
    def block(self) -> Any:
        """Its block."""
        return next(iter(self.function.block_specializations.values()))

    def operations(self) -> list[Any]:
        """All operations, those of nested blocks too."""
        return [*_operations(self.block)]

    def arguments(self, which: str) -> list[tuple[Any, str, Any]]:
        """Operation, parameter and binding of each argument that is a `value` or a `name`."""
        return [
            (operation, parameter, binding)
            for operation in self.operations()
            for parameter in sorted(operation.inputs)
            for binding in operation.inputs[parameter].arguments
            if binding.WhichOneof("binding") == which
        ]


def _operations(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from _operations(nested)


def changed(name: str, chance: random.Random) -> Changing:
    """The call of this name, with one to three changes."""
    call = CALLS[name]
    message = type(call.message).FromString(call.message.SerializeToString())
    changing = Changing(message, {key: value.copy() for key, value in call.given.items()})
    for named in changing.function.inputs:
        if named.name not in changing.given and named.type.WhichOneof("type") == "tensorType":
            changing.given[named.name] = np.full(*_shape_and_fill(named.type, chance))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choices(CHANGES, WEIGHTS)[0](chance, changing)
    return changing


def _shape_and_fill(type_: Any, chance: random.Random) -> tuple[tuple[int, ...], Any]:
    shape = tuple(int(dimension.constant.size) for dimension in type_.tensorType.dimensions)
    is_whole = type_.tensorType.dataType == 23
    return shape, np.int32(chance.choice((0, 1))) if is_whole else np.float32(0.5)


def odd_array(chance: random.Random, array: np.ndarray) -> np.ndarray:
    """The array with other elements, another shape or another type."""
    way = chance.choice(("elements", "elements", "size", "size", "rank", "dtype"))
    if way == "elements":
        return _odd_elements(chance, array)
    if way == "size" and array.ndim:
        axis = chance.randrange(array.ndim)
        shape = list(array.shape)
        shape[axis] = chance.choice((0, 1, 2, 3, 7, array.shape[axis] + 1, max(0, array.shape[axis] - 1), 40))
        return np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    if way == "rank":
        return chance.choice((_flat, _first, _wider, _longer, _much_longer))(array)
    dtype = np.dtype(chance.choice(DTYPES))
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1)


def _first(array: np.ndarray) -> np.ndarray:
    return np.asarray(array[0]) if array.ndim and array.shape[0] else np.zeros((), array.dtype)


def _wider(array: np.ndarray) -> np.ndarray:
    return array[..., None]


def _longer(array: np.ndarray) -> np.ndarray:
    return array[None]


def _much_longer(array: np.ndarray) -> np.ndarray:
    return array.reshape(*[1] * max(1, 7 - array.ndim), *array.shape)


def _odd_elements(chance: random.Random, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind == "f":
        result = np.array(array)
        result[() if array.ndim == 0 else chance.choice((..., 0 if len(array) else ...))] = chance.choice(REAL)
        return result
    number = chance.choice(WHOLE if chance.random() < 0.7 else EXTREME)
    result = np.array(array, np.int64 if array.dtype == np.int32 and not -(2**31) <= number < 2**31 else array.dtype)
    number = int(np.array(number % 2**64, np.uint64).astype(result.dtype))
    if result.ndim == 0 or not result.size or chance.random() < 0.3:
        result[...] = number
    else:
        result.reshape(-1)[chance.randrange(result.size)] = number
    return result


def _constant(value: Any) -> Any:
    """The elements of a constant message, a text, or none for what these changes leave alone."""
    tensor = value.immediateValue.tensor
    which = tensor.WhichOneof("value")
    shape = tuple(int(dimension.constant.size) for dimension in value.type.tensorType.dimensions)
    dtypes = {"floats": np.float32, "ints": np.int32, "bools": np.bool_}
    if which == "strings":
        return "text"
    if which in dtypes:
        return np.array(getattr(tensor, which).values, dtypes[which]).reshape(shape)
    stored = {10: np.float16, 21: np.int8, 24: np.int64, 31: np.uint8, 33: np.uint32}.get(
        value.type.tensorType.dataType
    )
    if stored is None or len(tensor.bytes.values) != math.prod(shape) * np.dtype(stored).itemsize:
        return None  # of a narrow type, or changed already
    return np.frombuffer(tensor.bytes.values, stored).reshape(shape)


def change_constant(chance: random.Random, changing: Changing) -> None:
    """An argument that is a constant gets other elements, another shape or type."""
    places = changing.arguments("value")
    if not places:
        return
    operation, parameter, binding = chance.choice(places)
    value = _constant(binding.value)
    odd: Any
    if isinstance(value, str):
        odd = Text(chance.choice(TEXTS))
    elif value is None:
        change_packed(chance, binding.value)
        changing.notes.append(f"{operation.type}.{parameter}: packed constant changed")
        return
    else:
        odd = odd_array(chance, value)
    _set(binding, odd)
    changing.notes.append(f"{operation.type}.{parameter} = {_shown(odd)}")


def change_packed(chance: random.Random, value: Any) -> None:
    """A constant of a narrow type: other sizes, bytes or type."""
    tensor, type_ = value.immediateValue.tensor, value.type.tensorType
    way = chance.randrange(3)
    if way == 0:
        tensor.bytes.values = chance.randbytes(chance.choice((0, 1, 3, 6, 12, 24)))
    elif way == 1 and type_.dimensions:
        type_.dimensions[chance.randrange(len(type_.dimensions))].constant.size = chance.choice((0, 1, 2, 7, 1 << 40))
    else:
        type_.dataType = chance.choice((21, 25, 31, 35, 36, 37, 38, 39))


def _set(binding: Any, value: Any) -> None:
    binding.value.Clear()
    set_constant(binding.value, value)


def _shown(value: Any) -> str:
    if isinstance(value, Text):
        return repr(value.value)
    return f"{value.dtype} {list(value.shape)} {value.reshape(-1)[:6].tolist()}"


def change_given(chance: random.Random, changing: Changing) -> None:
    """An input of the function gets other elements, another shape or type, which its declarations say too, or not."""
    named = [n for n in changing.function.inputs if n.name in changing.given]
    if not named:
        return
    chosen = chance.choice(named)
    array = odd_array(chance, changing.given[chosen.name])
    if array.dtype.name not in ARRAY_CODES:
        array = array.astype(np.int32)
    changing.given[chosen.name] = array
    _declare(changing, chosen, array.dtype.name, array.shape, tells=chance.random() < 0.9)
    changing.notes.append(f"input {chosen.name} {_shown(array)}")


def _declare(changing: Changing, named: Any, dtype: str, shape: Sequence[int], *, tells: bool) -> None:
    features = [f for f in changing.message.description.input if f.name == named.name]
    if tells:
        named.type.Clear()
        set_type(named.type, dtype, shape)
    for feature in features:
        array = feature.type.multiArrayType
        del array.shape[:]
        array.shape.extend(shape)
        array.dataType = ARRAY_CODES[dtype]


def change_declared_input(chance: random.Random, changing: Changing) -> None:
    """An input's declared size becomes huge or nothing, in the description, the function, or both."""
    named = [n for n in changing.function.inputs if n.name in changing.given and changing.given[n.name].ndim]
    if not named:
        return
    chosen, where = chance.choice(named), chance.choice(("both", "function", "description"))
    array = changing.given[chosen.name]
    shape = list(array.shape)
    shape[chance.randrange(len(shape))] = chance.choice((0, 1 << 28, 2**31, 2**40, 2**62))
    if where == "both":
        _declare(changing, chosen, array.dtype.name, shape, tells=True)
    elif where == "description":
        _declare(changing, chosen, array.dtype.name, shape, tells=False)
    else:
        chosen.type.Clear()
        set_type(chosen.type, array.dtype.name, shape)
    changing.notes.append(f"{chosen.name} declared {shape} in {where}")


def give_constant(chance: random.Random, changing: Changing) -> None:
    """A constant argument is given at run time instead."""
    places = [
        (operation, parameter, binding, value)
        for operation, parameter, binding in changing.arguments("value")
        if isinstance(value := _constant(binding.value), np.ndarray) and value.dtype.name in ARRAY_CODES
    ]
    if not places:
        return
    operation, parameter, binding, value = chance.choice(places)
    name = f"given{len(changing.given)}"
    binding.name = name
    named = changing.function.inputs.add()
    named.name = name
    set_type(named.type, value.dtype.name, value.shape)
    feature = changing.message.description.input.add()
    feature.name = name
    feature.type.multiArrayType.shape.extend(value.shape or (1,))
    feature.type.multiArrayType.dataType = ARRAY_CODES[value.dtype.name]
    changing.given[name] = value.reshape(value.shape or (1,))
    changing.notes.append(f"{operation.type}.{parameter} given at run time")


def fix_given(chance: random.Random, changing: Changing) -> None:
    """An argument given at run time becomes a constant."""
    places = [(o, p, b) for o, p, b in changing.arguments("name") if b.name in changing.given]
    if places:
        operation, parameter, binding = chance.choice(places)
        _set(binding, changing.given[binding.name])
        changing.notes.append(f"{operation.type}.{parameter} constant")


def enlarge(chance: random.Random, changing: Changing) -> None:
    """Arguments are replaced by large tensors that the program makes itself."""
    places = changing.arguments("name") + changing.arguments("value")
    if not places:
        return
    dtype = chance.choice(("float32", "float32", "int32", "float16"))
    for operation, parameter, binding in chance.sample(places, min(len(places), chance.choice((1, 2)))):
        shape, name = chance.choice(LARGE), f"large{len(changing.block.operations)}"
        value = np.array(1, dtype)
        add_op(changing.block, Op("fill", {"shape": np.array(shape, np.int32), "value": value}, name, dtype, shape))
        added = type(operation).FromString(changing.block.operations.pop().SerializeToString())
        changing.block.operations.insert(0, added)
        binding.Clear()
        binding.name = name
        changing.notes.append(f"{operation.type}.{parameter} = fill {list(shape)} {dtype}")


def change_arguments(chance: random.Random, changing: Changing) -> None:
    """A parameter is lost, doubled, renamed or gets what another has."""
    operations = [o for o in changing.operations() if o.inputs]
    if not operations:
        return
    operation = chance.choice(operations)
    parameter = chance.choice(sorted(operation.inputs))
    way = chance.choice(("lost", "doubled", "renamed", "another's", "exchanged"))
    argument = operation.inputs[parameter]
    if way == "lost":
        del operation.inputs[parameter]
    elif way == "doubled" and argument.arguments:
        for _ in range(chance.choice((1, 1, 20))):
            argument.arguments.add().CopyFrom(argument.arguments[0])
    elif way == "renamed":
        names = [*changing.given, *(o.name for op in changing.operations() for o in op.outputs), "nothing"]
        argument.arguments[0].name = chance.choice(names)
    else:
        other = chance.choice(sorted(operation.inputs))
        mine, theirs = type(argument)(), type(argument)()
        mine.CopyFrom(argument)
        theirs.CopyFrom(operation.inputs[other])
        argument.CopyFrom(theirs)
        if way == "exchanged":
            operation.inputs[other].CopyFrom(mine)
    changing.notes.append(f"{operation.type}.{parameter} {way}")


def change_types(chance: random.Random, changing: Changing) -> None:
    """What an op, or a block's input, is declared to be."""
    named = [o for op in changing.operations() for o in op.outputs]
    named += [i for op in changing.operations() for b in op.blocks for i in b.inputs]
    if not named:
        return
    chosen = chance.choice(named)
    type_ = chosen.type.tensorType
    if chance.random() < 0.4 or not type_.dimensions:
        type_.dataType = chance.choice((1, 10, 11, 21, 23, 24, 31, 33, 35, 37))
    else:
        dimension = type_.dimensions[chance.randrange(len(type_.dimensions))]
        dimension.constant.size = chance.choice((0, 1, 2, 1 << 28, 2**40, 2**62))
    changing.notes.append(f"type of {chosen.name} changed")


def change_blocks(chance: random.Random, changing: Changing) -> None:
    """A nested block loses, doubles or exchanges its outputs, inputs or operations, or is itself lost or doubled."""
    nesting = [op for op in changing.operations() if op.blocks]
    if not nesting:
        change_program(chance, changing)
        return
    operation = chance.choice(nesting)
    block = chance.choice(operation.blocks)
    parts = chance.choice((block.outputs, block.inputs, block.operations, operation.blocks, operation.outputs))
    _disturb(chance, parts)
    changing.notes.append(f"blocks of {operation.type} changed")


def change_program(chance: random.Random, changing: Changing) -> None:
    """The opset changes, or operations and outputs are lost, doubled or exchanged."""
    way = chance.randrange(3)
    if way == 0:
        opset = chance.choice(("CoreML5", "CoreML6", "CoreML7", "CoreML8", "CoreML9"))
        block = type(changing.block).FromString(changing.block.SerializeToString())
        changing.function.block_specializations.clear()
        changing.function.block_specializations[opset].CopyFrom(block)
        changing.function.opset = opset
    elif way == 1:
        _disturb(chance, changing.block.operations)
    else:
        _disturb(chance, changing.block.outputs)
    changing.notes.append("opset, operations or outputs changed")


def _disturb(chance: random.Random, parts: Any) -> None:
    if not len(parts):
        return
    place, way = chance.randrange(len(parts)), chance.randrange(3)
    items = [part if isinstance(part, str) else type(part).FromString(part.SerializeToString()) for part in parts]
    if way == 0:
        del items[place]
    elif way == 1:
        items.append(items[place])
    else:
        chance.shuffle(items)
    del parts[:]
    parts.extend(items)


Change = Callable[[random.Random, Changing], None]
CHANGES: tuple[Change, ...] = (
    change_constant,
    change_given,
    change_declared_input,
    give_constant,
    fix_given,
    enlarge,
    change_arguments,
    change_types,
    change_blocks,
)
WEIGHTS = (8, 8, 2, 2, 1, 3, 3, 2, 2)

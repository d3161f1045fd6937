"""The few numbers of an ML Program that decide how often its loops run; see `loops`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evaluators.costs.loops import MOST_VALUES, Number, Routine, Setting, Step, Turns, fold
from evaluators.emulators.coreml.program import Block, Operation, Value

_OPERANDS = {
    "select": ("cond", "a", "b"),
    "gather": ("x", "indices"),
    "slice_by_index": ("x", "begin", "end", "stride"),
    "slice_by_size": ("x", "begin", "size"),
    "concat": ("values",),
    "stack": ("values",),
    **dict.fromkeys(("cast", "identity", "reshape", "squeeze", "expand_dims", "logical_not"), ("x",)),
}
"""parameters that hold numbers, in the order in which `fold` takes them; of the others x and y"""

ShapeOf = Callable[[str], tuple[int, ...] | None]
"""the sizes of a value by its name, none where they are not known"""


def count_turns(operation: Operation, known: Mapping[str, Number], shape_of: ShapeOf, turns: Turns) -> int | None:
    """How often a `while_loop` runs its body; none where that follows from data.

    Args:
        operation: The loop.
        known: Numbers known outside of it, by name.
        shape_of: As far as known.
        turns: Counts those of all loops.
    """
    if len(operation.blocks) != 2:
        return None
    initial = [_constant(item, known) for item in operation.inputs.get("loop_vars", ())]
    condition, body = operation.blocks
    pairs = zip(body.inputs, body.outputs, strict=False)
    same = {place for place, (before, after) in enumerate(pairs) if before.name == after}
    routines = [_routine(block, {**known, **_given(block, initial, same)}, shape_of) for block in (condition, body)]
    return turns.count(routines[0], routines[1], initial)


def _given(block: Block, initial: Sequence[Number | None], same: set[int]) -> dict[str, Number]:
    """What goes from turn to turn unchanged."""
    pairs = ((place, block.inputs[place].name) for place in same if place < len(block.inputs))
    return {name: value for place, name in pairs if place < len(initial) and (value := initial[place]) is not None}


def _routine(block: Block, known: Mapping[str, Number], shape_of: ShapeOf) -> Routine:
    constants = {**known}
    steps = []
    for operation in block.operations:
        value = read_constant(operation)
        if value is not None:
            constants[operation.outputs[0].name] = value
            continue
        compute, reads = _step(operation, constants, shape_of)
        steps.append(Step(compute, reads, tuple(named.name for named in operation.outputs)))
    return Routine(tuple(named.name for named in block.inputs), block.outputs, tuple(steps), constants)


def read_constant(operation: Operation) -> Number | None:
    """The value of a `const` that holds few numbers."""
    value = operation.attributes.get("val") if operation.kind == "const" else None
    return None if value is None or len(operation.outputs) != 1 else _constant(value, {})


def compute_known(operation: Operation, known: Mapping[str, Number], shape_of: ShapeOf) -> Number | None:
    """What an op makes of known numbers; none where it makes none."""
    compute, reads = _step(operation, known, shape_of)
    return None if compute is None or reads else compute([])


def _step(
    operation: Operation, known: Mapping[str, Number], shape_of: ShapeOf
) -> tuple[Callable[[Sequence[Number]], Number | None] | None, tuple[str, ...]]:
    """How to compute an op, and the names of what it needs for that and is not known yet."""
    setting = _setting(operation, known, shape_of)
    if setting is None:
        return None, ()
    if operation.kind == "shape":
        source = operation.inputs["x"][0] if "x" in operation.inputs else None
        shape = shape_of(source) if isinstance(source, str) else None
        made = None if shape is None else fold("identity", [np.asarray(shape)], setting)
        return (None if made is None else lambda _: made), ()
    names = _OPERANDS.get(operation.kind, ("x", "y"))
    items = [item for name in names for item in operation.inputs.get(name, ())]
    operands = [value if (value := _constant(item, known)) is not None else item for item in items]
    missing = tuple(operand for operand in operands if isinstance(operand, str))
    if not operands or any(isinstance(operand, Value) for operand in operands):
        return None, ()

    def compute(values: Sequence[Number]) -> Number | None:
        given = iter(values)
        filled = [next(given) if isinstance(operand, str) else operand for operand in operands]
        return fold(operation.kind, [operand for operand in filled if isinstance(operand, np.ndarray)], setting)

    return compute, missing


def _setting(operation: Operation, known: Mapping[str, Number], shape_of: ShapeOf) -> Setting | None:
    made = operation.outputs[0] if len(operation.outputs) == 1 else None
    stored = made.type.dtype.stored if made is not None and made.type.dtype is not None else None
    if made is None or stored is None:
        return None
    # What is inside of a loop was not counted yet, but says its sizes where they are not open.
    shape = shape_of(made.name) if made.type.shape is None or None in made.type.shape else made.type.shape
    sizes = tuple(size for size in shape or () if size is not None)
    if shape is None or len(sizes) < len(shape) or math.prod(sizes) > MOST_VALUES:
        return None
    first = {name: _first(operation, name, known) for name in ("begin_mask", "end_mask", "squeeze_mask", "axis")}
    if operation.kind == "gather" and first["axis"]:
        return None  # not the one dimension that a list of numbers has
    return Setting(sizes, stored, first["begin_mask"], first["end_mask"], bool(first["squeeze_mask"]))


def _first(operation: Operation, name: str, known: Mapping[str, Number]) -> int:
    """The first value of a parameter, 0 where the op leaves it out."""
    value = _constant(operation.inputs[name][0], known) if operation.inputs.get(name) else None
    return 0 if value is None or value.size == 0 else int(value.reshape(-1)[0])


def _constant(item: str | Value, known: Mapping[str, Number]) -> Number | None:
    if isinstance(item, str):
        return known.get(item)
    data = item.data
    numeric = isinstance(data, np.ndarray) and data.dtype.kind in "biuf" and data.size <= MOST_VALUES
    return data if numeric else None

"""How often a loop of a graph runs, where that follows from numbers the file states and not from data.

What decides is a handful of ops on whole numbers: a counter, its bound, perhaps the size of an input. They are computed
here, turn by turn, and nothing else of the loop is. Both formats spell these ops alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Number = npt.NDArray[Any]
"""a counter, a bound, a shape: at most `MOST_VALUES` values"""

MOST_VALUES = 64
"""a larger tensor holds data"""

MOST_WORK = 4_000_000
"""turns of all loops of a file, and steps in them, together: a minute of audio, sample by sample; more is as good as
endless"""

MOST_KEPT = 4096
"""turns whose counters are remembered for the loops inside"""

UNKNOWN_LENGTH = "a WHILE loop of unknown length"


@dataclass(frozen=True)
class Setting:
    """What an op is told beside its operands."""

    shape: tuple[int, ...] = ()
    """of its output"""
    dtype: npt.DTypeLike = np.int32
    """of its output"""
    begin_mask: int = 0
    """of a slice: 1 where it begins at the first element, whatever is said"""
    end_mask: int = 0
    shrinks: bool = False
    """of a slice: whether it takes one element, without its dimension"""


@dataclass(frozen=True)
class Step:
    """One op of a loop."""

    compute: Callable[[Sequence[Number]], Number | None] | None
    """none: what it makes follows from data, or the op is not one of these"""
    reads: tuple[Hashable, ...]
    writes: tuple[Hashable, ...]


@dataclass(frozen=True)
class Routine:
    """A loop's condition or its body."""

    inputs: tuple[Hashable, ...]
    """what goes from turn to turn, in order"""
    outputs: tuple[Hashable, ...]
    steps: tuple[Step, ...]
    known: Mapping[Any, Number]


@dataclass(frozen=True)
class Trip:
    """The turns of one loop."""

    turns: int
    firsts: tuple[Mapping[int, Number], ...]
    """what decides, by its place, as it goes into each turn; none of a loop of many turns"""


class Turns:
    """Counts the turns of loops; one for all loops of a file, so that a hostile one costs no more than others."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def count(self, condition: Routine, body: Routine, initial: Sequence[Number | None]) -> int | None:
        """How often the body runs; none where that cannot be told; arguments as `trip`'s."""
        found = self.trip(condition, body, initial)
        return None if found is None else found.turns

    def trip(self, condition: Routine, body: Routine, initial: Sequence[Number | None]) -> Trip | None:
        """The turns of a loop; none where they cannot be told.

        Args:
            condition: Goes on while its one output is true.
            body: Makes of what goes into a turn what goes into the next.
            initial: What goes into the first turn, as far as it is known.
        """
        deciding = _deciding(condition, body)
        if deciding is None or any(initial[place] is None for place in deciding):
            return None
        test = _Program.of(condition, [condition.outputs[0]])
        advance = _Program.of(body, [body.outputs[place] for place in deciding])
        if test is None or advance is None:
            return None
        values = [np.asarray(initial[place]) for place in deciding]
        turns, kept = 0, list[Mapping[int, Number]]()
        while (going_on := test.run([condition.inputs[place] for place in deciding], values)) is not None:
            if going_on[0].size != 1:
                return None
            if not going_on[0].item():
                return Trip(turns, tuple(kept) if turns == len(kept) else ())
            if not self.spend(1 + len(test.steps) + len(advance.steps)):
                return None
            if turns < MOST_KEPT:
                kept.append(dict(zip(deciding, values, strict=True)))
            turns += 1
            advanced = advance.run([body.inputs[place] for place in deciding], values)
            if advanced is None:
                return None
            values = advanced
        return None

    def spend(self, work: int) -> bool:
        """Take from what may be done for one file; whether there was enough left."""
        self._left -= work
        return self._left >= 0

    def rows(
        self, body: Routine, wanted: Sequence[Hashable], turns: Sequence[Mapping[int, Number]]
    ) -> list[list[Number | None]]:
        """What values in a loop's body are in each turn, as far as they follow from what goes into it.

        Args:
            body: The loop's.
            wanted: The values.
            turns: A trip's `firsts`.
        """
        places = [_places(body, [name]) for name in wanted]
        programs = [_Program.of(body, [name]) for name in wanted]
        found: list[list[Number | None]] = []
        for turn in turns:
            row: list[Number | None] = []
            for program, needed in zip(programs, places, strict=True):
                if program is None or needed is None or not needed <= turn.keys():
                    row.append(None)
                    continue
                made = program.run([body.inputs[place] for place in turn], list(turn.values()))
                row.append(None if made is None else made[0])
                if not self.spend(1 + len(program.steps)):
                    return []
            found.append(row)
        return found


@dataclass(frozen=True)
class _Program:
    """The steps that some values depend on."""

    steps: tuple[Step, ...]
    known: Mapping[Any, Number]
    wanted: tuple[Hashable, ...]

    @classmethod
    def of(cls, routine: Routine, wanted: Sequence[Hashable]) -> _Program | None:
        steps = _needed(routine, wanted)
        return None if steps is None else cls(tuple(steps), routine.known, tuple(wanted))

    def run(self, names: Sequence[Hashable], values: Sequence[Number]) -> list[Number] | None:
        found: dict[Hashable, Number] = {**self.known, **dict(zip(names, values, strict=True))}
        for step in self.steps:
            made = None if step.compute is None else step.compute([found[name] for name in step.reads])
            if made is None:
                return None
            found[step.writes[0]] = made
        return [found[name] for name in self.wanted]


def _needed(routine: Routine, wanted: Sequence[Hashable]) -> list[Step] | None:
    """The steps that make `wanted`, in order; none where one of them cannot be computed."""
    missing = set(wanted) - routine.known.keys()
    steps = []
    for step in reversed(routine.steps):
        if missing.isdisjoint(step.writes):
            continue
        if step.compute is None or len(step.writes) != 1:
            return None
        missing.difference_update(step.writes)
        missing.update(name for name in step.reads if name not in routine.known)
        steps.append(step)
    return steps[::-1] if missing <= set(routine.inputs) else None


def _deciding(condition: Routine, body: Routine) -> list[int] | None:
    """Places of the values that the condition depends on, turn after turn."""
    places = _places(condition, [condition.outputs[0]])
    while places is not None:
        further = _places(body, [body.outputs[place] for place in sorted(places)])
        if further is None or further <= places:
            return None if further is None else sorted(places)
        places |= further
    return None


def _places(routine: Routine, wanted: Sequence[Hashable]) -> set[int] | None:
    steps = _needed(routine, wanted)
    if steps is None:
        return None
    read = {name for step in steps for name in step.reads} | set(wanted)
    return {place for place, name in enumerate(routine.inputs) if name in read and name not in routine.known}


def fold(kind: str, operands: Sequence[Number], setting: Setting) -> Number | None:
    """What an op makes of known numbers; none where the op is not one that counts.

    Args:
        kind: In lower case, for example `add`; TFLite and MIL agree on most.
        operands: What it reads, in the order of its definition.
        setting: What else it is told.
    """
    compute = _OPS.get(kind)
    if compute is None:
        return None
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(compute(operands, setting))
        if made.size > MOST_VALUES or made.size != math.prod(setting.shape):
            return None
        return made.astype(setting.dtype).reshape(setting.shape)
    except (ValueError, IndexError, TypeError, OverflowError):  # the file's own numbers make no sense together
        return None


def _same(operands: Sequence[Number], _: Setting) -> Number:
    return operands[0]


def _joined(operands: Sequence[Number], _: Setting) -> Number:
    return np.concatenate([np.ravel(operand) for operand in operands])


def _slice(operands: Sequence[Number], setting: Setting) -> Number:
    source, begin, end = operands[0], int(operands[1].item()), int(operands[2].item())
    stride = int(operands[3].item()) if len(operands) > 3 else 1
    if source.ndim != 1:
        raise ValueError("only lists of numbers are cut")
    if setting.shrinks:
        return np.asarray(source[begin])
    return source[None if setting.begin_mask & 1 else begin : None if setting.end_mask & 1 else end : stride]


def _slice_size(operands: Sequence[Number], _: Setting) -> Number:
    begin, size = int(operands[1].item()), int(operands[2].item())
    return operands[0][begin : None if size < 0 else begin + size]


def _reduced(function: Callable[..., Any]) -> Callable[[Sequence[Number], Setting], Number]:
    return lambda operands, _: function(operands[0], axis=tuple(int(axis) for axis in np.ravel(operands[1])))


def _range(operands: Sequence[Number], _: Setting) -> Number:
    first, limit, step = (operand.item() for operand in operands[:3])
    if not 0 <= (limit - first) / step <= MOST_VALUES:
        raise ValueError("too long, or empty")
    return np.arange(first, limit, step)


def _filled(operands: Sequence[Number], setting: Setting) -> Number:
    return np.full(setting.shape if math.prod(setting.shape) <= MOST_VALUES else 0, operands[1].item())


def _plain(function: Callable[..., Any], count: int) -> Callable[[Sequence[Number], Setting], Any]:
    return lambda operands, _: function(*operands[:count])


_OPS: dict[str, Callable[[Sequence[Number], Setting], Any]] = {
    **{
        kind: _plain(function, 2)
        for kind, function in {
            "add": np.add, "sub": np.subtract, "mul": np.multiply, "floor_div": np.floor_divide, "mod": np.mod,
            "floor_mod": np.mod, "minimum": np.minimum, "maximum": np.maximum, "less": np.less,
            "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal, "equal": np.equal,
            "not_equal": np.not_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
        }.items()
    },
    "logical_not": _plain(np.logical_not, 1),
    "neg": _plain(np.negative, 1),
    "abs": _plain(np.abs, 1),
    "ceil": _plain(np.ceil, 1),
    "floor": _plain(np.floor, 1),
    "reduce_prod": _reduced(np.prod),
    "reduce_max": _reduced(np.max),
    "reduce_min": _reduced(np.min),
    "sum": _reduced(np.sum),
    "range": _range,
    "fill": _filled,
    "select": _plain(np.where, 3),
    "select_v2": _plain(np.where, 3),
    "div": lambda operands, _: np.trunc(operands[0] / operands[1]),
    "real_div": lambda operands, _: operands[0] / operands[1],
    "gather": lambda operands, _: np.take(operands[0], operands[1], axis=0, mode="raise"),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims", "cast", "identity"), _same),
    **dict.fromkeys(("concatenation", "pack", "concat", "stack"), _joined),
    **dict.fromkeys(("strided_slice", "slice_by_index"), _slice),
    **dict.fromkeys(("slice", "slice_by_size"), _slice_size),
}  # fmt: skip

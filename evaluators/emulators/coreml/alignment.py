"""Which op of one program is which op of another, and how to walk two programs side by side in little memory.

Programs of one model in two precisions keep the names of their ops, but for what coremltools appends where it changes
an op's type: a converted op is `x_cast_fp16` (of several outputs: `x_cast_fp16_0`), an inserted cast `x_to_fp16` or
`x_cast_fp16_to_fp32`. Ops that a pass fused, split or made anew have names on one side only and stay unaligned, and so
do constants and what is computed of constants alone, which is no op any more once a program is loaded.

Source: `CastTypeQuantization.transform_op` and `cast_optimization` of coremltools 9.0
(converters/mil/mil/passes/defs/quantization.py, optimize_repeat_ops.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluators.emulators.coreml.plan import Plan

_CAST = re.compile(r"_(?:cast|to)_(?:fp|u?int)(?:8|16|32)(?=(?:_\d+)?$)")


def base_name(name: str) -> str:
    """A name without what coremltools appended to tell of casts."""
    while (shorter := _CAST.sub("", name)) != name and shorter:
        name = shorter
    return name


def align_names(reference: Iterable[str], candidate: Iterable[str]) -> dict[str, str]:
    """The names of a candidate that have a namesake in its reference.

    A name's namesake is the same name, else the name without the marks of casts, else the first of the reference's
    names that differs from it in such marks only. Several names may have one namesake: `x_cast_fp16` and its cast back
    `x_cast_fp16_to_fp32` both stand for `x`.

    Args:
        reference: The reference's names, in program order.
        candidate: The candidate's names.

    Returns:
        The candidate's name → the reference's, in the candidate's order.
    """
    known: dict[str, str] = {}
    exact = dict.fromkeys(reference)
    for name in exact:
        known.setdefault(base_name(name), name)
    aligned = {}
    for name in candidate:
        base = base_name(name)
        found = next((n for n in (name, base) if n in exact), known.get(base))
        if found is not None:
            aligned[name] = found
    return aligned


def output_names(plan: Plan) -> list[str]:
    """The names of all ops' outputs, in program order."""
    return [info.output for step in plan.steps for info in step.infos]


def walk(plan: Plan, inputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Run a plan step by step, giving each output's name and value as it is computed; what is used up is freed.

    The caller holds torch's inference mode, since a generator cannot.

    Raises:
        EvaluationError: An op cannot compute what it is given.
    """
    slots = plan.start(inputs)
    for index, step in enumerate(plan.steps):
        values = plan.compute(index, slots)
        plan.store(index, values, slots)
        yield from ((info.output, value) for info, value in zip(step.infos, values, strict=True))


class Follower:
    """A program's values by name, computed when one is asked for, and dropped when it was asked for the last time.

    Asked in the program's own order it keeps one value at a time. Asked in another, it keeps those it had to compute
    on the way to a later one: at worst all that will be asked for.
    """

    def __init__(self, plan: Plan, inputs: Sequence[Any], names: Iterable[str]) -> None:
        """Follow a plan.

        Args:
            plan: Runs once, as far as is asked for.
            inputs: As `Plan.start` takes them.
            names: What will be asked for, once for each time.
        """
        self._values = walk(plan, inputs)
        self._uses = Counter(names)
        self._kept: dict[str, Any] = {}
        self._held_bytes = 0
        self.most_held_bytes = 0
        """the most that was kept at a time, besides what the run itself keeps alive"""

    def take(self, name: str) -> Any:
        """A value that was announced.

        Raises:
            EvaluationError: An op on the way to it cannot compute what it is given.
            KeyError: The program has no such output, or it was taken as often as announced.
        """
        while name not in self._kept:
            found = next(self._values, None)
            if found is None:
                raise KeyError(name)
            if self._uses[found[0]]:
                self._keep(*found)
        value = self._kept[name]
        self._uses[name] -= 1
        if not self._uses[name]:
            self._held_bytes -= _size_bytes(self._kept.pop(name))
        return value

    def _keep(self, name: str, value: Any) -> None:
        self._kept[name] = value
        self._held_bytes += _size_bytes(value)
        self.most_held_bytes = max(self.most_held_bytes, self._held_bytes)


def _size_bytes(value: Any) -> int:
    return int(getattr(value, "nbytes", 0))

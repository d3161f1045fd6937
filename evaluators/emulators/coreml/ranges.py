"""What values the ops of a program take, and whether float16 can hold them.

Only statistics are kept, never the values. Constants are no ops, nor is what is computed of constants alone when a
program is loaded; ops inside nested blocks (of `cond` and `while_loop`) are not shown to an observer, only what the
blocks give back.

Source: IEEE 754-2019 binary16, rounding to nearest with ties to even. Its largest number is 65504 and what lies half a
step above it, 65520, or beyond becomes infinite; its smallest normal number is 2^-14, its smallest number 2^-24, and
what is not above half of that, 2^-25, becomes 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from evaluators.emulators.coreml.model import CoreMLModel
from evaluators.emulators.coreml.observations import HalfFit, OpRange
from evaluators.emulators.coreml.plan import PlannedOp
from evaluators.errors import EvaluationError

_OVERFLOW = 65520.0
_VANISH = 2.0**-25
_SUBNORMAL = 2.0**-14 - 2.0**-25
"""half a step below the smallest normal number; it and what is above round to a normal number"""


def observe_ranges(model: CoreMLModel, inputs: Iterable[Mapping[str, Any]]) -> tuple[OpRange, ...]:
    """Run a program and gather, for every op's output, the range of its values and how they fit into float16.

    Args:
        model: A program of any precision. One with state gets a fresh state, which lives on from input to input.
        inputs: What to run, one mapping a run, as `CoreMLModel.predict` takes them; read one at a time.

    Returns:
        In program order; outputs that are no tensors (texts, lists) are left out.

    Raises:
        EvaluationError: There are no inputs, or as `predict`.
    """
    state = model.make_state() if model.states else None
    gathered = _Gathered(model)
    runs = 0
    for values in inputs:
        gathered.begin(model.prepare(values, state))
        model.run(values, gathered, state=state)
        runs += 1
    if not runs:
        raise EvaluationError(f"{model.path}: observing ranges needs at least one input")
    return gathered.ranges()


class _Gathered:
    """The observer: statistics by slot, and which slots hold what is not finite in this run."""

    def __init__(self, model: CoreMLModel) -> None:
        self._model = model
        self._steps = model.plan.steps
        self._sums: dict[str, RangeSums] = {}
        self._tainted: set[int] = set()

    def begin(self, prepared: Sequence[Any]) -> None:
        """Before each run: forget the slots of the last one, and look at the inputs."""
        slots = zip(self._model.plan.inputs, prepared, strict=True)
        self._tainted = {slot for slot, value in slots if isinstance(value, Tensor) and not _is_finite(value)}

    def __call__(self, op: PlannedOp, value: Tensor) -> None:
        step = self._steps[op.index]
        sums = self._sums.setdefault(op.output, RangeSums(op))
        if not sums.add(value):
            self._tainted.add(step.outputs[step.infos.index(op)])
            # What a state holds was written by another op, perhaps in another run.
            sums.breaks |= op.kind != "read_state" and self._tainted.isdisjoint(step.inputs)

    def ranges(self) -> tuple[OpRange, ...]:
        return tuple(sums.range() for sums in self._sums.values())


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return True
    # NaN and infinities show in the ends; one pass, where isfinite takes two.
    return all(math.isfinite(float(end)) for end in torch.aminmax(value))


class RangeSums:
    """Running statistics of one output."""

    def __init__(self, op: PlannedOp) -> None:
        self._op = op
        self._floating = op.dtype.startswith("float")
        self._elements = self._finite = self._nans = self._infinities = self._zeros = 0
        self._minimum, self._maximum = math.inf, -math.inf
        self._smallest = math.inf
        self._total = 0.0
        self._overflowing = self._vanishing = self._subnormal = 0
        self.breaks = False

    def add(self, value: Tensor) -> bool:
        """Take in one run's values; whether all of them are finite."""
        if not value.is_floating_point():
            value = value.double()  # truth values have no range, and the lowest int8 has no magnitude of its own type
        self._elements += value.numel()
        finite = _is_finite(value)
        if not finite:
            self._nans += int(value.isnan().sum())
            self._infinities += int(value.isinf().sum())
            value = value[torch.isfinite(value)]
        if value.numel():
            self._add_finite(value)
        return finite

    def _add_finite(self, value: Tensor) -> None:
        low, high = (float(end) for end in torch.aminmax(value))
        self._minimum, self._maximum = min(self._minimum, low), max(self._maximum, high)
        self._finite += value.numel()
        self._total += float(value.double().sum())
        size = value.abs()
        zeros = size.numel() - int(torch.count_nonzero(size))
        self._zeros += zeros
        smallest = float(size.masked_fill(size == 0, math.inf).amin() if zeros else size.amin())
        self._smallest = min(self._smallest, smallest)
        if not self._floating:
            return
        if smallest < _SUBNORMAL:
            vanishing = int((size <= _VANISH).sum()) - zeros
            self._vanishing += vanishing
            self._subnormal += int((size < _SUBNORMAL).sum()) - zeros - vanishing
        if max(-low, high) >= _OVERFLOW:
            self._overflowing += int((size >= _OVERFLOW).sum())

    def range(self) -> OpRange:
        """What all runs came to."""
        op, seen = self._op, self._finite > 0
        mean = self._total / self._finite if seen else math.nan
        return OpRange(
            index=op.index,
            op=op.output,
            kind=op.kind,
            dtype=op.dtype,
            elements=self._elements,
            nans=self._nans,
            infinities=self._infinities,
            zeros=self._zeros,
            minimum=self._minimum if seen else None,
            maximum=self._maximum if seen else None,
            largest=max(abs(self._minimum), abs(self._maximum)) if seen else None,
            smallest=self._smallest if self._smallest < math.inf else None,
            mean=mean if math.isfinite(mean) else None,
            half=self._half() if self._floating else None,
            breaks=self.breaks,
        )

    def _half(self) -> HalfFit:
        if self._op.dtype == "float16":
            return HalfFit(overflowing=self._infinities, vanishing=None, subnormal=self._subnormal)
        return HalfFit(overflowing=self._overflowing, vanishing=self._vanishing, subnormal=self._subnormal)

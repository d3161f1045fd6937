"""Where the values of two programs of one model part: the first op beyond a tolerance, and the worst.

This says where values differ, op by op, each measured against its own range. It does not say which op is to blame for
the error of the outputs: an error here may never reach them, and what is small here (values that became 0 before a
logarithm) may spoil them. `evaluators.formats.coreml.drift` answers that, for programs with the same ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from evaluators.emulators.coreml.alignment import Follower, align_names, output_names, walk
from evaluators.emulators.coreml.model import CoreMLModel
from evaluators.emulators.coreml.observations import Comparison, OpComparison, ShapeMismatch
from evaluators.emulators.coreml.plan import PlannedOp
from evaluators.errors import EvaluationError
from evaluators.parity import ParityMeter
from evaluators.score import Score

TOLERANCE = 0.01
"""of the reference's range: twenty times 2^-11, the most that one rounding to float16 changes a value by"""


def compare(
    reference: CoreMLModel, candidate: CoreMLModel, inputs: Iterable[Mapping[str, Any]], *, tolerance: float = TOLERANCE
) -> Comparison:
    """Run two programs side by side and say where their values part.

    Ops are aligned by the names of their outputs, see `alignment`. Names that a converter only counts (`conv_3`) may
    mean different ops in programs that were not converted alike.

    Both programs are walked at once, and a value of the reference is dropped when its last namesake was compared. So
    memory holds what is alive in the two programs, plus `held_bytes`: one value where they have their ops in the same
    order, at worst (in the opposite order) all that are aligned.

    Args:
        reference: The program held to be right. Programs with state get fresh states, which live on between inputs.
            Both run with as many threads as torch is set to.
        candidate: The program to judge, with the same inputs.
        inputs: What to run both on, one mapping a run, as `CoreMLModel.predict` takes them; read one at a time.
        tolerance: The largest error that is let pass, by the reference's range.

    Raises:
        EvaluationError: There are no inputs, no op of the candidate has a namesake, or as `predict`.
    """
    if not tolerance >= 0:
        raise EvaluationError(f"tolerance is {tolerance}; expected at least 0")
    with torch.inference_mode():
        return _Comparing(reference, candidate, tolerance).run(inputs)


@dataclass(frozen=True)
class Origin:
    """What a value of the reference is."""

    kind: str
    dtype: str


class _Comparing:
    """Both programs, and what was found so far."""

    def __init__(self, reference: CoreMLModel, candidate: CoreMLModel, tolerance: float) -> None:
        self._reference, self._candidate, self._tolerance = reference, candidate, tolerance
        self._infos = {info.output: info for step in candidate.plan.steps for info in step.infos}
        self._inputs = {name: Origin("input", feature.dtype.name) for name, feature in reference.inputs.items()}
        origins = {i.output: Origin(i.kind, i.dtype) for step in reference.plan.steps for i in step.infos}
        self._namesakes = align_names([*self._inputs, *origins], self._infos)
        if not self._namesakes:
            raise EvaluationError(f"{candidate.path}: no op has a namesake in {reference.path}")
        self._meters = {
            name: Meter(self._infos[name], namesake, {**self._inputs, **origins}[namesake])
            for name, namesake in self._namesakes.items()
        }
        self._mismatches: dict[str, ShapeMismatch] = {}
        self._held_bytes = 0

    def run(self, inputs: Iterable[Mapping[str, Any]]) -> Comparison:
        models = (self._reference, self._candidate)
        states = [model.make_state() if model.states else None for model in models]
        runs = 0
        for values in inputs:
            prepared = [model.prepare(values, state) for model, state in zip(models, states, strict=True)]
            self._run_both(*prepared)
            runs += 1
        if not runs:
            raise EvaluationError("comparing programs needs at least one input")
        return self._result(runs)

    def _run_both(self, reference: list[Any], candidate: list[Any]) -> None:
        given = dict(zip(self._reference.input_names, reference, strict=True))
        asked = [name for name in self._namesakes.values() if name not in self._inputs]
        follower = Follower(self._reference.plan, reference, asked)
        for name, value in walk(self._candidate.plan, candidate):
            namesake = self._namesakes.get(name)
            if namesake is None:
                continue
            expected = given[namesake] if namesake in self._inputs else follower.take(namesake)
            if isinstance(value, torch.Tensor) and isinstance(expected, torch.Tensor):
                self._compare(name, expected, value)
        self._held_bytes = max(self._held_bytes, follower.most_held_bytes)

    def _compare(self, name: str, expected: torch.Tensor, found: torch.Tensor) -> None:
        if expected.shape == found.shape:
            self._meters[name].add(expected.numpy(), found.numpy())
        elif name not in self._mismatches:
            self._mismatches[name] = ShapeMismatch(
                op=name,
                reference_op=self._namesakes[name],
                shape=tuple(found.shape),
                reference_shape=tuple(expected.shape),
            )

    def _result(self, runs: int) -> Comparison:
        used = set(self._namesakes.values())
        return summarise(
            [meter.result() for meter in self._meters.values() if meter.elements],
            reference=str(self._reference.path),
            candidate=str(self._candidate.path),
            inputs=runs,
            tolerance=self._tolerance,
            mismatches=tuple(self._mismatches.values()),
            unaligned=tuple(name for name in self._infos if name not in self._namesakes),
            reference_unaligned=tuple(name for name in output_names(self._reference.plan) if name not in used),
            held_bytes=self._held_bytes,
        )


def summarise(ops: Sequence[OpComparison], *, tolerance: float, **facts: Any) -> Comparison:
    """A comparison with its first op beyond the tolerance and its worst one.

    Args:
        ops: In the candidate's order.
        tolerance: The largest error that is let pass, by the reference's range.
        facts: The comparison's other fields.
    """
    worst = max(ops, key=lambda op: op.severity, default=None)
    return Comparison(
        ops=tuple(ops),
        tolerance=tolerance,
        first=next((op.op for op in ops if op.severity > tolerance), None),
        worst=worst.op if worst is not None and worst.severity > 0 else None,
        **facts,
    )


class Meter:
    """Running sums of one pair of namesakes."""

    def __init__(self, info: PlannedOp, namesake: str, origin: Origin) -> None:
        self._info, self._namesake, self._origin = info, namesake, origin
        self._parity = ParityMeter()
        self._low = self._high = 0.0
        self._finite = self._unlike = self._overflowed = self._vanished = 0
        self.elements = 0

    def add(self, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> None:
        """Take in one run's values, of one shape."""
        r, e = (values.astype(np.float64).reshape(-1) for values in (expected, found))
        self.elements += r.size
        both = np.isfinite(r) & np.isfinite(e)
        known = r[np.isfinite(r)]
        self._low, self._high = float(known.min(initial=self._low)), float(known.max(initial=self._high))
        if not both.all():
            same = (r == e) | (np.isnan(r) & np.isnan(e))
            self._unlike += int((~both & ~same).sum())
            self._overflowed += int((np.isinf(e) & np.isfinite(r)).sum())
            r, e = r[both], e[both]
        self._vanished += int(((e == 0) & (r != 0)).sum())
        if r.size:
            self._finite += r.size
            self._parity.add(self._info.output, r, e)

    def result(self) -> OpComparison:
        """What all runs came to."""
        extent = self._high - self._low
        error, snr_db, cosine = self._scores()
        return OpComparison(
            op=self._info.output,
            reference_op=self._namesake,
            kind=self._info.kind,
            dtype=self._info.dtype,
            reference_kind=self._origin.kind,
            reference_dtype=self._origin.dtype,
            elements=self.elements,
            reference_range=extent,
            max_abs_error=error,
            relative_error=error / extent if extent > 0 else (0.0 if error == 0 else None),
            snr_db=snr_db,
            cosine=cosine,
            unlike=self._unlike,
            overflowed=self._overflowed,
            vanished=self._vanished,
        )

    def _scores(self) -> tuple[float, Score, Score]:
        if not self._finite:
            nothing = "no pair of values is finite"
            snr_db = Score(value=None, unit="db", direction="higher", basis="emulated", reason=nothing)
            return 0.0, snr_db, snr_db.model_copy(update={"unit": "dimensionless"})
        parity = self._parity.result(self._info.output)
        if parity.max_abs_error.value is None:
            raise EvaluationError(f"op {self._info.output}: {parity.max_abs_error.reason}")
        return parity.max_abs_error.value, parity.snr_db, parity.cosine

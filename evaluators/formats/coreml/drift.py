"""Where a Core ML program of low precision departs from its float32 original.

In the candidate, the outputs of all ops up to `k` are replaced by the original's values, unrounded, and the rest runs
as it is: R(k) is the largest absolute error the outputs still have. R(0) is the whole error, R(n) is 0, and the op
whose replacement lowers R most is where the departure happens, and to blame. R may rise where errors had cancelled out;
what counts is how far an op brings it below its lowest value so far.

`evaluators.emulators.coreml.comparison` asks something else: where values part, op by op, whether or not the outputs
ever see it.

Each R runs the original up to `k` beside the candidate, so that memory holds what is alive in both programs and not
every activation; `alignment.Follower` states the bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.drift_records import Drift, DriftStep
from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.alignment import Follower, align_names, output_names
from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from evaluators.emulators.coreml.plan import Plan
    from evaluators.emulators.coreml.state import State

_START_SHARE = 0.1
"""the departure starts where this share of the error is removed"""

_SEARCH_SHARE = 0.01
"""stretches of the program that lower R by less than this share of the error are not searched further"""

_MORE_THAN_ROUNDING = 3.0
"""times: float16 weights and sums err about as much as rounding the result does, 8-bit weights a lot more"""

_DRAWN = (
    "Both drew the same random numbers here; in an app each run draws others, so its outputs differ from run to run."
)

_LARGEST_HALF = float(np.finfo(np.float16).max)
_SMALLEST_NORMAL_HALF = float(np.finfo(np.float16).smallest_normal)


def locate_drift(
    reference_path: str | Path, candidate_path: str | Path, inputs: Sequence[Mapping[str, np.ndarray]]
) -> Drift:
    """Find the op at which a candidate program departs from its reference.

    Args:
        reference_path: The program in float32.
        candidate_path: The same program in a lower precision, by the same converter, so that ops keep their names.
        inputs: What to run both on; errors are the largest over all of them. An output value that is not finite counts
            as float16's largest, 65504.

    Returns:
        Ops are named as in the reference. `steps` holds the ops at which R was measured. Where the outputs are equal
        bit for bit, or no op's replacement mends them, there are no steps and no names.

    Raises:
        EvaluationError: There are no inputs, the programs have different outputs, or no op of one is in the other.
    """
    if not inputs:
        raise EvaluationError("locating drift needs at least one input")
    reference, candidate = CoreMLModel(reference_path), CoreMLModel(candidate_path)
    if set(reference.outputs) != set(candidate.outputs):
        found = f"{', '.join(sorted(candidate.outputs))}; expected {', '.join(sorted(reference.outputs))}"
        raise EvaluationError(f"{candidate_path}: has other outputs than {reference_path}: {found}")
    import torch

    from evaluators.emulators.coreml.ops.random import repeat_draws

    with torch.inference_mode(), repeat_draws() as draws:
        trials = [_Trial(reference, candidate, values) for values in inputs]
        places = [index for index, name in enumerate(trials[0].names) if name]
        if not places:
            raise EvaluationError(f"{candidate_path}: no op has a namesake in {reference_path}")
        ends = [0, *(place + 1 for place in places)]
        errors = _search(lambda k: max(trial.error_after(ends[k]) for trial in trials), len(places))
        drift = _described(Path(reference_path).name, candidate.plan, trials, places, errors)
    if not draws.unforeseeable:
        return drift
    return drift.model_copy(update={"explanation": f"{drift.explanation} {_DRAWN}"})


class _Trial:
    """Both programs on one input. Nothing is kept but the inputs and the outputs expected: each R is run anew."""

    def __init__(self, reference: CoreMLModel, candidate: CoreMLModel, inputs: Mapping[str, np.ndarray]) -> None:
        self._reference, self._candidate = reference, candidate
        self._inputs = inputs
        self._expected = reference.predict(inputs, _silence(reference))
        self._namesakes = align_names(output_names(reference.plan), output_names(candidate.plan))
        self.names: list[str] = []
        """the reference's name of each step's output; empty where it has none"""
        self._find_names()

    def _find_names(self) -> None:
        """Run both side by side with every output put right, to see which namesakes have the same shape."""
        plan = self._candidate.plan
        infos = [step.infos[0] if len(step.infos) == 1 else None for step in plan.steps]
        names = [self._namesakes.get(info.output, "") if info else "" for info in infos]
        follower, slots = self._follow(names), plan.start(self._prepared(self._candidate))
        for index, name in enumerate(names):
            values = plan.compute(index, slots)
            right = follower.take(name) if name else None
            fits = right is not None and right.shape == values[0].shape
            self.names.append(name if fits else "")
            plan.store(index, (right,) if fits else values, slots)

    def _follow(self, names: Sequence[str]) -> Follower:
        """The reference, to be asked for these outputs."""
        return Follower(self._reference.plan, self._prepared(self._reference), filter(None, names))

    def _prepared(self, model: CoreMLModel) -> list[Any]:
        """The inputs, and states of 0: a run leaves other ones behind."""
        return model.prepare(self._inputs, _silence(model))

    def values_at(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Of a step's output that has a namesake: the reference's values, and the candidate's from right inputs."""
        follower, slots = self._put_right(index, also=self.names[index])
        right, found = follower.take(self.names[index]), self._candidate.plan.compute(index, slots)[0]
        return right.numpy().ravel(), found.numpy().ravel()

    def error_after(self, begin: int) -> float:
        """Largest absolute error of the outputs when the steps before `begin` are put right."""
        plan = self._candidate.plan
        _, slots = self._put_right(begin)
        if begin < len(plan.steps):
            plan.advance(slots, begin)
        found = self._candidate.named(plan.results(slots))
        return max(_largest_error(array, found[name]) for name, array in self._expected.items())

    def _put_right(self, begin: int, also: str = "") -> tuple[Follower, list[Any]]:
        """The candidate's slots with the steps before `begin` put right; the reference can be asked for `also` next."""
        plan = self._candidate.plan
        follower, slots = self._follow([*self.names[:begin], also]), plan.start(self._prepared(self._candidate))
        for index, name in enumerate(self.names[:begin]):
            plan.store(index, (follower.take(name),) if name else plan.compute(index, slots), slots)
        return follower, slots


def _silence(model: CoreMLModel) -> State | None:
    return model.make_state() if model.states else None


def _largest_error(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.max(np.abs(_finite(found) - _finite(expected)), initial=0.0))


def _finite(values: np.ndarray) -> np.ndarray:
    wide = values.astype(np.float64)
    return np.nan_to_num(wide, nan=_LARGEST_HALF, posinf=_LARGEST_HALF, neginf=-_LARGEST_HALF)


def _search(error_after: Callable[[int], float], count: int) -> dict[int, float]:
    """R at 0, at `count`, and wherever between them it falls by enough to matter."""
    errors = {0: error_after(0), count: error_after(count)}
    threshold = errors[0] * (1 - _START_SHARE)
    stretches = [(0, count)] if errors[0] > 0 else []
    while stretches:
        low, high = stretches.pop()
        starts_within = errors[low] > threshold >= errors[high]
        if high - low < 2 or not (starts_within or errors[low] - errors[high] > errors[0] * _SEARCH_SHARE):
            continue
        middle = (low + high) // 2
        errors[middle] = error_after(middle)
        stretches += [(low, middle), (middle, high)]
    return dict(sorted(errors.items()))


def _described(
    reference: str, plan: Plan, trials: Sequence[_Trial], places: Sequence[int], errors: Mapping[int, float]
) -> Drift:
    """The measurements as a `Drift`; `errors` are R by number of ops put right."""
    names, whole = trials[0].names, errors[0]
    if whole == 0.0:
        equal = f"The outputs equal those of {reference} bit for bit."
        return Drift(reference=reference, output_error=0.0, first_op="", worst_op="", explanation=equal, steps=())
    ops = {k: places[k - 1] for k in errors if k}
    lowest = itertools.accumulate(errors.values(), min)
    drops = {k: before - errors[k] for before, k in zip(lowest, ops, strict=False)}
    worst = max(drops, key=lambda k: drops[k])
    if errors[max(ops)] > whole * (1 - _START_SHARE):
        unmended = (
            f"With every op of {reference} put in place of its namesake, {errors[max(ops)]:.2g} of the largest error "
            f"{whole:.2g} stays: no op is to blame. The programs differ in ops of other names."
        )
        return Drift(reference=reference, output_error=whole, first_op="", worst_op="", explanation=unmended, steps=())
    first = next(k for k in ops if errors[k] <= whole * (1 - _START_SHARE))
    kind = plan.steps[ops[worst]].operation.kind
    dtype = plan.steps[ops[worst]].infos[0].dtype
    right, found = (
        np.concatenate(parts) for parts in zip(*(trial.values_at(ops[worst]) for trial in trials), strict=True)
    )
    share = f"Putting right {kind} {names[ops[worst]]} removes {drops[worst]:.2g} of the largest error {whole:.2g}"
    evidence = _evidence(right, found, dtype)
    return Drift(
        reference=reference,
        output_error=whole,
        first_op=names[ops[first]],
        worst_op=names[ops[worst]],
        explanation=f"{share}; {evidence}.",
        steps=tuple(
            DriftStep(op=names[place], kind=plan.steps[place].operation.kind, error_after=errors[k])
            for k, place in ops.items()
        ),
    )


def _evidence(values: np.ndarray, found: np.ndarray, dtype: str) -> str:
    """What happens to an op's values in the candidate.

    Args:
        values: The reference's, float32.
        found: What the candidate's op makes of the reference's inputs.
        dtype: The candidate's type of them.
    """
    if dtype != "float16":
        return f"it is {dtype} in both programs, so its inputs or weights differ"
    size = np.abs(values[np.isfinite(values)].astype(np.float64))
    if size.size and (over := np.mean(size > _LARGEST_HALF)) > 0:
        return f"{over:.1%} of its float32 values exceed float16's largest, 65504"
    rounding, error = _rms(values, values.astype(np.float16)), _rms(values, found)
    if error > _MORE_THAN_ROUNDING * rounding:
        times = f"{error / rounding:.0f} times what" if rounding > 0 else "where"
        verb = "explains" if rounding > 0 else "changes nothing"
        return (
            f"from right inputs it errs {times} rounding its values to float16 {verb}, "
            "so its weights or its arithmetic are to blame, not the range of float16"
        )
    small = np.mean((size > 0) & (size < _SMALLEST_NORMAL_HALF)) if size.size else 0.0
    if small > 0:
        zero = np.mean((size > 0) & (size.astype(np.float16) == 0))
        return (
            f"{small:.1%} of its float32 values lie below float16's smallest normal number, 6.1e-05, "
            f"and {zero:.1%} become 0"
        )
    return "its values are within float16's range, so it is the 11 bits of precision that are too few"


def _rms(right: np.ndarray, found: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(_finite(found) - _finite(right))))) if right.size else 0.0

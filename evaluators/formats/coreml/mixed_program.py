"""A mixture of a float32 Core ML program and its float16 conversion, run without converting it.

The float16 program is walked; an op that is to be kept in float32 is computed by its namesake of the float32 program
instead, from unrounded inputs, and its output is not rounded. An op in float16 gets its inputs rounded, as the casts of
a real conversion would. Casts between the two types therefore pass their value on: who reads it decides.

What this cannot know is how passes that run after the choice of types would fuse the mixture: the conversion that comes
of it has to be measured itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.alignment import align_names, output_names
from evaluators.formats.coreml.graph import read_coreml_graph
from packager.compression.model_runner import MixedOp, Outputs
from packager.proving.trials import Tensors

if TYPE_CHECKING:
    from evaluators.emulators.coreml.plan import Plan, Step

_HALF = "float16"


class MixedProgram:
    """Implements `packager.compression.model_runner.MixedProgram`."""

    def __init__(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> None:
        """Pair up the ops of two programs.

        Args:
            exact: The program in float32.
            candidate: The same, converted with float16.
            inputs: The calls to run, in the programs' own dtypes.

        Raises:
            EvaluationError: A program cannot be loaded.
        """
        self._exact, self._candidate = CoreMLModel(exact), CoreMLModel(candidate)
        self._inputs = inputs
        self._namesakes = _pair(self._exact.plan, self._candidate.plan)
        macs = {op.name: op.macs for op in read_coreml_graph(exact).ops}
        reads = _reads(self._exact.plan)
        names = [step.infos[0].output for step in self._namesakes.values()]
        self.ops: Sequence[MixedOp] = tuple(MixedOp(name, macs.get(name, 0), reads[name]) for name in names)

    def run(self, call: int, kept: Collection[str]) -> Outputs:
        """The outputs for `inputs[call]`; see the protocol.

        Raises:
            EvaluationError: An op cannot compute what it is given.
        """
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as the emulators; several wait for each other where conversions run side by side
        try:
            with torch.inference_mode():
                return self._run(self._inputs[call], kept)
        finally:
            torch.set_num_threads(threads)

    def _run(self, call: Tensors, kept: Collection[str]) -> Outputs:
        model = self._candidate
        state = model.make_state() if model.states else None
        slots = model.plan.start(model.prepare(call, state))
        wide = set(model.plan.inputs)
        """slots whose values may need rounding"""
        half: set[int] = set()
        """slots that the candidate declares as float16"""
        for index, step in enumerate(model.plan.steps):
            namesake = self._namesakes.get(index)
            wide.difference_update(step.outputs)
            if _is_float_cast(step, slots):
                values: Sequence[Any] = (slots[step.inputs[0]],)
                wide.update(step.outputs if step.inputs[0] in wide else ())
            elif namesake is not None and namesake.infos[0].output in kept:
                result = namesake.call(*[slots[slot] for slot in step.inputs])
                values = (result,) if len(step.outputs) == 1 else tuple(result)
                wide.update(step.outputs)
            else:
                values = _compute_rounded(model.plan, index, slots, wide & half)
            half.update(slot for slot, info in zip(step.outputs, step.infos, strict=True) if info.dtype == _HALF)
            model.plan.store(index, values, slots)
        outputs: Outputs = model.named(model.plan.results(slots))
        return outputs


def _pair(exact: Plan, candidate: Plan) -> dict[int, Step]:
    """Candidate's step → the exact program's step of the same op, where both take and give as much."""
    owner = {info.output: step for step in exact.steps for info in step.infos}
    aligned = align_names(owner, output_names(candidate))
    pairs = {}
    for index, step in enumerate(candidate.steps):
        found = [owner.get(aligned.get(info.output, "")) for info in step.infos]
        partner = found[0] if found else None
        if partner is None or any(other is not partner for other in found):
            continue
        alike = partner.operation.kind == step.operation.kind and len(partner.inputs) == len(step.inputs)
        if alike and len(partner.outputs) == len(step.outputs):
            pairs[index] = partner
    return pairs


def _reads(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Each step's first output → the first outputs of the steps that it reads from."""
    makers = {slot: step.infos[0].output for step in plan.steps for slot in step.outputs}
    return {
        step.infos[0].output: tuple(dict.fromkeys(makers[slot] for slot in step.inputs if slot in makers))
        for step in plan.steps
        if step.infos
    }


def _is_float_cast(step: Step, slots: Sequence[Any]) -> bool:
    if step.operation.kind != "cast" or len(step.inputs) != 1:
        return False
    return _holds_floats(slots[step.inputs[0]]) and step.infos[0].dtype in (_HALF, "float32")


def _holds_floats(value: Any) -> bool:
    """Whether it is a tensor of real numbers; it may also be a state, or a list."""
    import torch

    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _compute_rounded(plan: Plan, index: int, slots: list[Any], rounded: Collection[int]) -> Sequence[Any]:
    """A step's outputs when those of its inputs are rounded to float16 first."""
    from evaluators.emulators.coreml.constants import round_to_half

    step = plan.steps[index]
    held = {slot: slots[slot] for slot in step.inputs if slot in rounded and _holds_floats(slots[slot])}
    for slot, value in held.items():
        slots[slot] = round_to_half(value)
    values = plan.compute(index, slots)
    for slot, value in held.items():
        slots[slot] = value
    return values

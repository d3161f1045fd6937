"""What values the ops of a TFLite file make, and where two files of one model part.

`evaluators.emulators.coreml.ranges` and `comparison` do so for Core ML, with the same records. Files run on plain
kernels with every tensor of the main graph kept; ops inside loops and branches are not shown. Values of quantized
tensors count as what they mean. Tensors of two files are namesakes where their names are equal, as those of one
converter's files are in all precisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from evaluators.emulators.coreml.observations import Comparison, OpRange, ShapeMismatch
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.interpreter import WatchedModel

if TYPE_CHECKING:
    from evaluators.emulators.coreml.plan import PlannedOp

Inputs = Iterable[Mapping[str, npt.NDArray[Any]]]


def observe_ranges(model: WatchedModel, inputs: Inputs) -> tuple[OpRange, ...]:
    """Run a file and gather, for every output of its ops, the range of its values and how they fit into float16.

    Args:
        model: The file; variables that it keeps live on from input to input.
        inputs: What to run, one mapping a run, in the input tensors' own types; read one at a time.

    Returns:
        In the order of the ops; outputs that are no numbers are left out.

    Raises:
        EvaluationError: There are no inputs, or the runtime refuses a call.
    """
    import torch

    from evaluators.emulators.coreml.ranges import RangeSums

    infos = {op.output: op for op in _plan(model)}
    reads = {name: op.inputs for op in model.ops for name in op.outputs}
    sums: dict[str, RangeSums] = {}
    for made in _runs(model, inputs):
        broken: set[str] = set()
        for name, value in made.items():
            gathered = sums.setdefault(name, RangeSums(infos[name]))
            if not gathered.add(torch.from_numpy(value)):
                broken.add(name)
                gathered.breaks |= broken.isdisjoint(reads[name])
    return tuple(one.range() for one in sums.values())


def compare(reference: WatchedModel, candidate: WatchedModel, inputs: Inputs) -> Comparison:
    """Run two files side by side and say where their values part.

    Args:
        reference: The file held to be right.
        candidate: The file to judge, with the same inputs.
        inputs: What to run both on, as for `observe_ranges`.

    Raises:
        EvaluationError: There are no inputs, no op has a namesake, or the runtime refuses a call.
    """
    from evaluators.emulators.coreml.comparison import TOLERANCE, Meter, Origin, summarise

    infos, origins = ({op.output: op for op in _plan(model)} for model in (candidate, reference))
    meters = {
        name: Meter(info, name, Origin(origins[name].kind, origins[name].dtype))
        for name, info in infos.items()
        if name in origins
    }
    if not meters:
        raise EvaluationError(f"{candidate.path}: no op has a namesake in {reference.path}")
    mismatches: dict[str, ShapeMismatch] = {}
    runs, held = 0, 0
    for values in inputs:
        expected, found = (next(_runs(model, [values])) for model in (reference, candidate))
        held = max(held, sum(value.nbytes for value in expected.values()))
        for name, meter in meters.items():
            if name not in expected or name not in found:
                continue
            shape, reference_shape = found[name].shape, expected[name].shape
            if shape == reference_shape:
                meter.add(expected[name], found[name])
            else:
                mismatches[name] = ShapeMismatch(
                    op=name, reference_op=name, shape=shape, reference_shape=reference_shape
                )
        runs += 1
    if not runs:
        raise EvaluationError("comparing files needs at least one input")
    return summarise(
        [meter.result() for meter in meters.values() if meter.elements],
        reference=str(reference.path),
        candidate=str(candidate.path),
        inputs=runs,
        tolerance=TOLERANCE,
        mismatches=tuple(mismatches.values()),
        unaligned=tuple(name for name in infos if name not in origins),
        reference_unaligned=tuple(name for name in origins if name not in infos),
        held_bytes=held,
    )


def _plan(model: WatchedModel) -> list[PlannedOp]:
    """Each output of an op, as an observer of Core ML's programs is told of it."""
    from evaluators.emulators.coreml.plan import PlannedOp

    return [
        PlannedOp(index, op.kind, op.outputs[0], output, model.dtypes[output])
        for index, op in enumerate(model.ops)
        for output in op.outputs
        if output in model.dtypes
    ]


def _runs(model: WatchedModel, inputs: Inputs) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """What the ops make in each run, in their order, numbers alone."""
    runs = 0
    for values in inputs:
        made = model.run(values)
        ordered = (name for op in model.ops for name in op.outputs if name in made)
        yield {name: made[name] for name in ordered if made[name].dtype.kind in "fiub"}
        runs += 1
    if not runs:
        raise EvaluationError("observing ranges needs at least one input")

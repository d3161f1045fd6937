"""PyTorch to Core ML for inputs of several lengths.

An exported and rewritten program has its lengths built in, so it is traced or exported anew. Three ways are tried, and
the first is taken whose result is right for every length that is tried: a converter may follow a shape, or write down
what it was for the example, and only running the model tells.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.errors import TestpressError
from packager.compression import Context
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.formats import find_native
from packager.formats.coreml.lowerings._decomposition import decompose
from packager.formats.coreml.mlpackage import save_package
from packager.proving.lengths import FlexibleInput, LengthTrial
from packager.rewrites.torch import rewrite_program
from packager.sources.torch import TorchSource
from packager.storage import temporary_folder

_CLOSE = 1e-3
"""the largest error over the largest value from which on a length is wrong: float32 in another order is far below"""

Convert = Callable[[Any, Any, Any], Any]
"""`convert(program, compute_precision, target)`: an MLModel"""


@dataclass(frozen=True)
class ExportAttempt:
    """What coremltools is handed.

    Attributes:
        program: A traced module or an exported program.
        applied: Names of the rewrites in it.
    """

    program: Any
    applied: tuple[str, ...] = ()


def find_attempt(source: TorchSource, context: Context, convert: Convert, target: Any) -> ExportAttempt:
    """The first way to hand a model to coremltools that is right for all lengths.

    Args:
        source: The model.
        context: Its flexible inputs, calls of other lengths, and what runs them; where nothing can, the first way
            that converts is taken.
        convert: Converts to float32 with the flexible inputs.
        target: The deployment target.

    Raises:
        PackagingError: No way is right; with what came of each.
    """
    import coremltools

    faults = []
    for name, make in _attempts(source, context.lengths):
        try:
            way = make()
            model = convert(way.program, coremltools.precision.FLOAT32, target)
        except Exception as raised:  # noqa: BLE001  another way may do
            faults.append(f"{name}: {explain(raised)}")
            continue
        fault = _find_fault(model, context)
        if fault is None:
            return way
        faults.append(f"{name}: {fault}")
    raise PackagingError(f"the model cannot be made to take several lengths ({'; '.join(faults)})")


def _attempts(
    source: TorchSource, lengths: Mapping[str, FlexibleInput]
) -> Iterator[tuple[str, Callable[[], ExportAttempt]]]:
    exported = functools.cache(lambda: _export(source, lengths))
    rewritten = functools.cache(lambda: _rewrite(exported()))
    yield "traced", lambda: ExportAttempt(_trace(source.module, source.tensors))
    yield "exported", lambda: ExportAttempt(rewritten().program.run_decompositions({}), rewritten().applied)
    yield (
        "exported and traced",
        lambda: ExportAttempt(_trace(rewritten().program.module(), source.tensors), rewritten().applied),
    )
    yield "exported without rewrites", lambda: ExportAttempt(decompose(exported()).run_decompositions({}))


def _trace(module: Any, tensors: Sequence[Any]) -> Any:
    import torch

    class Outputs(torch.nn.Module):
        """A tuple of outputs: traced modules return no dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *given: Any) -> Any:
            return tuple(self.inner(*given).values())

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused ops have no lowering; the slow path is the same
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.trace(Outputs(), tuple(tensors), check_trace=False)  # type: ignore[no-untyped-call]
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _export(source: TorchSource, lengths: Mapping[str, FlexibleInput]) -> Any:
    """The exported program, its lengths symbols."""
    import torch
    from torch.export import Dim

    open_ = tuple({lengths[name].axis: Dim.AUTO} if name in lengths else {} for name in source.inputs)
    with torch.no_grad():
        return torch.export.export(source.module, source.tensors, dynamic_shapes=(open_,), strict=False)


def _rewrite(program: Any) -> ExportAttempt:
    """The program as other conversions have it.

    Raises:
        PackagingError: The model's code, or a rewrite, fixes a length.
    """
    rewritten = rewrite_program(program)
    if not rewritten.program.range_constraints:
        raise PackagingError("the model's code fixes the length")
    return ExportAttempt(decompose(rewritten.program), rewritten.applied)


def _find_fault(model: Any, context: Context) -> str | None:
    """What is wrong with a float32 model at some length; None where nothing is, or nothing can run it."""
    if context.runner is None:
        return None
    with temporary_folder() as folder:
        path = folder / "Model.mlpackage"
        save_package(model.get_spec(), Path(model.weights_dir), path)
        for trial in context.other_lengths:
            try:
                found = context.runner.run(path, trial.calls)
            except TestpressError as raised:
                return _first_line(raised)
            fault = next((fault for fault in _compare(found, trial) if fault), None)
            if fault is not None:
                return fault
    return None


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0]


def _compare(found: Sequence[Mapping[str, Any]], trial: LengthTrial) -> Iterator[str | None]:
    for call, outputs, reference in zip(trial.calls, found, trial.references, strict=True):
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in call.items())
        for name, expected in reference.items():
            native = find_native(name, outputs)
            estimate = None if native is None else np.asarray(outputs[native])
            if estimate is None or estimate.size != expected.size:
                got = "nothing" if estimate is None else str(list(estimate.shape))
                yield f"{name} is {got} for {shapes}; the source gives {list(expected.shape)}"
                continue
            error = np.max(np.abs(np.subtract(estimate.reshape(expected.shape), expected, dtype=np.float64)), initial=0)
            if not error <= _CLOSE * max(float(np.max(np.abs(expected), initial=0)), 1e-6):
                yield f"{name} is wrong by {error:.2g} for {shapes}"

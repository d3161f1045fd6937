"""Inside the evaluation worker: at which op a bundle parts from this machine's run, and what a call costs there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.core_records import OpDeparture, OpTrace
from evaluators.formats.tflite.exposing import ExposedOp, expose
from evaluators.playing.host_calls import Arrays, CoreRequest, HostCalls
from evaluators.targets import open_model

_DEPARTS = 1e-3
"""of a tensor's largest value"""


def trace_on_core(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Play the first chosen window with every op's output laid open; yields one `{"result": …}`, an `OpTrace`."""
    parsed = CoreRequest.model_validate(request, strict=False)
    window = parsed.chosen[0]
    inputs = HostCalls(parsed).find_inputs(window, parsed.spans)
    data, ops, names = expose(Path(parsed.model))
    with TemporaryDirectory(prefix="testpress-") as folder:
        model = Path(folder) / "exposed.tflite"
        model.write_bytes(data)
        given = {names[name]: value for name, value in inputs.items() if name in names}
        here = _play(model, parsed, given, elsewhere=False)
        there = _play(model, parsed, given, elsewhere=True)
    yield {"result": find_departures(window, ops, here, there).model_dump(mode="json")}


def _play(model: Path, parsed: CoreRequest, inputs: Arrays, *, elsewhere: bool) -> Arrays:
    emulator = open_model(model, parsed.target if elsewhere else None)
    try:
        return emulator.run(inputs)
    finally:
        emulator.close()


def find_departures(
    window: int,
    ops: tuple[ExposedOp, ...],
    here: Mapping[str, npt.NDArray[Any]],
    there: Mapping[str, npt.NDArray[Any]],
) -> OpTrace:
    """Where the values part.

    Args:
        window: Of which they are.
        ops: In their order.
        here: What this machine made, by the exposed names.
        there: What the core made.
    """
    bad: set[str] = set()
    not_finite: OpDeparture | None = None
    first: OpDeparture | None = None
    worst: OpDeparture | None = None
    for op in ops:
        for output, name, is_float in zip(op.outputs, op.names, op.is_float, strict=True):
            value, other = (np.asarray(one[output], np.float64) for one in (here, there))
            if is_float and np.isfinite(value).all() and not np.isfinite(other).all():
                if not_finite is None and bad.isdisjoint(op.inputs):
                    not_finite = OpDeparture(op=op.kind, tensor=name)
                bad.add(output)
                continue
            if not value.size or not np.isfinite(value).all():
                continue
            error, scale = float(np.abs(value - other).max()), float(np.abs(value).max())
            share = error / scale if scale else float(error > 0)
            found = OpDeparture(op=op.kind, tensor=name, max_abs_error=error, share=share)
            first = found if first is None and share > _DEPARTS else first
            worst = found if share > _DEPARTS and (worst is None or share > (worst.share or 0.0)) else worst
    return OpTrace(window=window, first_not_finite=not_finite, first=first, worst=worst)


def count_on_core(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Count the instructions of a call of the first chosen window; yields one `{"result": …}`, `InstructionCounts`."""
    from evaluators.emulators.arm.emulator import ArmEmulator
    from evaluators.emulators.arm.player import find_core

    parsed = CoreRequest.model_validate(request, strict=False)
    inputs = HostCalls(parsed).find_inputs(parsed.chosen[0], parsed.spans)
    emulator = ArmEmulator(Path(parsed.model), find_core(parsed.target), counts=True)
    try:
        yield {"result": emulator.count(inputs).model_dump(mode="json")}
    finally:
        emulator.close()

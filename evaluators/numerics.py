"""The emulators, as packaging asks for them: `packager.compression.numerics.Numerics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.drift import locate_drift
from evaluators.emulators import format_of, open_model
from evaluators.players import as_inputs
from evaluators.proof import prove
from evaluators.tflite_break import find_break
from packager.bundle import Proof
from packager.compression.numerics import Rehearsal
from packager.trials import Tensors, Trials

_BLAMED_CALLS = 2
"""each costs dozens of runs, and where an op cannot hold its values most calls show it"""


class Emulation:
    """Runs model files in their emulators."""

    def prove(self, path: Path, trials: Trials, tolerance_db: float) -> Proof:
        """Run a model file on trials and compare it with the source's outputs; errors as `evaluators.proof.prove`'s."""
        return prove(path, trials, tolerance_db)

    def find_break(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> str | None:
        """The op that is most to blame for a departure, and why, in words; None where none can be told."""
        emulator = open_model(candidate)
        calls = [as_inputs(emulator, call) for call in inputs[:_BLAMED_CALLS]]
        if format_of(candidate) == "tflite":
            return find_break(exact, candidate, calls)
        drift = locate_drift(exact, candidate, calls)
        return f"{drift.worst_op}: {drift.explanation}" if drift.worst_op else None

    def watch(self, path: Path, call: Tensors, show: Callable[[npt.NDArray[Any]], None]) -> None:
        """Run a model file on a call and show the real values that each op makes, in order."""
        emulator = open_model(path)
        given = as_inputs(emulator, call)
        if format_of(path) == "tflite":
            from evaluators.emulators.tflite import WatchedModel

            for values in WatchedModel(path).run(given).values():
                if values.dtype.kind == "f":
                    show(values)
            return
        from evaluators.emulators.coreml import CoreMLModel

        def observe(op: Any, value: Any) -> None:
            del op
            if value.is_floating_point():
                show(value.numpy())

        CoreMLModel(path, threads=1).run(given, observe)

    def run(self, path: Path, inputs: Sequence[Tensors]) -> list[dict[str, npt.NDArray[Any]]]:
        """A model file's outputs for each call."""
        emulator = open_model(path)
        return [emulator.run(as_inputs(emulator, call)) for call in inputs]

    def observe(self, path: Path, inputs: Sequence[Tensors]) -> Mapping[str, tuple[float, float]]:
        """The least and the greatest finite value of every op's output over all calls; ops without one are left out."""
        from evaluators.emulators.coreml import CoreMLModel, observe_ranges

        emulator = open_model(path)
        ranges = observe_ranges(CoreMLModel(path, threads=1), [as_inputs(emulator, call) for call in inputs])
        return {
            one.op: (one.minimum, one.maximum) for one in ranges if one.minimum is not None and one.maximum is not None
        }

    def rehearse(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> Rehearsal:
        """See `evaluators.rehearsal`."""
        from evaluators.rehearsal import MixedProgram

        emulator = open_model(exact)
        return MixedProgram(exact, candidate, [as_inputs(emulator, call) for call in inputs])

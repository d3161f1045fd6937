"""The emulators, as packaging asks for them: `packager.compression.numerics.Numerics`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.emulators import open_model
from evaluators.proof import as_inputs, prove
from packager.bundle import Proof
from packager.trials import Tensors, Trials


class Emulation:
    """Runs model files in their emulators."""

    def prove(self, path: Path, trials: Trials, tolerance_db: float) -> Proof:
        """Run a model file on trials and compare it with the source's outputs; errors as `evaluators.proof.prove`'s."""
        return prove(path, trials, tolerance_db)

    def run(self, path: Path, inputs: Sequence[Tensors]) -> list[dict[str, npt.NDArray[Any]]]:
        """A model file's outputs for each call."""
        emulator = open_model(path)
        return [emulator.run(as_inputs(emulator, call)) for call in inputs]

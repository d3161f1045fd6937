"""The sizes of an ML Program's values where its types leave them open: at the default length of its inputs.

A flexible program does not state them, and every op has rules of its own. So the program is run once, on zeros, and
only the sizes are kept. The rest of what a model costs is read from the file alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.emulators.coreml.plan import PlannedOp

LONGEST_S = 20.0
"""a model that takes longer on this machine is left uncounted"""

MOST_ITERATIONS = 20_000
"""of loops, which may wait for data that zeros never give"""

Shapes = Mapping[str, tuple[int, ...]]


def observe_shapes(path: Path, function_name: str) -> Shapes:
    """The size of every value an op makes, by its name, when the inputs have their default sizes.

    Raises:
        EvaluationError: The program cannot be run here, takes what is no array, or does not end soon.
    """
    from evaluators.emulators.coreml.model import CoreMLModel
    from evaluators.emulators.coreml.ops.control_flow import fewer_iterations

    model = CoreMLModel(path, function_name=function_name, threads=1)
    ends_at = time.monotonic() + LONGEST_S
    found: dict[str, tuple[int, ...]] = {}

    def watch(op: PlannedOp, value: Tensor) -> None:
        if time.monotonic() > ends_at:
            raise EvaluationError(f"{path}: one run on zeros takes longer than {LONGEST_S:g} s")
        found[op.output] = tuple(value.shape)

    zeros: dict[str, Any] = {
        name: np.zeros(feature.shape, feature.dtype.stored) for name, feature in model.inputs.items()
    }
    state = model.make_state() if model.states else None
    with fewer_iterations(MOST_ITERATIONS):
        model.run(zeros, watch, state=state)
    return found

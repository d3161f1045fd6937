"""Where a TFLite file of low precision departs from its float32 original: the op after which values are others.

Both files are run on plain kernels with every tensor kept. Tensors are matched by name; an op is to blame by how far
the signal-to-noise ratio falls from its worst input to its output. Core ML's drift is more exact: it puts
values right and sees what becomes of the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.formats.tflite.interpreter import WatchedModel
from packager.snr import bounded_db

_EXACT_DB = 150.0
"""what equal values count as: about the precision of float32"""


def find_break(exact: Path, candidate: Path, inputs: Sequence[Mapping[str, npt.NDArray[Any]]]) -> str | None:
    """The op of `candidate` at which most is lost, in words; None where none can be told.

    Args:
        exact: The model in float32.
        candidate: The same model, by the same converter, in a lower precision.
        inputs: Calls to run both on, by signature name.
    """
    reference, estimate = WatchedModel(exact), WatchedModel(candidate)
    worst: dict[str, float] = {}
    for call in inputs:
        for name, ratio in _ratios(reference.run(call), estimate.run(call)).items():
            worst[name] = min(ratio, worst.get(name, _EXACT_DB))
    best: tuple[float, str] | None = None
    for op in estimate.ops:
        after = [worst[name] for name in op.outputs if name in worst]
        if not after:
            continue
        before = min((worst[name] for name in op.inputs if name in worst), default=_EXACT_DB)
        fall = before - min(after)
        if best is None or fall > best[0]:
            best = fall, f"{op.kind} {op.outputs[0]}: {before:.0f} dB go in, {min(after):.0f} dB come out"
    return None if best is None or best[0] <= 0 else best[1]


def _ratios(expected: Mapping[str, npt.NDArray[Any]], found: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """SNR in dB of every tensor that both files have, by name."""
    ratios = {}
    for name, value in expected.items():
        other = found.get(name)
        if other is None or other.shape != value.shape or not np.issubdtype(other.dtype, np.floating):
            continue
        reference, estimate = value.astype(np.float64), other.astype(np.float64)
        error = float(np.sum((reference - estimate) ** 2))
        ratios[name] = bounded_db(float(np.sum(reference**2)), error, _EXACT_DB)
    return ratios

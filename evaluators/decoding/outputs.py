"""What every task asks of an output before it reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.windows import Stitched


def take_output(outputs: Mapping[str, Stitched], name: str, task: str = "the task") -> Stitched:
    """The output of a name.

    Args:
        outputs: A clip's outputs.
        name: Which.
        task: What asks, for messages.

    Raises:
        EvaluationError: It is not there, or holds complex numbers.
    """
    if name not in outputs:
        raise EvaluationError(f"{task} needs the output '{name}'; the model has {', '.join(sorted(outputs)) or 'none'}")
    if np.iscomplexobj(outputs[name].values):
        raise EvaluationError(
            f"output '{name}' holds complex numbers where {task} needs real ones; let the model return its magnitude, "
            "or its real and imaginary part as two columns"
        )
    return outputs[name]


def check_finite(is_finite: npt.NDArray[np.bool_], times_s: npt.NDArray[np.floating[Any]], name: str) -> None:
    """Refuse an output with a value that is no number.

    Args:
        is_finite: Of each frame or sample, `(frames,)`.
        times_s: When each is.
        name: Of the output.

    Raises:
        EvaluationError: One is not; the message says when the first one is.
    """
    if not is_finite.all():
        raise EvaluationError(f"output '{name}' is not finite, first at {times_s[int(np.argmin(is_finite))]:.3f} s")


def check_probabilities(values: npt.NDArray[Any], name: str) -> None:
    """Refuse what lies outside 0 to 1, for example logits, where a threshold between them decides.

    Args:
        values: Of any shape, finite.
        name: Of the output.

    Raises:
        EvaluationError: The least or the greatest lies further outside than rounding in float16 explains.
    """
    if values.min(initial=0) < -_ROUNDING or values.max(initial=1) > 1 + _ROUNDING:
        raise EvaluationError(
            f"output '{name}' must hold probabilities, 0 to 1; found {values.min():.4g} to {values.max():.4g}"
        )


_ROUNDING = 1e-3
"""by which a float16 softmax may leave 0 to 1"""

"""One vector a clip, of an output that gives one a clip or one a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluators.decoding.outputs import check_finite, take_output
from evaluators.errors import EvaluationError
from evaluators.windows import Stitched

Vector = npt.NDArray[np.float64]


def pool_vector(outputs: Mapping[str, Stitched], name: str, pool: Literal["mean", "max"]) -> Vector:
    """The output's vector; where it has one a frame or a window, their mean or maximum, value by value.

    Args:
        outputs: A clip's outputs.
        name: Whose; `(values,)` of kind "clip", else `(frames, values)`.
        pool: How frames or windows become one.

    Raises:
        EvaluationError: It is not there, has another shape, no frame, or a value that is not finite.
    """
    output = take_output(outputs, name)
    rows = output.values[None] if output.kind == "clip" else output.values
    if rows.ndim != 2 or rows.shape[1] == 0 or output.kind == "audio":
        right = "(values,) a clip, or (frames, values)"
        is_flat = output.kind == "frames" and rows.ndim == 1
        hint = f'; a vector a window is of model.outputs.{name}.kind = "window", or "clip"' if is_flat else ""
        raise EvaluationError(
            f"output '{name}' must be {right}; found {output.values.shape} of kind \"{output.kind}\"{hint}"
        )
    if len(rows) == 0:
        raise EvaluationError(f"output '{name}' has no frame within the clip, so that there is nothing to pool")
    check_finite(np.isfinite(rows).all(axis=1), output.times_s, name)
    rows = rows.astype(np.float64)
    pooled: Vector = rows.mean(axis=0) if pool == "mean" else rows.max(axis=0)
    return pooled

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluators.decoding.vectors import pool_vector
from evaluators.errors import EvaluationError
from evaluators.windows import Stitched


def _outputs(values: Any, kind: Any = "clip") -> dict[str, Stitched]:
    array = np.array(values, np.float32)
    return {"tags": Stitched(array, np.arange(len(array)) * 0.5, kind)}


@pytest.mark.parametrize(
    ("values", "kind", "pool", "expected"),
    [
        ([1, 2], "clip", "mean", [1, 2]),
        ([[1, 4], [3, 2]], "frames", "mean", [2, 3]),
        ([[1, 4], [3, 2]], "window", "max", [3, 4]),
    ],
)
def test_a_vector_a_clip(values: Any, kind: str, pool: Any, expected: list[float]) -> None:
    assert pool_vector(_outputs(values, kind), "tags", pool).tolist() == expected


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "the task needs the output 'tags'; the model has none"),
        (
            _outputs([1, 2], "frames"),
            (
                "output 'tags' must be (values,) a clip, or (frames, values); found (2,) of kind \"frames\"; a vector "
                'a window is of model.outputs.tags.kind = "window", or "clip"'
            ),
        ),
        (_outputs([[1, 2]], "clip"), "output 'tags' must be (values,) a clip, or (frames, values); found (1, 2) of ki"),
        (_outputs([[1, 2]], "audio"), 'found (1, 2) of kind "audio"'),
        (_outputs(np.zeros((0, 3)), "frames"), "output 'tags' has no frame within the clip"),
        (_outputs([[1, 2], [1, np.inf]], "frames"), "output 'tags' is not finite, first at 0.500 s"),
        (_outputs([1, np.nan]), "output 'tags' is not finite, first at 0.000 s"),
    ],
)
def test_what_is_no_vector(outputs: dict[str, Stitched], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        pool_vector(outputs, "tags", "mean")
    assert message in str(caught.value)

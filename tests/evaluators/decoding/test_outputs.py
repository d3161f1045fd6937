from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluators.decoding.outputs import check_probabilities, take_output
from evaluators.errors import EvaluationError
from evaluators.windows import Stitched


def test_complex_numbers_are_no_activation() -> None:
    outputs = {"spectrum": Stitched(np.zeros((4, 2), np.complex64), np.arange(4.0))}
    with pytest.raises(EvaluationError) as caught:
        take_output(outputs, "spectrum", "beat tracking")
    assert str(caught.value) == (
        "output 'spectrum' holds complex numbers where beat tracking needs real ones; let the model return its "
        "magnitude, or its real and imaginary part as two columns"
    )


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-0.0009, 1.0009], [True, False], np.array([0, 1], np.int8)])
def test_probabilities_may_be_a_rounding_off(values: Any) -> None:
    check_probabilities(np.array(values), "speech")


@pytest.mark.parametrize(("values", "found"), [([0.5, 1.01], "0.5 to 1.01"), ([[-3.25], [0.5]], "-3.25 to 0.5")])
def test_logits_are_no_probabilities(values: Any, found: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        check_probabilities(np.array(values), "speech")
    assert str(caught.value) == f"output 'speech' must hold probabilities, 0 to 1; found {found}"

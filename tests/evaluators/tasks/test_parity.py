"""A task without labels: nothing is scored, and outputs are compared all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluators.errors import EvaluationError
from evaluators.parity import ParityMeter
from evaluators.picture_records import Pictures
from evaluators.target_records import OutputParity
from evaluators.task import ClipContext
from evaluators.task_loading import load_task
from evaluators.tasks.parity import Parity
from evaluators.windows import Stitched

TASK = Parity()


def _outputs(values: np.ndarray) -> dict[str, Stitched]:
    return {"y": Stitched(values, np.arange(len(values)) * 0.01)}


def _compare(source: np.ndarray, bundle: np.ndarray) -> OutputParity:
    meter = ParityMeter()
    meter.add("y", source, bundle, clip="a.wav")
    return meter.result("y")


def test_a_recipe_reaches_it_by_its_name() -> None:
    assert type(load_task("parity")) is Parity


def test_it_asks_for_no_label_no_output_and_has_no_metric() -> None:
    assert (TASK.label_keys, TASK.required_outputs, dict(TASK.metrics)) == ((), (), {})


@pytest.mark.parametrize("line", [{}, {"audio": "a.wav"}, {"audio": "a.wav", "notes": "of another task", "tags": []}])
def test_any_line_of_a_data_set_will_do(line: dict[str, Any]) -> None:
    assert TASK.parse_labels(line, ClipContext(1.0, "x:1")) is None


@pytest.mark.parametrize(
    "values",
    [np.ones((4, 2), np.float32), np.zeros((0, 3)), np.full((2, 1), np.nan), np.arange(3), np.ones((2, 3, 4, 5))],
    ids=["frames", "none", "nan", "whole", "deep"],
)
def test_outputs_of_any_kind_are_neither_read_nor_scored(values: np.ndarray) -> None:
    before = values.copy()
    estimate = TASK.decode(_outputs(values))
    assert TASK.score(TASK.parse_labels({}, ClipContext(1.0, "x")), estimate) == {}
    assert TASK.draw(estimate) == Pictures()
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8, bool])
def test_identical_outputs_are_identical_in_every_dtype(dtype: Any) -> None:
    values = np.array([[0, 1], [1, 1]], dtype)
    parity = _compare(values, values.copy())
    assert (parity.snr_db.value, parity.snr_db.reason) == (None, "identical")
    assert (parity.max_abs_error.value, parity.cosine.value) == (0, pytest.approx(1))


@pytest.mark.parametrize("snr_db", [-20, 0, 6, 60, 120])
def test_an_error_of_known_power_has_its_snr(snr_db: float) -> None:
    """An error orthogonal to the signal: the cosine is known in closed form too."""
    turns = 2 * np.pi * np.arange(1000) / 100
    ratio = 10 ** (-snr_db / 20)
    parity = _compare(np.sin(turns), np.sin(turns) + ratio * np.cos(turns))
    assert parity.snr_db.value == pytest.approx(snr_db, abs=1e-6)
    assert parity.cosine.value == pytest.approx(1 / np.sqrt(1 + ratio**2))
    assert parity.max_abs_error.value == pytest.approx(ratio)


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.1, 2.0])
def test_a_gain_alone_has_the_snr_of_its_difference_and_the_same_direction(gain: float) -> None:
    values = np.random.default_rng(3).normal(size=(50, 4))
    parity = _compare(values, gain * values)
    assert parity.snr_db.value == pytest.approx(-20 * np.log10(abs(gain - 1)))
    assert parity.cosine.value == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("whose", "words"), [(0, "the source model's value"), (1, "the variant's value")])
def test_a_value_that_is_not_finite_is_placed(bad: float, whose: int, words: str) -> None:
    pair = [np.ones((3, 2)), np.ones((3, 2))]
    pair[whose][2, 1] = bad
    with pytest.raises(EvaluationError) as caught:
        _compare(*pair)
    assert str(caught.value) == f"output 'y', clip a.wav, window 0: {words} at (2, 1) is {bad}; 1 of 6 are not finite"


@pytest.mark.parametrize("shape", [(2, 3), (3,), (3, 2, 1), (1, 2)])
def test_shapes_are_never_made_to_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError) as caught:
        _compare(np.ones((3, 2)), np.ones(shape))
    assert str(caught.value).endswith(f"the variant gives shape {shape} where the source model gives (3, 2)")

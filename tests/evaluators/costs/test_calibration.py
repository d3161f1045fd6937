"""What is stored of the latency model: that it is what the rows say, and the intervals that follow."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest

from evaluators.costs.calibration import COEFFICIENTS, SMALL_MS, base_chip, calibrations, half_width
from evaluators.costs.fitting import calibrate, fit
from evaluators.costs.published import COMPUTES, read_rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(COMPUTES))
def test_fitting_again_gives_what_is_stored(kind: str) -> None:
    """Rows, ops, profiles or the formula may have changed since: `python -m benchmarks.latency_model --write`."""
    again = fit(read_rows(), COMPUTES[kind]).coefficients
    assert asdict(again) == pytest.approx(asdict(calibrations()[COMPUTES[kind]].coefficients), rel=0.02)


@pytest.mark.slow
def test_leaving_out_again_gives_the_intervals_that_are_stored() -> None:
    stored, again = calibrations()[COMPUTES["tflite_gpu"]], calibrate(read_rows(), COMPUTES["tflite_gpu"])
    for name, value in again.model_dump(exclude={"coefficients"}).items():
        expected = getattr(stored, name)
        assert value == (pytest.approx(expected, rel=0.02) if isinstance(value, float) else expected)


def test_every_kind_that_was_measured_is_stored_once() -> None:
    stored = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))["kinds"]
    assert len(stored) == len(calibrations())
    assert set(calibrations()) == set(COMPUTES.values())


def test_half_width_in_closed_form() -> None:
    """Five groups: 80 % · (1 + 1/5) = 96 %, which only the last group reaches; of twenty, 84 %, the seventeenth."""
    assert half_width([0.1, -0.2, 0.3, -0.4, 0.5], list("abcde")) == 0.5
    errors = [i / 100 for i in range(1, 21)]
    assert half_width(errors, [str(i) for i in range(20)]) == pytest.approx(0.17)


def test_groups_weigh_the_same_whatever_their_size() -> None:
    many = [0.01] * 100
    assert half_width([*many, *(0.1 * i for i in range(1, 10))], ["a"] * 100 + list("bcdefghij")) == pytest.approx(0.8)


@pytest.mark.parametrize("kind", sorted(COMPUTES))
def test_a_phone_that_was_not_measured_widens_the_interval(kind: str) -> None:
    found = calibrations()[COMPUTES[kind]]
    for ms in (SMALL_MS / 2, SMALL_MS * 2):
        assert found.ratio(ms, seen=False) > found.ratio(ms, seen=True) > 1
    assert found.ratio(SMALL_MS / 2, seen=True) == pytest.approx(math.exp(found.small_half_width))


@pytest.mark.parametrize(
    ("kind", "chip", "expected"),
    [
        ("tflite_cpu_float", "Qualcomm Snapdragon 8 Gen 3 for Galaxy (SM8650-AC)", True),
        ("tflite_cpu_float", "Google Tensor G3 (Zuma)", False),
        ("tflite_npu", "Qualcomm Snapdragon 8 Elite (SM8750)", True),
        ("tflite_cpu_float", "Qualcomm Snapdragon 8 Elite Gen 5 (SM8850)", False),
        ("coreml_npu", "Apple A14 Bionic", True),
        ("coreml_npu", "Apple A17 Pro", False),
        ("coreml_cpu", "Apple A14 Bionic", False),
    ],
)
def test_which_chips_were_measured(kind: str, chip: str, expected: bool) -> None:
    assert calibrations()[COMPUTES[kind]].saw(chip) is expected


def test_a_chips_name_is_without_its_part_number() -> None:
    assert base_chip("Qualcomm Snapdragon 8 Gen 3 for Galaxy (SM8650-AC)") == "Qualcomm Snapdragon 8 Gen 3"
    assert base_chip("Apple A13 Bionic") == "Apple A13 Bionic"

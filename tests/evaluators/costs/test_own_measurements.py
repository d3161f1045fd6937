from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.record import dump_json
from evaluators.costs.own_measurements import read_calibrations
from evaluators.errors import EvaluationError
from tests.evaluators.costs.test_phone_model import PHONE, calibration, call, phone_rows, some_parts


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = calibration(phone_rows(3))
    path = tmp_path / "c.json"
    path.write_text(dump_json(known))
    assert read_calibrations([path], [PHONE]) == {"pixel-8": known}
    assert read_calibrations([], [PHONE]) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "iphone-12"}, "is of iphone-12; the phones asked for are pixel-8"),
        ({"cost_model_sha256": "0" * 64}, "made with another version of the cost model; right is to make it again"),
        ({"profile_sha256": "0" * 64}, "made with other facts of pixel-8 than its profile has now"),
    ],
)
def test_a_calibration_of_something_else_is_refused(tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(dump_json(calibration(phone_rows(2)).model_copy(update=change)))
    with pytest.raises(EvaluationError, match=message):
        read_calibrations([path], [PHONE])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"measured_ms": 1', '"measured_ms": -1', "greater than 0"),
        ('"threads": 1', '"threads": 65', "less than or equal to 64"),
        ('"version": 1', '"version": 2', "version"),
        ('"call": ', '"call": -', "greater than or equal to 0"),
        ('"unit": "cpu"', '"unit": "tpu"', "unit"),
        ("", "{", "not valid JSON"),
    ],
)
def test_a_faulty_file_is_one_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(dump_json(calibration([call(some_parts(1), 1.5)])).replace(old, new, 1))
    with pytest.raises(EvaluationError, match=message):
        read_calibrations([path], [PHONE])

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.measurements import read_measurements

REPORT: dict[str, Any] = {
    "modelMetadata": {"fileName": "Keywords", "size": 204_800},
    "deviceInfo": {"modelName": "iPhone 13", "osNameAndVersionWithoutBuildNumber": "iOS 18.3"},
    "computeUnit": 2,
    "deviceResults": {"predict": {"samples": [0.0013, 0.0011, 0.0012], "numOperations": 31}, "modelStructure": {}},
}


def write(folder: Path, report: object) -> Path:
    (folder / "k.mlperf").mkdir(exist_ok=True)
    (folder / "k.mlperf" / "report.json").write_text(json.dumps(report))
    return folder / "k.mlperf"


def test_the_median_of_a_folder_and_of_the_file_in_it(tmp_path: Path) -> None:
    folder = write(tmp_path, REPORT)
    for path in (folder, folder / "report.json"):
        (row,) = read_measurements(path)
        assert row.ms == pytest.approx(1.2)
        assert (row.file, row.device, row.unit, row.runtime) == (
            "Keywords.mlpackage",
            "iPhone 13",
            "default",
            "Core ML",
        )


@pytest.mark.parametrize(("asked", "unit"), [(0, "cpu"), (1, "gpu"), (2, "default"), (3, "default")])
def test_the_units_asked_for(tmp_path: Path, asked: int, unit: str) -> None:
    (row,) = read_measurements(write(tmp_path, {**REPORT, "computeUnit": asked}))
    assert row.unit == unit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"deviceResults": {}}, "samples holds no times"),
        ({"deviceResults": {"predict": {"samples": []}}}, "samples holds no times"),
        ({"deviceResults": {"predict": {"samples": [0.1, "x"]}}}, "the time is x; right is a number above 0"),
        ({"deviceResults": {"predict": {"samples": [-0.1]}}}, "the time is -0.1"),
        ({"deviceResults": 3}, "samples holds no times"),
        ({"computeUnit": 7}, "computeUnit is 7; right is 0, 1, 2 or 3"),
        ({"computeUnit": True}, "computeUnit is True"),
    ],
)
def test_reports_without_times_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_measurements(write(tmp_path, {**REPORT, **change}))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"report\.json: no such file"):
        read_measurements(tmp_path)

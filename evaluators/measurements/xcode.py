"""Core ML performance reports: the `.mlperf` folder that Xcode saves, or the `report.json` in it.

Apple documents what a report shows ("Analyzing a Core ML model's performance in Xcode"), not the file's form. What is
read here is what a public reader of Xcode 16's files takes from them: the calls' times in seconds, the phone's and the
model's name, and which compute units were asked for. Where each op ran is not in it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, Literal

from device_profiles.profile import ComputeUnitKind
from evaluators.errors import EvaluationError
from evaluators.measurements.measured_row import MeasuredRow, check_ms, read_table, read_word

REPORT = "report.json"
_MOST_SAMPLES = 100_000

_UNITS: dict[int, ComputeUnitKind | Literal["default"]] = {0: "cpu", 1: "gpu", 2: "default", 3: "default"}
"""MLComputeUnits: cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine; under the last two Core ML decides, and float32 stays
on the CPU. Source: Apple's MLModelConfiguration.h"""


def is_report(data: Any) -> bool:
    """Whether JSON is a performance report of Xcode's."""
    return isinstance(data, Mapping) and "deviceResults" in data


def read_report(data: Mapping[str, Any], where: str) -> tuple[MeasuredRow, ...]:
    """The median of the calls in a report, which is what Xcode shows.

    Raises:
        EvaluationError: It holds no call's time, or asks for compute units that are not known.
    """
    samples = read_table(read_table(data, "deviceResults"), "predict").get("samples")
    if not isinstance(samples, list) or not 1 <= len(samples) <= _MOST_SAMPLES:
        raise EvaluationError(
            f"{where}: deviceResults.predict.samples holds no times; right is a performance report that ran to its end "
            "(known is the form of Xcode 16)"
        )
    unit = data.get("computeUnit")
    if not isinstance(unit, int) or isinstance(unit, bool) or unit not in _UNITS:
        raise EvaluationError(f"{where}: computeUnit is {unit!r}; right is 0, 1, 2 or 3, as MLComputeUnits has")
    name = read_word(read_table(data, "modelMetadata"), "fileName")
    return (
        MeasuredRow(
            source=where,
            file=name if name is None or "." in name else f"{name}.mlpackage",
            device=read_word(read_table(data, "deviceInfo"), "modelName"),
            unit=_UNITS[unit],
            ms=1000 * statistics.median(check_ms(sample, where) for sample in samples),
            runtime="Core ML",
        ),
    )

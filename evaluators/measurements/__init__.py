"""Measured times from outside: one module a tool's report, each making the same rows of it.

measured_row     MeasuredRow: one measured time of one call
table            a CSV of one's own: file, unit, threads, ms
benchmark_model  TFLite's and LiteRT's benchmark tools: logs, results as JSON or protobuf
xcode            Core ML performance reports
ai_hub           perf.yaml of Qualcomm AI Hub Models

`read_measurements` tells by its content which one a file is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from device_profiles.files import is_folder, read_bytes
from device_profiles.record import parse_json
from evaluators.errors import EvaluationError
from evaluators.measurements import ai_hub, benchmark_model, table, xcode
from evaluators.measurements.measured_row import MeasuredRow

MOST_BYTES = 4 * 2**20
"""of one report: ten times what a profile of 3000 ops takes"""
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""what no text holds; terminals' colours begin with \\x1b, and logs have them"""


def read_measurements(path: Path) -> tuple[MeasuredRow, ...]:
    """The measured times in a file, or in the folder that Xcode saves.

    Raises:
        EvaluationError: It is missing, too large, of no known kind, faulty or without measured time; one line a fault.
    """
    file = path / xcode.REPORT if is_folder(path) else path
    where = str(path)
    data = read_bytes(file, error=EvaluationError, most=MOST_BYTES)
    if _BINARY.search(data):
        return benchmark_model.read_protobuf(data, where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise EvaluationError(f"{where}: cannot be read: {fault}; it should be UTF-8") from None
    if text.lstrip().startswith("{"):
        return _read_json(parse_json(text, where=where, error=EvaluationError), where)
    if benchmark_model.is_log(text):
        return benchmark_model.read_log(text, where)
    if benchmark_model.is_protobuf_text(text):
        return benchmark_model.read_protobuf_text(text, where)
    if ai_hub.is_report(text):
        return ai_hub.read(text, where)
    return table.read(text, where)


def _read_json(data: Any, where: str) -> tuple[MeasuredRow, ...]:
    if xcode.is_report(data):
        return xcode.read_report(data, where)
    if benchmark_model.is_report(data):
        return benchmark_model.read_report(data, where)
    raise EvaluationError(
        f"{where}: JSON of no known kind; right is LiteRT's benchmark_litert_model --result_json or report.json of "
        "Xcode's .mlperf"
    )

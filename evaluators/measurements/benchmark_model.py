"""What TFLite's and LiteRT's benchmark tools write: `benchmark_model`'s log, and results as JSON or protobuf.

The mean over the timed calls is taken, which is what published tables of `benchmark_model` hold. Source of the forms:
google-ai-edge/LiteRT f6745779, tflite/tools/benchmark/benchmark_model.cc, tflite/tools/delegates/*_provider.cc,
tflite/tools/benchmark/proto/benchmark_result.proto, litert/tools/benchmark_litert_model.h,
litert/python/tools/benchmark_litert_model.py.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from device_profiles.profile import ComputeUnitKind
from device_profiles.text import shorten
from evaluators.costs.own_measurements import MOST_ROWS
from evaluators.errors import EvaluationError
from evaluators.measurements.measured_row import MOST_THREADS, MeasuredRow, check_ms, read_table, read_word

_NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
_MEAN_US = re.compile(rf"Inference timings in us: .{{0,300}}?Inference \(avg\): {_NUMBER}")
_MEAN_MS = re.compile(rf"Inference \(avg\): +{_NUMBER} ms")
_FACT = re.compile(
    r"(Graph|Num threads|#threads used for CPU inference|Signature to run|Use gpu|Use NNAPI|Use Hexagon|Use CoreML"
    r"|Use xnnpack|External delegate path): \[([^\]]{0,1000})\]"
)
_LOADING = re.compile(r"Loading model from: (\S{1,1000})")
_SIGNATURE = re.compile(r"Signature name: +(\S{1,300})")
_NOT_APPLIED = re.compile(r"Failed to apply \w+ delegate|graph will not be executed by the delegate")
_TEXT_PROTO = re.compile(r"latency_metrics\s*\{([^{}]*)\}")
_TEXT_MEAN = re.compile(rf"\bavg_ms:\s*{_NUMBER}")
_OTHER_DELEGATES = {"Use NNAPI": "NNAPI", "Use CoreML": "Core ML", "External delegate path": "an external one"}


def is_log(text: str) -> bool:
    """Whether it is a benchmark's log with a result in it, or one that ended before."""
    return "STARTING!" in text or _MEAN_US.search(text) is not None or _MEAN_MS.search(text) is not None


def read_log(text: str, where: str) -> tuple[MeasuredRow, ...]:
    """The result of each run in a log, also of several runs one after another, and as `adb logcat` shows it.

    Raises:
        EvaluationError: No run came to its end, or one ran by what is not predicted.
    """
    rows: list[MeasuredRow] = []
    facts: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{where}: line {number}"
        if "STARTING!" in line:
            facts = {}
        _note(line, facts)
        us, ms = _MEAN_US.search(line), _MEAN_MS.search(line)
        if us or ms:
            if len(rows) == MOST_ROWS:
                raise EvaluationError(f"{place}: more than {MOST_ROWS} runs; right is a handful")
            mean_ms = _number(us[1]) / 1000 if us else _number(ms[1] if ms else "")
            rows.append(_row(facts, mean_ms, place, named=us is not None))
    if not rows:
        raise EvaluationError(f"{where}: a log of benchmark_model without a result; right is one that ran to its end")
    return tuple(rows)


def _note(line: str, facts: dict[str, str]) -> None:
    facts.update(_FACT.findall(line))
    for name, pattern in (("Graph", _LOADING), ("Signature to run", _SIGNATURE)):
        if found := pattern.search(line):
            facts.setdefault(name, found[1])
    if found := _NOT_APPLIED.search(line):
        facts["not applied"] = found[0]


def _row(facts: Mapping[str, str], ms: float, place: str, *, named: bool) -> MeasuredRow:
    """One run's row.

    Args:
        facts: What the log says before the result.
        ms: The mean.
        place: File and line.
        named: Whether the log names the unit wherever it is not the CPU; LiteRT's own tool does not.
    """
    for fact, delegate in _OTHER_DELEGATES.items():
        if facts.get(fact, "0") not in ("0", ""):
            raise EvaluationError(f"{place}: ran by another delegate ({delegate}), of which nothing is predicted")
    if "not applied" in facts:
        raise EvaluationError(f"{place}: not where it was asked to run: {facts['not applied']}")
    if facts.get("Use xnnpack") == "0":
        raise EvaluationError(f"{place}: ran without XNNPACK, LiteRT's default, of which predictions are")
    unit: ComputeUnitKind | None = "cpu" if named else None
    for fact, kind in (("Use gpu", "gpu"), ("Use Hexagon", "npu")):
        if facts.get(fact) == "1":
            unit = "gpu" if kind == "gpu" else "npu"
    said = facts.get("Num threads") or facts.get("#threads used for CPU inference") or "-1"
    # -1, the default, is one thread: XNNPACK makes no pool for it (xnnpack_delegate_provider.cc).
    threads = int(said) if said.isdecimal() and 1 <= int(said[:4]) <= MOST_THREADS else 1
    return MeasuredRow(
        source=place,
        file=shorten(facts["Graph"], 300) if facts.get("Graph") else None,
        unit=unit,
        ms=check_ms(ms, place),
        threads=threads if named else None,
        signature=_signature(facts.get("Signature to run")),
    )


def _signature(name: str | None) -> str | None:
    """LiteRT makes a name in angle brackets where the file has none."""
    return None if not name or name.startswith("<") else name


def is_report(data: Any) -> bool:
    """Whether JSON is what `benchmark_litert_model.py --result_json` writes."""
    return isinstance(data, Mapping) and "avg_ms" in read_table(data, "latency")


def read_report(data: Mapping[str, Any], where: str) -> tuple[MeasuredRow, ...]:
    """The result in such JSON.

    Raises:
        EvaluationError: Its time is none.
    """
    accelerators = data.get("accelerators")
    words = [str(word).lower() for word in accelerators] if isinstance(accelerators, list) else []
    unit: ComputeUnitKind | None = "npu" if "npu" in words else "gpu" if "gpu" in words else "cpu" if words else None
    threads = data.get("num_threads")
    known = isinstance(threads, int) and not isinstance(threads, bool) and 1 <= threads <= MOST_THREADS
    return (
        MeasuredRow(
            source=where,
            file=read_word(data, "model"),
            unit=unit,
            ms=check_ms(data["latency"]["avg_ms"], where),
            threads=threads if known else None,
            signature=_signature(read_word(data, "signature")),
        ),
    )


def is_protobuf_text(text: str) -> bool:
    """Whether it is a `BenchmarkResult` as `protoc --decode` shows it."""
    return _TEXT_PROTO.search(text) is not None


def read_protobuf_text(text: str, where: str) -> tuple[MeasuredRow, ...]:
    """The result in such text, which names neither model nor unit.

    Raises:
        EvaluationError: It holds no mean.
    """
    found = _TEXT_PROTO.search(text)
    mean = _TEXT_MEAN.search(found[1]) if found else None
    if mean is None:
        raise EvaluationError(f"{where}: latency_metrics without avg_ms; right is the result of a run that ended")
    return (MeasuredRow(source=where, ms=check_ms(_number(mean[1]), where)),)


def read_protobuf(data: bytes, where: str) -> tuple[MeasuredRow, ...]:
    """The result in what `--result_file_path` writes, which names neither model nor unit.

    Raises:
        EvaluationError: It is no such file.
    """
    try:
        latency = next(value for number, value in _fields(data) if number == 2 and isinstance(value, bytes))
        mean = next(value for number, value in _fields(latency) if number == 1 and isinstance(value, float))
    except (StopIteration, ValueError, IndexError, struct.error):
        raise EvaluationError(
            f"{where}: neither text nor what benchmark_model writes to --result_file_path; right is a CSV or a report"
        ) from None
    return (MeasuredRow(source=where, ms=check_ms(mean, where)),)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | float | int]]:
    """Fields of a protobuf message with their numbers. Source: protobuf's "Encoding" page."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: bytes | float | int
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            if size > len(data) - at:
                raise ValueError("a field reaches beyond the end")
            value, at = data[at : at + size], at + size
        elif kind in (1, 5):
            value, at = struct.unpack_from("<f" if kind == 5 else "<d", data, at)[0], at + (4 if kind == 5 else 8)
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("a number of more than ten bytes")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

"""Logs and results in the forms that LiteRT f6745779 writes (see the module's sources)."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from evaluators.errors import EvaluationError
from evaluators.measurements import read_measurements
from evaluators.measurements.measured_row import MeasuredRow

LOG = """\
STARTING!
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [/data/local/tmp/keywords.tflite]
Signature to run: [serving_default]
#threads used for CPU inference: [4]
Loaded model /data/local/tmp/keywords.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
The input model file size (MB): 0.2
Initialized session in 3.1ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=210 first=3511 curr=2310 min=2291 max=3511 avg=2.35e+03 std=98

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=430 first=2299 curr=2305 min=2290 max=2601 avg=2318.4 std=31 p5=2293 median=2311 p95=2384

Inference timings in us: Init: 3107, First inference: 3511, Warmup (avg): 2.35e+03, Inference (avg): 2318.4
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE
Memory footprint delta from the start of the tool (MB): init=1.2 overall=3.4
"""


def read(folder: Path, content: str | bytes, name: str = "report") -> tuple[MeasuredRow, ...]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_measurements(folder / name)


def test_a_log_is_one_row_with_what_it_says(tmp_path: Path) -> None:
    (row,) = read(tmp_path, LOG)
    assert row.ms == pytest.approx(2.3184)
    assert (row.file, row.unit, row.threads) == ("/data/local/tmp/keywords.tflite", "cpu", 4)
    assert row.signature == "serving_default"
    assert row.source == f"{tmp_path}/report: line 17"


def test_several_runs_through_logcat_and_large_numbers(tmp_path: Path) -> None:
    second = LOG.replace("avg): 2318.4", "avg): 2.95034e+06").replace("keywords", "large")
    second = "\n".join(line for line in second.splitlines() if "hreads" not in line and "Signature" not in line)
    both = "\n".join(f"08-13 06:40:52.889  123  123 I tflite  : {line}" for line in (LOG + second).splitlines())
    first, row = read(tmp_path, both)
    assert first.threads == 4
    assert (row.ms, row.file, row.threads, row.signature) == (2950.34, "/data/local/tmp/large.tflite", 1, None)


def test_the_gpu_is_known_by_its_switch(tmp_path: Path) -> None:
    (row,) = read(tmp_path, LOG.replace("Num threads: [4]", "Use gpu: [1]"))
    assert row.unit == "gpu"


def test_litert_s_own_tool_names_no_unit(tmp_path: Path) -> None:
    text = (
        "INFO: [benchmark_litert_model.cc:305] Loading model from: /data/local/tmp/m.tflite\n"
        "========== BENCHMARK RESULTS ==========\nSignature name:       main\n"
        "Model initialization: 7.65 ms\nWarmup (first):       6.68 ms\nWarmup (avg):         3.71 ms (135 runs)\n"
        "Inference (avg):      2.92 ms (343 runs)\nInference (min):      2.76 ms\n"
    )
    (row,) = read(tmp_path, text)
    assert (row.file, row.unit, row.ms, row.signature) == ("/data/local/tmp/m.tflite", None, 2.92, "main")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Inference (avg): 2318.4", ""), "a log of benchmark_model without a result"),
        (("avg): 2318.4", "avg): 0"), "line 17: the time is 0.0; right is a number above 0"),
        (("avg): 2318.4", "avg): 1.2.3"), "the time is nan"),
        (("Num threads: [4]", "Use NNAPI: [1]"), r"another delegate \(NNAPI\), of which nothing is predicted"),
        (("Num threads: [4]", "External delegate path: [/x.so]"), r"another delegate \(an external one\)"),
        (("Num threads: [4]", "Use xnnpack: [0]"), "ran without XNNPACK"),
        (("INFO: Created", "Failed to apply GPU delegate.\nINFO: Created"), "not where it was asked to run: Failed to"),
    ],
)
def test_runs_that_say_nothing_of_the_phone_are_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read(tmp_path, LOG.replace(*change))


JSON = {
    "model": "models/kws.tflite",
    "model_size_mb": 0.2,
    "accelerators": ["CPU"],
    "signature": "<placeholder signature>",
    "num_threads": 2,
    "latency": {"init_ms": 7.65, "avg_ms": 2.92, "median_ms": 2.9, "num_runs": 50},
}


def test_a_result_in_json(tmp_path: Path) -> None:
    (row,) = read(tmp_path, json.dumps(JSON))
    assert (row.file, row.unit, row.threads, row.ms) == ("models/kws.tflite", "cpu", 2, 2.92)
    assert row.signature is None
    (row,) = read(tmp_path, json.dumps({**JSON, "accelerators": ["NPU", "CPU"], "num_threads": 0}))
    assert (row.unit, row.threads) == ("npu", None)


@pytest.mark.parametrize("value", [-1, 0, True, None, "3", [1], {}, 1e300])
def test_a_time_that_is_none_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(EvaluationError, match="the time is"):
        read(tmp_path, json.dumps({**JSON, "latency": {"avg_ms": value}}))


def test_json_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="JSON of no known kind; right is LiteRT's"):
        read(tmp_path, '{"results": []}')
    with pytest.raises(EvaluationError, match="not valid JSON: line 1"):
        read(tmp_path, '{"results": [}')


def test_a_result_as_protoc_shows_it(tmp_path: Path) -> None:
    text = "latency_metrics {\n  avg_ms: 2.92\n  min_ms: 2.76\n}\nmisc_metrics {\n  num_runs: 343\n}\n"
    (row,) = read(tmp_path, text)
    assert (row.ms, row.file, row.unit) == (2.92, None, None)
    with pytest.raises(EvaluationError, match="latency_metrics without avg_ms"):
        read(tmp_path, "latency_metrics {\n  min_ms: 2.76\n}\n")


def protobuf(**metrics: float) -> bytes:
    """A `BenchmarkResult` of LatencyMetrics, with numbers as benchmark_result.proto has them, and a name."""
    numbers = {"avg_ms": 1, "min_ms": 2, "init_ms": 8}
    inner = b"".join(bytes([numbers[name] << 3 | 5]) + struct.pack("<f", value) for name, value in metrics.items())
    misc = b"\x10\xd7\x02"  # num_runs = 343
    return b"\x0a\x03run" + b"\x12" + bytes([len(inner)]) + inner + b"\x22" + bytes([len(misc)]) + misc


def test_a_result_as_the_tool_writes_it(tmp_path: Path) -> None:
    (row,) = read(tmp_path, protobuf(init_ms=7.65, min_ms=2.76, avg_ms=2.92))
    assert row.ms == pytest.approx(2.92)


@pytest.mark.parametrize(
    "data", [protobuf(min_ms=1.0), protobuf(avg_ms=1.0)[:9], b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x00"]
)
def test_other_binary_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(EvaluationError, match="neither text nor what benchmark_model writes"):
        read(tmp_path, data)

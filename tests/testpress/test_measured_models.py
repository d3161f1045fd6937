"""Reports of other tools, and the models they are of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.profile import read_profile
from evaluators.errors import EvaluationError
from testpress.calibration import calibrate
from testpress.measured_models import Measurements, find_models
from tests.evaluators.measurements.test_ai_hub import NEW
from tests.evaluators.measurements.test_benchmark_model import LOG, protobuf
from tests.evaluators.measurements.test_xcode import REPORT
from tests.specimens import run_command
from tests.testpress.tiny_tflite import write_chain, write_gain

pytestmark = pytest.mark.tflite

PHONE = read_profile("pixel-8")
UNSIGNED_LOG = LOG.replace("Signature to run: [serving_default]\n", "")


def find(measured: Measurements, device: str = "pixel-8") -> list[tuple[str, str | None, float]]:
    faults: list[str] = []
    found = find_models(measured, read_profile(device), faults)
    if faults:
        raise EvaluationError("\n".join(faults))
    return [(model.path.name, row.unit, row.ms) for row, model in found]


def test_a_model_on_the_phone_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(UNSIGNED_LOG)
    with pytest.raises(EvaluationError, match=r"log\.txt: line 16: .*keywords\.tflite: no such file"):
        find(Measurements((tmp_path / "log.txt",)))
    write_gain(tmp_path / "keywords.tflite")
    assert find(Measurements((tmp_path / "log.txt",))) == [("keywords.tflite", "cpu", pytest.approx(2.3184))]


def test_a_model_given_counts_by_its_name_or_where_it_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(UNSIGNED_LOG)
    other, keywords = write_gain(tmp_path / "other.tflite"), tmp_path / "models" / "keywords.tflite"
    keywords.parent.mkdir()
    write_gain(keywords)
    assert find(Measurements((tmp_path / "log.txt",), (str(other), str(keywords))))[0][0] == "keywords.tflite"
    assert find(Measurements((tmp_path / "log.txt",), (str(other),)))[0][0] == "other.tflite"


def test_what_a_result_does_not_say_is_said_beside_it(tmp_path: Path) -> None:
    (tmp_path / "r.pb").write_bytes(protobuf(avg_ms=2.5))
    model = str(write_gain(tmp_path / "m.tflite"))
    with pytest.raises(EvaluationError, match=r"r\.pb: names no model; say which it was with --model"):
        find(Measurements((tmp_path / "r.pb",)))
    with pytest.raises(EvaluationError, match=r"r\.pb: does not say on which unit it ran; say it with --unit"):
        find(Measurements((tmp_path / "r.pb",), (model,)))
    assert find(Measurements((tmp_path / "r.pb",), (model,), "cpu", 2)) == [("m.tflite", "cpu", 2.5)]
    (row,) = calibrate(PHONE, Measurements((tmp_path / "r.pb",), (model,), "cpu", 2)).rows
    assert row.threads == 2


def test_of_many_phones_and_models_those_count_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "perf.yaml").write_text(NEW)
    with pytest.raises(EvaluationError, match=r"is of Keywords_float\.tflite, Keywords_w8a8\.tflite; give one of"):
        find(Measurements((tmp_path / "perf.yaml",)))
    write_gain(tmp_path / "Keywords_float.tflite")
    assert find(Measurements((tmp_path / "perf.yaml",))) == [("Keywords_float.tflite", "cpu", 2.5)]
    # The S24 here and the profile's "Galaxy S24 (Snapdragon)" are one phone.
    assert find(Measurements((tmp_path / "perf.yaml",)), "galaxy-s24") == [("Keywords_float.tflite", "npu", 0.182)]
    with pytest.raises(EvaluationError, match="is of Samsung Galaxy S24, Google Pixel 8; --device pixel-4 is Pixel 4"):
        find(Measurements((tmp_path / "perf.yaml",)), "pixel-4")


def test_a_report_of_another_iphone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.mlperf").mkdir()
    (tmp_path / "k.mlperf" / "report.json").write_text(json.dumps(REPORT))
    with pytest.raises(EvaluationError, match=r"k\.mlperf: is of iPhone 13; --device iphone-12 is iPhone 12"):
        find(Measurements((tmp_path / "k.mlperf",)), "iphone-12")


@pytest.mark.slow
def test_what_litert_s_own_benchmark_writes_calibrates(tmp_path: Path) -> None:
    """Its wheel's tool, on this machine: the time is this one's, the form is real."""
    model, result = write_chain(tmp_path / "m.tflite", 1000), tmp_path / "result.json"  # it rounds to 10 µs
    tool = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model", f"--model={model}"]
    run = run_command([*tool, "--num_runs=20", "--use_cpu", "--num_threads=1", f"--result_json={result}"])
    assert run.returncode == 0, run.stderr[-2000:]
    written = json.loads(result.read_text())
    (row,) = calibrate(PHONE, Measurements((result,))).rows
    assert row.compute == "LiteRT, cpu, float32"
    assert row.measured_ms == written["latency"]["avg_ms"] > 0

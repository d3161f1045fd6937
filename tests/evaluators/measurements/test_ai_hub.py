from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("yaml")
from evaluators.errors import EvaluationError
from evaluators.measurements import read_measurements
from evaluators.measurements.measured_row import MeasuredRow

NEW = """\
supported_devices:
- Samsung Galaxy S24
precisions:
  float:
    components:
      Keywords:
        universal_assets:
          tflite:
            model_id: m1
        performance_metrics:
          Samsung Galaxy S24:
            tflite:
              job_id: j1
              job_status: Passed
              inference_time_milliseconds: 0.182
              primary_compute_unit: NPU
            qnn_dlc:
              inference_time_milliseconds: 0.168
              primary_compute_unit: NPU
          Google Pixel 8:
            tflite:
              inference_time_milliseconds: 2.5
              primary_compute_unit: CPU
            onnx:
              job_status: Failed
  w8a8:
    components:
      Keywords:
        performance_metrics:
          Google Pixel 8:
            tflite:
              inference_time_milliseconds: 1.5
              primary_compute_unit: GPU
"""
OLD = """\
aggregated:
  supported_devices:
  - Google Pixel 8
models:
- name: Keywords
  performance_metrics:
  - torchscript_onnx_tflite:
      inference_time: 2500.0
      throughput: 400.0
      estimated_peak_memory_range: {min: 1, max: 2}
      primary_compute_unit: CPU
      precision: fp16
    torchscript_onnx_qnn:
      inference_time: 'null'
    reference_device_info:
      name: Google Pixel 8
      os: '14'
      form_factor: Phone
  - torchscript_onnx_tflite:
      inference_time: 'null'
    reference_device_info:
      name: Samsung Galaxy S23
"""


def read(folder: Path, text: str) -> tuple[MeasuredRow, ...]:
    (folder / "perf.yaml").write_text(text)
    return read_measurements(folder / "perf.yaml")


def test_rows_of_phones_and_precisions(tmp_path: Path) -> None:
    rows = [(row.file, row.device, row.unit, row.ms, row.of_many) for row in read(tmp_path, NEW)]
    assert rows == [
        ("Keywords_float.tflite", "Samsung Galaxy S24", "npu", 0.182, True),
        ("Keywords_float.tflite", "Google Pixel 8", "cpu", 2.5, True),
        ("Keywords_w8a8.tflite", "Google Pixel 8", "gpu", 1.5, True),
    ]


def test_rows_of_the_earlier_form_are_in_microseconds(tmp_path: Path) -> None:
    (row,) = read(tmp_path, OLD)
    assert (row.file, row.device, row.unit, row.ms) == ("Keywords.tflite", "Google Pixel 8", "cpu", 2.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NEW.replace("0.182", "-1"), "Keywords_float.tflite: the time is -1; right is a number above 0"),
        (NEW.replace("0.182", ".nan"), "the time is nan"),
        (NEW.replace("0.182", "'fast'"), "the time is fast"),
        (NEW.replace("tflite:", "qnn:"), "holds no time of TFLite"),
        (NEW + "  x: [", "not valid YAML"),
        (
            NEW.replace("float:", "float: !!python/object/apply:os.getcwd []\n  y:"),
            "not valid YAML: could not determine",
        ),
        ("performance_metrics:\n", "holds no time of TFLite"),
        ("performance_metrics:\n" + "[" * 5000, "not valid YAML"),
    ],
)
def test_faults_are_one_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as fault:
        read(tmp_path, text)
    assert len(str(fault.value).splitlines()) == 1


def test_references_to_references_are_not_followed(tmp_path: Path) -> None:
    doubled = "\n".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))
    assert len(read(tmp_path, f"a0: &a0 [x]\n{doubled}\n{NEW}")) == 3


def test_without_pyyaml_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(EvaluationError, match=r"needs PyYAML.*pip install 'testpress\[aihub\]'"):
        read(tmp_path, NEW)

"""`perf.yaml` of Qualcomm AI Hub Models, in both generations of its form: times of TFLite on many phones.

A time is the shortest of a tight loop, not a mean. Source of the forms: qualcomm/ai-hub-models b61a0090,
qai_hub_models/configs/perf_yaml.py (precisions → components → phones, in milliseconds), and its releases of 2024
(models → phones, in microseconds).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from evaluators.errors import EvaluationError
from evaluators.measurements.measured_row import UNITS, MeasuredRow, check_ms, read_table, read_word

_REPORT = re.compile(r"^ *(?:- *)?performance_metrics: *$", re.MULTILINE)
_RUNTIMES = ("tflite", "torchscript_onnx_tflite")
"""what the two generations call TFLite; the other runtimes are not predicted"""
_MOST_ROWS = 20_000
"""of one file: its largest have some hundreds"""


def is_report(text: str) -> bool:
    """Whether it looks like a `perf.yaml`."""
    return _REPORT.search(text) is not None


def read(text: str, where: str) -> tuple[MeasuredRow, ...]:
    """The times of TFLite in a `perf.yaml`; each is of a model named `<component>_<precision>.tflite`, as its download.

    Raises:
        EvaluationError: PyYAML is not installed, or the file is not YAML or holds no time of TFLite.
    """
    try:
        import yaml
    except ImportError:
        raise EvaluationError(
            f"{where}: reading AI Hub's perf.yaml needs PyYAML, which is not installed; right is "
            "pip install 'testpress[aihub]', or a CSV"
        ) from None
    try:
        data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are the safe one)
    except (yaml.YAMLError, ValueError, TypeError) as fault:
        raise EvaluationError(f"{where}: not valid YAML: {' '.join(str(fault).split())}") from None
    except RecursionError:
        raise EvaluationError(f"{where}: not valid YAML: nested too deeply; right is a handful of levels") from None
    rows: list[MeasuredRow] = []
    for row in (*_components(data, where), *_models(data, where)):
        rows.append(row)
        if len(rows) > _MOST_ROWS:
            raise EvaluationError(f"{where}: more than {_MOST_ROWS} times; right is one model's perf.yaml")
    if not rows:
        raise EvaluationError(
            f"{where}: holds no time of TFLite; right is a perf.yaml with tflite in performance_metrics"
        )
    return tuple(rows)


def _components(data: Any, where: str) -> Iterator[MeasuredRow]:
    """Since 2025: precisions → components → performance_metrics → phone → runtime."""
    for precision, details in read_table(data, "precisions").items():
        for component, metrics in read_table(details, "components").items():
            for device, runtimes in read_table(metrics, "performance_metrics").items():
                found = read_table(runtimes, "tflite")
                time = found.get("inference_time_milliseconds")
                if time is not None:
                    name = f"{component}_{precision}.tflite"
                    yield _row(found, check_ms(time, f"{where}: {name}"), str(device), name, where)


def _models(data: Any, where: str) -> Iterator[MeasuredRow]:
    """Of 2024: models → performance_metrics, a list of phones → runtime."""
    models = data.get("models") if isinstance(data, Mapping) else None
    for model in models if isinstance(models, list) else []:
        entries = model.get("performance_metrics") if isinstance(model, Mapping) else None
        for entry in entries if isinstance(entries, list) else []:
            device = read_word(read_table(entry, "reference_device_info"), "name")
            for runtime in _RUNTIMES:
                found = read_table(entry, runtime)
                time = found.get("inference_time")
                if isinstance(time, int | float):  # else the text "null": the job failed
                    name = f"{read_word(model, 'name') or 'model'}.tflite"
                    yield _row(found, check_ms(time / 1000, f"{where}: {name}"), device, name, where)


def _row(found: Mapping[str, Any], ms: float, device: str | None, name: str, where: str) -> MeasuredRow:
    unit = (read_word(found, "primary_compute_unit") or "").lower()
    return MeasuredRow(
        source=f"{where}: {name[:200]} on {(device or 'no phone')[:100]}",
        file=name[:300],
        of_many=True,
        device=None if device is None else device[:300],
        unit=UNITS.get(unit),
        ms=ms,
    )

"""Measured times as a table and as tools' reports, and calibration files, damaged; the model they are of is good."""

from __future__ import annotations

import json
import random
import shutil
from typing import Any

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import maybe, place_specials
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 40
SECONDS = 0.8

_MODEL = "features.tflite"
_TEXTS = {
    "measured.csv": f"file,unit,threads,ms,runtime\n{_MODEL},cpu,1,1.5,\n{_MODEL},gpu,,2e1,LiteRT\n",
    "log.txt": (
        f"STARTING!\nNum threads: [4]\nGraph: [/data/{_MODEL}]\nUse gpu: [0]\n"
        "Inference timings in us: Init: 3107, First inference: 3511, Warmup (avg): 2.35e+03, Inference (avg): 2318.4\n"
    ),
    "result.txt": "latency_metrics {\n  avg_ms: 2.92\n}\n",
    "result.pb": "\x0a\x03run\x12\x0a\x15\x00\x00\x40\x40\x0d\x00\x00\x40\x40",
    "perf.yaml": (
        "precisions:\n  float:\n    components:\n      features:\n        performance_metrics:\n          Pixel 8:\n"
        "            tflite:\n              inference_time_milliseconds: 2.5\n              primary_compute_unit: CPU\n"
    ),
}
_TREES: dict[str, Any] = {
    "litert.json": {
        "model": _MODEL, "accelerators": ["CPU"], "signature": "<none>", "num_threads": 2, "latency": {"avg_ms": 2.9},
    },
    "report.json": {
        "modelMetadata": {"fileName": _MODEL},
        "deviceInfo": {"modelName": "Pixel 8"},
        "computeUnit": 0,
        "deviceResults": {"predict": {"samples": [0.0013, 0.0011], "numOperations": 3}},
    },
    "calibration.json": {
        "version": 1,
        "device": "pixel-8",
        "profile_sha256": "0" * 64,
        "cost_model_sha256": "0" * 64,
        "rows": [
            {
                "file": _MODEL, "sha256": "0" * 64, "signature": None, "runtime": "LiteRT", "unit": "cpu",
                "number": "float32", "threads": 1, "measured_ms": 1.0, "source": "x", "parts": {"call": 1.0},
                "reason": None,
            }
        ],
    },
}  # fmt: skip


def make_case(chance: random.Random, place: Place) -> Case:
    shutil.copy(place.corpus / "tflite" / _MODEL, place.folder)
    place_specials(place.folder)
    name = chance.choice((*_TEXTS, *_TREES))
    if name in _TEXTS:
        data = damage_bytes(chance, _TEXTS[name].encode("latin-1"))
    elif chance.random() < 0.2:
        data = damage_bytes(chance, json.dumps(_TREES[name]).encode())
    else:
        data = write_json(damage_tree(chance, _TREES[name]), place)
    (place.folder / name).write_bytes(data)
    if name == "calibration.json":
        return Case(("latency", _MODEL, "--device", "pixel-8", "--calibration", name, *maybe(chance, 0.3, "--json")))
    options = [*maybe(chance, 0.5, "--model", _MODEL, "--unit", "cpu"), *maybe(chance, 0.3, "-o", "out/c.json")]
    return Case(("calibrate", "--device", "pixel-8", name, *options, *maybe(chance, 0.3, "--json")))

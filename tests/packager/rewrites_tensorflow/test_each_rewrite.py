"""One case of every rewrite of TensorFlow's graphs, run by TensorFlow itself without a converter, for the fast loop."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

import packager.rewrites.tensorflow as room
from packager.jobs.workers import Job, Limits, run_job

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"),
]

WINDOW = 2048
CASES = {
    "arrangement": ("moved", "coreml"),
    "complex_numbers": ("arithmetic", "tflite"),
    "counting": ("moved", "coreml"),
    "cumulation": ("moved", "coreml"),
    "dilation": ("dilated", "tflite"),
    "elementary": ("elementary", "coreml"),
    "fourier": ("masked", "tflite"),
    "loops": ("as_long_as", "tflite"),
    "resize": ("resized", "tflite"),
    "tensor_lists": ("written_list", "tflite"),
    "unrolled_frames": ("time_distributed", "tflite"),
}
"""by the rewrite's file: a function that needs it, and the format for which it is rewritten"""
UNNAMED = {"loops"}
"""told by the names of what is done inside"""
LEAST_DECIBELS = 100.0


def test_every_rewrite_has_a_case() -> None:
    """But for those that are lowerings alone: coremltools calls them, and `test_tensorflow_rewrites.py` proves them."""
    files = sorted(path.stem for path in Path(room.__file__).parent.glob("[a-z]*.py"))
    modules = {file: importlib.import_module(f"packager.rewrites.tensorflow.{file}") for file in files}
    assert set(CASES) == {file for file, module in modules.items() if hasattr(module, "replacements")}


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    request = {"functions": sorted(set(CASES.values())), "window": WINDOW}
    target, log = (
        "tests.packager.rewrites_tensorflow.tensorflow_proofs:rewrite",
        tmp_path_factory.mktemp("each") / "log",
    )
    return {(event["name"], event["format"]): event for event in run_job(Job(target, request, log, Limits(time_s=300)))}


@pytest.mark.slow
@pytest.mark.parametrize("file", CASES)
def test_a_rewrite_is_applied_and_changes_nothing(rewritten: dict[tuple[str, str], dict[str, Any]], file: str) -> None:
    found = rewritten[CASES[file]]
    assert file in found["rewrites"] or file in UNNAMED
    assert found["decibels"] >= LEAST_DECIBELS

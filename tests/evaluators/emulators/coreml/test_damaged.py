"""Damaged and hostile packages: they run, or one error says what is wrong. No other exception, no crash, no waiting."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.protobuf import load_schema
from evaluators.errors import EvaluationError
from tests.specimens import ROOT

from .damage import DAMAGES
from .op_specimens import SPECIMENS, WEIGHTS
from .programs import Blob, Op, Program, gain, weight_file, write_package

X = np.arange(6, dtype=np.float32).reshape(2, 3)

MOST_CPU_S = 10.0
"""for one damaged package to load and run; whole, none takes a second"""

SCRIPT = Path(__file__).with_name("damage.py")


def damage(folder: Path, count: int) -> dict[str, set[str]]:
    """Damages each package in many ways; what was found of each kind of damage."""
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(folder), str(count)]
    run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=500)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"ended with {run.returncode} at {rows[-1:]}: {run.stderr[-2000:]}"
    outcomes: dict[str, set[str]] = {}
    for begun, ended in zip(rows[::2], rows[1::2], strict=True):
        assert not ended["outcome"].startswith("escaped"), (begun, ended)
        assert ended["cpu_s"] < MOST_CPU_S, (begun, ended)
        outcomes.setdefault(begun["kind"], set()).add(ended["outcome"].partition(":")[0])
    return outcomes


@pytest.mark.slow
def test_damaged_packages_run_or_are_refused(tmp_path: Path) -> None:
    for name, program in SPECIMENS.items():
        write_package(tmp_path, program, WEIGHTS if name == "conv" else None, name=f"{name}.mlpackage")
    # Each kind of damage does both, or it would damage nothing or everything.
    assert damage(tmp_path, 10) == {kind: {"ran", "refused"} for kind in DAMAGES}


@pytest.mark.slow
def test_a_real_package_damaged_runs_or_is_refused(tmp_path: Path) -> None:
    found = importlib.util.find_spec("basic_pitch")
    if found is None or not found.submodule_search_locations:
        pytest.skip("basic_pitch is not installed")
    saved = Path(found.submodule_search_locations[0]) / "saved_models" / "icassp_2022" / "nmp.mlpackage"
    shutil.copytree(saved, tmp_path / saved.name)
    outcomes = damage(tmp_path, 40)
    assert set(outcomes) == set(DAMAGES)
    assert all("refused" in found for found in outcomes.values())


def refusal(path: Path, inputs: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        CoreMLModel(path, **options).predict({"x": X} if inputs is None else inputs)
    return str(caught.value)


def _typed(kind: str) -> Any:
    message = load_schema().model.Model()
    getattr(message, kind).SetInParent()
    return message


def _weighed(**changes: Any) -> Program:
    const = Op("const", {"val": Blob("float32", (2, 3), **changes)}, "w", "float32", (2, 3))
    return Program([const, Op("add", {"x": "x", "y": "w"}, "y", shape=(2, 3))], {"y": ("float32", (2, 3))})


NINE = weight_file(np.arange(6, dtype=np.float32).tobytes(), 2)


@pytest.mark.parametrize(
    ("program", "weights", "message"),
    [
        (
            Program([Op("convolute", {"x": "x"}, "y", shape=(2, 3))], {"y": ("float32", (2, 3))}, opset="CoreML7"),
            None,
            "op 0 (y): the emulator does not know op 'convolute' of opset CoreML7 (iOS 17)",
        ),
        (_typed("neuralNetwork"), None, "holds a model of type neuralNetwork; the emulator runs mlProgram"),
        (_typed("pipeline"), None, "holds a model of type pipeline; the emulator runs mlProgram"),
        (_typed("pipelineClassifier"), None, "holds a model of type pipelineClassifier; the emulator runs mlProgram"),
        (b"", None, "holds a model of type None; the emulator runs mlProgram"),
        (b"\x12 not a message", None, "not a Core ML specification (malformed protobuf"),
        (_weighed(), NINE[:-1], "24 bytes at 128 end after the file (151 bytes): truncated"),
        (_weighed(), NINE[:70], "outside the file, which has 70 bytes; the file may be truncated"),
        (_weighed(), b"", "truncated: 0 bytes, the header alone has 64"),
        (
            _weighed(),
            None,
            "weight file is missing; the specification refers to it as '@model_path/weights/weight.bin'",
        ),
        (_weighed(), weight_file(bytes(12), 1), "holds element type code 1, expected 2 (float32)"),
        (_weighed(), weight_file(bytes(20), 2), "holds 20 bytes, expected 24 for float32 [2, 3]"),
        (_weighed(file="@model_path/../../../x"), NINE, "lies outside the package"),
        (_weighed(file="@model_path/\0"), NINE, "is no path: embedded null byte"),
        (_weighed(file="@model_path/" + "w" * 300), NINE, "is no path: [Errno"),
        (gain(opset="CoreML99"), None, "unknown opset 'CoreML99'; known: CoreML5"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, program: Any, weights: bytes | None, message: str) -> None:
    found = refusal(write_package(tmp_path, program, weights))
    assert message in found
    assert str(tmp_path) in found  # where


def test_the_place_of_a_bad_constant_is_said(tmp_path: Path) -> None:
    found = refusal(write_package(tmp_path, _weighed(), NINE[:-1]))
    assert "model.mlpackage: function 'main': op 0 const (w): " in found
    assert "weight.bin, offset 64" in found


def test_an_input_of_text_is_refused(tmp_path: Path) -> None:
    message = gain().message()
    function = message.mlProgram.functions["main"]
    function.inputs[0].type.tensorType.dataType = load_schema().mil.STRING
    assert "input 'x' holds text; expected numbers" in refusal(write_package(tmp_path, message))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing (float32 [2, 3])"),
        ({"x": X, "speed": X}, "has no input 'speed'; its inputs: x"),
        ({"X": X}, "has no input 'X'; its inputs: x"),
        ({"x": X[0]}, "input 'x': has shape [3], expected [2, 3]"),
        ({"x": X[None]}, "input 'x': has shape [1, 2, 3], expected [2, 3]"),
        ({"x": np.zeros((0, 3), np.float32)}, "input 'x': has shape [0, 3], expected [2, 3]"),
        ({"x": X.astype(np.int16)}, "input 'x': has dtype int16, expected float32"),
        ({"x": X.astype(object)}, "input 'x': has dtype object, expected float32"),
        ({"x": "text"}, "input 'x': has dtype <U4, expected float32"),
        ({"x": None}, "input 'x': has dtype object, expected float32"),
    ],
)
def test_bad_inputs_are_said(tmp_path: Path, inputs: dict[str, Any], message: str) -> None:
    assert message in refusal(write_package(tmp_path, gain()), inputs)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["../x", "A", "\0", "p" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["path", "A", "rootModelIdentifier", "itemInfoEntries"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_any_manifest_is_read_or_refused(tmp_path: Path, manifest: Any) -> None:
    path = tmp_path / "model.mlpackage"
    if not path.exists():
        write_package(tmp_path, gain())
    (path / "Manifest.json").write_text(json.dumps(manifest))
    assert "Manifest.json" in refusal(path)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(0, len(NINE)), st.booleans())
def test_any_weight_file_is_read_or_refused(tmp_path: Path, noise: bytes, place: int, cut: bool) -> None:
    path = tmp_path / "model.mlpackage"
    if not path.exists():
        write_package(tmp_path, _weighed(), NINE)
    data = NINE[:place] + noise + (b"" if cut else NINE[place + len(noise) :])
    next(path.rglob("weight.bin")).write_bytes(data)
    try:
        found = CoreMLModel(path).predict({"x": X})["y"] - X
    except EvaluationError as fault:
        assert "weight.bin" in str(fault)
    else:
        assert found.shape == (2, 3)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "noise.mlmodel"
    path.write_bytes(data)
    assert "noise.mlmodel" in refusal(path)

"""ML Program graphs: the Basic Pitch wheel's package against its TFLite sibling, and refusals."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from evaluators.costs.graph import read_graph
from evaluators.errors import EvaluationError

pytest.importorskip("google.protobuf")
if importlib.util.find_spec("coremltools") is None:
    pytest.skip("coremltools is not installed", allow_module_level=True)

pytestmark = pytest.mark.coreml


@pytest.fixture
def basic_pitch() -> Path:
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or spec.origin is None:
        pytest.skip("basic_pitch is not installed")
    return Path(spec.origin).parent / "saved_models" / "icassp_2022"


def test_both_formats_of_a_model_count_alike(basic_pitch: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    coreml, tflite = read_graph(basic_pitch / "nmp.mlpackage"), read_graph(basic_pitch / "nmp.tflite")
    assert coreml.format == "coreml"
    assert coreml.macs == tflite.macs == 524_079_648
    assert not coreml.dynamic
    # The converters pad and slice differently; the tensors between convolutions are the same.
    assert coreml.moved_bytes == pytest.approx(tflite.moved_bytes, rel=0.2)
    assert coreml.peak_activation_bytes == pytest.approx(tflite.peak_activation_bytes, rel=0.25)
    assert coreml.weight_bytes == pytest.approx(tflite.weight_bytes, rel=0.05)


def test_views_move_nothing_and_constants_are_no_ops(basic_pitch: Path) -> None:
    ops = read_graph(basic_pitch / "nmp.mlpackage").ops
    assert all(op.moved_bytes == 0 for op in ops if op.kind in ("reshape", "expand_dims"))
    assert "const" not in {op.kind for op in ops}
    assert sum(op.kind == "conv" for op in ops) == 32
    assert {op.dtype for op in ops} == {"float32"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", "not a Core ML specification (malformed protobuf"),
        ("no manifest", "has no Manifest.json"),
        ("other kind", "holds no model of a known kind; right is an ML Program (mlProgram)"),
    ],
)
def test_damaged_packages_are_named(fault: str, message: str, basic_pitch: Path, tmp_path: Path) -> None:
    package = tmp_path / "m.mlpackage"
    shutil.copytree(basic_pitch / "nmp.mlpackage", package)
    entries = json.loads((package / "Manifest.json").read_text())
    model = package / "Data" / entries["itemInfoEntries"][entries["rootModelIdentifier"]]["path"]
    if fault == "cut":
        model.write_bytes(model.read_bytes()[:5000])
    elif fault == "other kind":
        model.write_bytes(b"")
    else:
        (package / "Manifest.json").unlink()
    with pytest.raises(EvaluationError) as caught:
        read_graph(package)
    assert str(package) in str(caught.value)
    assert message in str(caught.value)

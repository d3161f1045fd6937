"""ML Program graphs: the Basic Pitch wheel's package against its TFLite sibling, and refusals."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.formats import read_graph

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


@pytest.mark.slow
def test_open_lengths_are_counted_at_the_models_default(tmp_path: Path) -> None:
    import coremltools as ct
    import numpy as np

    from evaluators.formats import read_signatures
    from tests.mil_programs import FLOAT32, write_program

    weight = np.ones((4, 1, 5), np.float32)

    def body(mb: Any, x: Any) -> Any:
        return mb.reduce_sum(x=mb.conv(x=x, weight=weight, strides=[2], pad_type="valid"), axes=[1])

    counts = {}
    for name, size in (("fixed", 101), ("range", ct.RangeDim(50, 400, default=101))):
        path = tmp_path / f"{name}.mlpackage"
        write_program(path, body, {"x": ((1, 1, size), FLOAT32)})
        counts[name] = read_graph(path)
    fixed, flexible = counts["fixed"], counts["range"]
    assert fixed.macs == 4 * 49 * 5
    assert (flexible.macs, flexible.moved_bytes) == (fixed.macs, fixed.moved_bytes)
    assert flexible.peak_activation_bytes == fixed.peak_activation_bytes
    assert (flexible.dynamic, flexible.unpriced, fixed.assumed) == (False, (), ())
    assert flexible.assumed == ("x [1, 1, 101] (allowed: [1, 1, 50…400])",)
    (signature,) = read_signatures(path)
    assert signature.inputs[0].note == "default [1, 1, 101]; allowed: [1, 1, 50…400]"
    assert signature.outputs[0].shape == (1, None)  # as the program declares it; the description says nothing
    asked = read_graph(path, window=201)
    assert (asked.macs, asked.assumed) == (4 * 99 * 5, ("x [1, 1, 201] (allowed: [1, 1, 50…400])",))
    with pytest.raises(EvaluationError, match=r"input 'x' cannot be \[1, 1, 401\]; right is \[1, 1, 50…400\]"):
        read_graph(path, window=401)
    with pytest.raises(EvaluationError, match="no input leaves its length open"):
        read_graph(tmp_path / "fixed.mlpackage", window=101)


@pytest.mark.slow
def test_sizes_that_cannot_be_told_give_no_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import coremltools as ct
    import numpy as np

    from tests.mil_programs import FLOAT32, write_program

    path = tmp_path / "m.mlpackage"
    write_program(path, lambda mb, x: mb.relu(x=mb.add(x=x, y=np.float32(1))), {"x": ((1, ct.RangeDim(2, 9)), FLOAT32)})
    monkeypatch.setattr("evaluators.formats.coreml.shapes.LONGEST_S", -1.0)
    (reason, *_) = read_graph(path).unpriced
    assert reason.startswith("open dimensions, whose sizes are not known (")


def test_labels_and_probabilities_by_label_leave_nothing_open() -> None:
    from evaluators.emulators.coreml.dtypes import dtype_named
    from evaluators.emulators.coreml.program import ValueType
    from evaluators.formats.coreml.shapes import read_tensor

    assert [read_tensor(ValueType(kind)).dynamic for kind in ("dictionary", "list")] == [False, False]
    assert not read_tensor(ValueType("tensor", dtype_named("string"), ())).dynamic
    assert read_tensor(ValueType("tensor", dtype_named("float32"))).dynamic  # not even its rank is known

"""Core ML models that are not run: their kind and interface."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.formats.coreml.kinds import read_other_kind

pytestmark = [
    pytest.mark.coreml,
    pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools' message classes"),
]


def write(path: Path, fill: Any) -> Path:
    from evaluators.emulators.coreml.protobuf import load_schema

    model = load_schema().model.Model()
    model.specificationVersion = 4
    model.description.metadata.license = "MIT"
    for side, name in ((model.description.input, "audio"), (model.description.output, "scores")):
        feature = side.add()
        feature.name = name
        feature.type.multiArrayType.shape.extend([1, 8])
        feature.type.multiArrayType.dataType = 65568  # FLOAT32
    fill(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_neural_network_shows_its_interface(tmp_path: Path) -> None:
    found = read_other_kind(write(tmp_path / "m.mlmodel", lambda model: model.neuralNetwork.layers.add()))
    assert found is not None
    assert (found.kind, found.metadata.license, found.floor.minimum_os) == ("neuralNetwork", "MIT", "iOS13")
    assert [(port.name, port.shape, port.dtype) for port in found.signature.inputs] == [("audio", (1, 8), "float32")]
    assert [port.name for port in found.signature.outputs] == ["scores"]


def test_a_pipeline_names_its_parts(tmp_path: Path) -> None:
    def fill(model: Any) -> None:
        model.pipelineClassifier.pipeline.models.add().neuralNetwork.layers.add()
        model.pipelineClassifier.pipeline.models.add().glmClassifier.offset.append(1.0)
        label = model.description.output.add()
        label.name = "class"
        label.type.stringType.SetInParent()

    found = read_other_kind(write(tmp_path / "m.mlmodel", fill))
    assert found is not None
    assert found.kind == "pipelineClassifier of neuralNetwork, glmClassifier"
    assert [port.dtype for port in found.signature.outputs] == ["float32", "string"]


def test_an_ml_program_is_no_other_kind(tmp_path: Path) -> None:
    assert read_other_kind(write(tmp_path / "m.mlmodel", lambda model: model.mlProgram.SetInParent())) is None


SAID = {
    "shortDescription": "mono, 16 kHz", "author": "Jo", "license": "MIT", "version": "3", "specificationVersion": 7,
    "modelType": {"name": "MLModelType_mlProgram"}, "storagePrecision": "Float16",
    "computePrecision": "Mixed (Float16)",
    "mlProgramOperationTypeHistogram": {"Ios16.conv": 2, "Ios16.relu": 3},
    "userDefinedMetadata": {"com.github.apple.coremltools.version": "8.0"},
    "inputSchema": [{
        "name": "audio", "type": "MultiArray", "dataType": "Float32", "shape": "[1, 16000]", "isOptional": "0",
        "hasShapeFlexibility": "1", "shapeFlexibility": "1 × 8000...160000",
    }],
    "outputSchema": [{"name": "y", "type": "MultiArray", "dataType": "Float16", "shape": "[1, 64]"}],
}  # fmt: skip


def compiled(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "metadata.json").write_text(text)
    return path


def test_what_core_ml_compiled_shows_what_xcode_shows(tmp_path: Path) -> None:
    found = read_other_kind(compiled(tmp_path / "m.mlmodelc", json.dumps([SAID])))
    assert found is not None
    assert (found.kind, found.floor.minimum_os) == ("compiled mlProgram", "iOS16")
    (port,) = found.signature.inputs
    assert (port.name, port.shape, port.dtype, port.note) == ("audio", (1, 16000), "float32", "1 × 8000...160000")
    assert (found.metadata.author, found.metadata.license) == ("Jo", "MIT")
    assert found.metadata.sample_rate_hz == 16000
    assert found.metadata.others["ops"] == "Ios16.relu 3, Ios16.conv 2"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "[7]", '[{"specificationVersion": 7}]', "[" * 100_000, json.dumps([{**SAID, "inputSchema": [3]}])],
)
def test_a_folder_that_core_ml_did_not_write_is_one_message(text: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"metadata\.json: not what Core ML writes"):
        read_other_kind(compiled(tmp_path / "m.mlmodelc", text))


def test_a_compiled_folder_without_metadata_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "m.mlmodelc").mkdir()
    with pytest.raises(EvaluationError, match=r"metadata\.json: no such file"):
        read_other_kind(tmp_path / "m.mlmodelc")

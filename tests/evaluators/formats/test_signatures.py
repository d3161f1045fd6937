from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.formats import read_signatures
from evaluators.formats.signatures import Port, Signature

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

pytestmark = pytest.mark.tflite

Ports = dict[str, int]


def tensor(
    name: str, shape: list[int], type_: str = "FLOAT32", *, signature: list[int] | None = None,
    scales: tuple[float, ...] = (), zero_point: int = 0,
) -> Any:  # fmt: skip
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, shape, getattr(schema.TensorType, type_), 0
    made.shapeSignature = signature
    if scales:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = list(scales), [zero_point] * len(scales)
    return made


def write(path: Path, tensors: list[Any], signatures: dict[str, tuple[Ports, Ports]]) -> Path:
    """A model without ops whose first tensor is its input and whose last its output."""
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [], [0], [len(tensors) - 1]
    model.version, model.buffers, model.subgraphs, model.operatorCodes = 3, [schema.BufferT()], [graph], []
    model.signatureDefs = []
    for key, (inputs, outputs) in signatures.items():
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = key, 0
        made.inputs, made.outputs = ([_entry(*pair) for pair in ports.items()] for ports in (inputs, outputs))
        model.signatureDefs.append(made)
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _entry(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def test_inputs_and_outputs_carry_the_signatures_names_not_the_tensors(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.tflite",
        [tensor("t0", [1, 8]), tensor("t1", [1, 2, 4]), tensor("t2", [1], "INT64")],
        {"serving_default": ({"audio": 0}, {"note": 1, "count": 2}), "encode": ({"audio": 0}, {"code": 1})},
    )
    audio, note = Port(name="audio", shape=(1, 8), dtype="float32"), Port(name="note", shape=(1, 2, 4), dtype="float32")
    count, code = Port(name="count", shape=(1,), dtype="int64"), Port(name="code", shape=(1, 2, 4), dtype="float32")
    assert read_signatures(path) == (
        Signature(name="serving_default", inputs=(audio,), outputs=(note, count)),
        Signature(name="encode", inputs=(audio,), outputs=(code,)),
    )


def test_without_a_signature_the_tensors_names_are_all_there_is(tmp_path: Path) -> None:
    (found,) = read_signatures(write(tmp_path / "x.tflite", [tensor("in_0", [4]), tensor("out_0", [2])], {}))
    assert found.name is None
    assert [port.name for port in (*found.inputs, *found.outputs)] == ["in_0", "out_0"]


def test_open_dimensions_are_none_even_where_the_file_also_holds_a_size(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", [tensor("x", [1, 1, 3], signature=[1, -1, 3])], {})
    assert read_signatures(path)[0].inputs[0].shape == (1, None, 3)


@pytest.mark.parametrize(
    ("scales", "zero_point", "note"),
    [
        ((), 0, ""),
        ((0.0078125,), -5, "value = 0.0078125 × (integer − -5)"),
        ((0.5, 0.25), 0, "quantised, 2 scales"),
    ],
)
def test_quantisation_is_noted(tmp_path: Path, scales: tuple[float, ...], zero_point: int, note: str) -> None:
    path = write(tmp_path / "x.tflite", [tensor("x", [1, 2], "INT8", scales=scales, zero_point=zero_point)], {})
    assert read_signatures(path)[0].inputs[0].note == note


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "not a TFLite model: bytes 4 to 8 are b''"),
        (lambda data: data[:4] + b"TFL9" + data[8:], "not a TFLite model: bytes 4 to 8 are b'TFL9'"),
        (lambda data: data[: len(data) // 2], "damaged TFLite model, its signatures cannot be read"),
    ],
)
def test_damage_is_one_message(tmp_path: Path, spoil: Any, message: str) -> None:
    path = write(tmp_path / "x.tflite", [tensor("x", [1])], {"serving_default": ({"x": 0}, {"x": 0})})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(EvaluationError) as caught:
        read_signatures(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_signature_that_names_a_tensor_outside_the_graph_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", [tensor("x", [1])], {"serving_default": ({"x": 99}, {"x": 0})})
    with pytest.raises(EvaluationError, match="damaged TFLite model"):
        read_signatures(path)


def test_variables_of_both_kinds_are_states(tmp_path: Path) -> None:
    from tests.testpress.tiny_tflite import Writer

    w = Writer()
    x, kept = w.tensor("x", (1, 4)), w.tensor("kept", (1, 4))
    w.graph.tensors[kept].isVariable = True
    options = schema.VarHandleOptionsT()
    options.sharedName = "cache"
    handle, value, y = w.tensor("handle", (), "RESOURCE"), w.tensor("value", (1, 2, 3)), w.tensor("y", (1, 4))
    w.op("VAR_HANDLE", [], [handle], options=options)
    w.op("READ_VARIABLE", [handle], [value])
    w.op("ADD", [x, kept], [y])
    (found,) = read_signatures(w.write(tmp_path / "m.tflite", [x], [y]))
    assert [(state.name, state.shape) for state in found.states] == [("kept", (1, 4)), ("cache", (1, 2, 3))]
    assert {state.note for state in found.states} == {"a variable, which the model keeps from call to call"}


def test_without_the_schemas_reader_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.tflite", [tensor("x", [1])], {})
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.delitem(sys.modules, "ai_edge_litert.schema_py_generated")
    with pytest.raises(EvaluationError, match=r"pip install 'testpress\[tflite\]'"):
        read_signatures(path)


@pytest.mark.coreml
@pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools' message classes")
class TestCoreML:
    @staticmethod
    def write(path: Path, fill: Any) -> Path:
        from evaluators.emulators.coreml.protobuf import load_schema

        model = load_schema().model.Model()
        model.specificationVersion = 8
        fill(model.description)
        path.write_bytes(model.SerializeToString())
        return path

    @staticmethod
    def array(feature: Any, name: str, shape: list[int]) -> Any:
        feature.name = name
        feature.type.multiArrayType.shape.extend(shape)
        feature.type.multiArrayType.dataType = 65568  # FLOAT32
        return feature.type.multiArrayType

    def test_a_range_of_shapes_is_open_and_its_limits_are_noted(self, tmp_path: Path) -> None:
        def fill(description: Any) -> None:
            array = self.array(description.input.add(), "audio", [1, 100])
            for low, high in ((1, 1), (50, -1)):
                bounds = array.shapeRange.sizeRanges.add()
                bounds.lowerBound, bounds.upperBound = low, high
            self.array(description.output.add(), "y", [1, 2])

        (found,) = read_signatures(self.write(tmp_path / "x.mlmodel", fill))
        assert found == Signature(
            name="main",
            inputs=(Port(name="audio", shape=(1, None), dtype="float32", note="default [1, 100]; allowed: [1, 50…]"),),
            outputs=(Port(name="y", shape=(1, 2), dtype="float32"),),
        )

    def test_a_list_of_shapes_and_a_default_are_noted(self, tmp_path: Path) -> None:
        def fill(description: Any) -> None:
            feature = description.input.add()
            array = self.array(feature, "audio", [1, 100])
            for shape in ([1, 100], [1, 200]):
                array.enumeratedShapes.shapes.add().shape.extend(shape)
            array.floatDefaultValue = 0.5
            feature.type.isOptional = True

        (port,) = read_signatures(self.write(tmp_path / "x.mlmodel", fill))[0].inputs
        assert port.shape == (1, None)
        assert port.note == "default [1, 100]; allowed: one of [1, 100], [1, 200]; optional, default 0.5"

    def test_every_function_is_a_signature(self, tmp_path: Path) -> None:
        def fill(description: Any) -> None:
            for name, size in (("encode", 3), ("decode", 4)):
                function = description.functions.add()
                function.name = name
                self.array(function.input.add(), "x", [size])
                state = function.state.add()
                state.name = "memory"
                state.type.stateType.arrayType.shape.extend([7])
                state.type.stateType.arrayType.dataType = 65552  # FLOAT16

        found = read_signatures(self.write(tmp_path / "x.mlmodel", fill))
        memory = (Port(name="memory", shape=(7,), dtype="float16"),)
        assert [(s.name, s.inputs[0].shape, s.states) for s in found] == [
            ("encode", (3,), memory), ("decode", (4,), memory),
        ]  # fmt: skip

    def test_an_image_says_its_colours_and_size(self, tmp_path: Path) -> None:
        def fill(description: Any) -> None:
            feature = description.input.add()
            feature.name = "photo"
            image = feature.type.imageType
            image.width, image.height, image.colorSpace = 8, 6, 20  # RGB

        (port,) = read_signatures(self.write(tmp_path / "x.mlmodel", fill))[0].inputs
        assert (port.dtype, port.shape) == ("image RGB", (1, 3, 6, 8))

    def test_a_kind_no_program_takes_is_named(self, tmp_path: Path) -> None:
        def fill(description: Any) -> None:
            feature = description.input.add()
            feature.name = "words"
            feature.type.stringType.SetInParent()

        with pytest.raises(EvaluationError, match="feature 'words' is of kind string"):
            read_signatures(self.write(tmp_path / "x.mlmodel", fill))

"""Floors: against what converters wrote into real files, and against tiny models built with the schema's own writer."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.profile import DeviceProfile, profile_ids, read_profile
from packager.bundle import Floor
from packager.errors import PackagingError
from packager.floors import meets
from packager.formats.coreml.floor import IOS_OF_SPECIFICATION, coreml_floor
from packager.formats.tflite.floor import TFLITE_OF_LITERT, on_tflite_scale, tflite_floor
from packager.formats.tflite.op_versions import read_op_versions, runtime_table
from packager.versions import version_key

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

pytestmark = pytest.mark.tflite


def build_model(ops: list[dict[str, Any]]) -> bytes:
    """A TFLite model of one subgraph: each op has a name, a version and the types and scales of its tensors."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "test"
    model.operatorCodes, model.buffers, model.subgraphs = [], [schema.BufferT()], [graph]
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
    for op in ops:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, op["name"]) if isinstance(op["name"], str) else op["name"]
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version, code.customCode = op.get("version", 1), op.get("custom")
        model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = op.get("opcode_index", len(model.operatorCodes) - 1)
        operator.inputs = [add_tensor(graph, *tensor) for tensor in op.get("inputs", [("float32", 0)])]
        operator.outputs = [add_tensor(graph, *tensor) for tensor in op.get("outputs", [("float32", 0)])]
        graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def add_tensor(graph: Any, type_: str, scales: int) -> int:
    tensor = schema.TensorT()
    tensor.type, tensor.shape, tensor.buffer = getattr(schema.TensorType, type_.upper()), [1], 0
    if scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5] * scales, [0] * scales
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def basic_pitch_model() -> bytes:
    found = importlib.util.find_spec("basic_pitch")
    path = Path(found.origin).parent / "saved_models/icassp_2022/nmp.tflite" if found and found.origin else None
    if path is None or not path.is_file():
        pytest.skip("the basic_pitch package's nmp.tflite is not installed")
    return path.read_bytes()


def stated_minimum(model_bytes: bytes) -> str:
    """The converter's own answer: the metadata entry min_runtime_version."""
    model = schema.Model.GetRootAs(model_bytes, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == b"min_runtime_version":
            return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).rstrip(b"\0").decode()
    raise AssertionError("the model has no min_runtime_version")


def android(name: str, version: str) -> DeviceProfile:
    profile = read_profile("pixel-8")
    first = profile.runtimes[0]
    release = first.version.model_copy(update={"value": version})
    return profile.model_copy(update={"runtimes": (first.model_copy(update={"name": name, "version": release}),)})


def test_basic_pitch_agrees_with_its_converter() -> None:
    model = basic_pitch_model()
    floor = tflite_floor(model)
    assert floor.minimum_runtime == f"TFLite {stated_minimum(model)}" == "TFLite 2.2.0"
    assert floor.because == "SELECT_V2 version 1 needs 2.2.0"
    assert (floor.platform, floor.minimum_os) == (None, None)


@pytest.mark.parametrize("id_", [id_ for id_ in profile_ids() if read_profile(id_).platform == "android"])
def test_basic_pitch_runs_on_every_android_profile(id_: str) -> None:
    assert meets(tflite_floor(basic_pitch_model()), read_profile(id_), "tflite")[0]


@pytest.mark.parametrize(
    ("ops", "runtime", "because"),
    [
        ([("FULLY_CONNECTED", 12)], "TFLite 2.17.0", "FULLY_CONNECTED version 12 needs 2.17.0"),
        ([("ADD", 1), ("FULLY_CONNECTED", 12), ("MUL", 3)], "TFLite 2.17.0", "FULLY_CONNECTED version 12 needs 2.17.0"),
        # 1.14.0 is later than 1.5.0 though smaller as text
        ([("ADD", 1), ("ADD_N", 1)], "TFLite 1.14.0", "ADD_N version 1 needs 1.14.0"),
        # beyond 127 only the later of the two code fields can hold the op's number
        ([("GELU", 1)], "TFLite 2.9.0", "GELU version 1 needs 2.9.0"),
    ],
)
def test_highest_op_is_the_floor(ops: list[tuple[str, int]], runtime: str, because: str) -> None:
    floor = tflite_floor(build_model([{"name": name, "version": version} for name, version in ops]))
    assert (floor.minimum_runtime, floor.because) == (runtime, because)


F, I8, I8S, I16, I4 = ("float32", 0), ("int8", 1), ("int8", 4), ("int16", 1), ("int4", 1)


# What types demand, from the versioning rules of the TFLite converter; every file below states version 1.
@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "version", "runtime"),
    [
        ("CONV_2D", [F, F, F], [F], 1, "1.5.0"),
        ("CONV_2D", [F, I8, F], [F], 2, "1.14.0"),
        ("CONV_2D", [F, I8S, F], [F], 5, "2.4.0"),
        ("CONV_2D", [I8, I8S, ("int32", 4)], [I8], 3, "1.14.0"),
        ("CONV_2D", [I8, I4, F], [I8], 7, "2.11.0"),
        ("DEPTHWISE_CONV_2D", [F, I8S, F], [F], 6, "2.3.0"),
        ("FULLY_CONNECTED", [F, I8S, F], [F], 12, "2.17.0"),
        ("FULLY_CONNECTED", [I16, I4, F], [I16], 13, "2.18.0"),
        ("DEQUANTIZE", [("float16", 0)], [F], 3, "1.15.0"),
        ("DEQUANTIZE", [I8S], [F], 5, "2.7.0"),
        ("QUANTIZE", [F], [I16], 2, "1.15.0"),
        ("ADD", [I16, I16], [I16], 3, "2.4.0"),
        ("LSTM", [F, F, I8], [F], 3, "1.14.0"),
        ("RESHAPE", [I8], [I8], 1, "1.5.0"),
    ],
)
def test_types_raise_the_floor(op: str, inputs: list[Any], outputs: list[Any], version: int, runtime: str) -> None:
    model = build_model([{"name": op, "inputs": inputs, "outputs": outputs}])
    found = read_op_versions(model)[0]
    assert (found.op, found.version, found.stated) == (op, version, 1)
    floor = tflite_floor(model)
    assert floor.minimum_runtime == f"TFLite {runtime}"
    assert ("by its types; the file states 1" in floor.because) == (version > 1)


def test_types_never_lower_a_stated_version() -> None:
    found = read_op_versions(build_model([{"name": "CONV_2D", "version": 8, "inputs": [F, I8, F]}]))
    assert found[0].version == 8


def test_optional_input_is_no_type() -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(build_model([{"name": "LSTM", "inputs": [F, F, I8]}]), 0))
    model.subgraphs[0].operators[0].inputs = [0, -1, -1]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    assert read_op_versions(bytes(builder.Output()))[0].version == 1


def test_extra_kernels_are_named() -> None:
    ops = [
        {"name": "ADD"},
        {"name": "CUSTOM", "custom": "FlexErf"},
        {"name": "CUSTOM", "custom": "BeatTracker"},
        {"name": "CUSTOM", "custom": "FlexErf"},
    ]
    floor = tflite_floor(build_model(ops))
    assert floor.minimum_runtime == "TFLite 1.5.0"
    assert floor.because == (
        "ADD version 1 needs 1.5.0; FlexErf: the app must also ship the Select TensorFlow ops library; "
        "BeatTracker: custom, the app must bring their kernels"
    )


def test_version_unknown_to_the_table_is_told() -> None:
    floor = tflite_floor(build_model([{"name": "ADD"}, {"name": "MUL", "version": 99}]))
    assert floor.minimum_runtime == "TFLite 1.5.0"
    assert floor.because.endswith("MUL version 99: not in the table of op versions, so the floor may be higher")


def test_model_of_custom_ops_alone_has_no_runtime_floor() -> None:
    floor = tflite_floor(build_model([{"name": "CUSTOM", "custom": "Mine"}]))
    assert floor.minimum_runtime is None
    assert "no builtin op" in floor.because
    assert meets(floor, read_profile("pixel-8"), "tflite")[0]


@pytest.mark.parametrize(
    ("model_bytes", "expected"),
    [
        (b"", r"not a TFLite model: bytes 4 to 8 are b''; right is b'TFL3'"),
        (b"PK\x03\x04 an archive", r"not a TFLite model: bytes 4 to 8 are b' an '"),
        (b"\xff\xff\xff\x7fTFL3", r"the TFLite model is damaged: its ops cannot be read"),
        (build_model([{"name": "ADD"}])[:64], r"the TFLite model is damaged"),
        (build_model([{"name": 5000}]), r"operator code 0 of the TFLite model is 5000, which the schema does not know"),
        (build_model([{"name": "ADD", "opcode_index": 7}]), r"names operator code 7; right is 0 to 0"),
    ],
)
def test_damaged_model_is_refused(model_bytes: bytes, expected: str) -> None:
    with pytest.raises(PackagingError) as caught:
        tflite_floor(model_bytes)
    assert expected in str(caught.value)


SMALL = build_model([{"name": "CONV_2D", "inputs": [F, I8S, F]}, {"name": "CUSTOM", "custom": "FlexErf"}])


@given(st.lists(st.tuples(st.integers(8, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_corrupted_bytes_never_crash(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(SMALL)
    for position, value in changes:
        damaged[position] = value
    try:
        floor = tflite_floor(bytes(damaged))
    except PackagingError as fault:
        assert str(fault)
    else:
        assert floor.because


def test_tables_speak_the_schemas_names() -> None:
    names = {name for name in vars(schema.BuiltinOperator) if not name.startswith("_")}
    table = runtime_table()
    assert {op for op, _ in table} <= names
    assert len(table) == 426  # entries of the source at the commit its header names
    assert all(version_key(minimum) >= (1, 5) for minimum in table.values())


def test_a_later_version_never_needs_an_earlier_runtime() -> None:
    table = runtime_table()
    pairs = [(name, table[name], table[name[0], name[1] + 1]) for name in table if (name[0], name[1] + 1) in table]
    assert len(pairs) > 100
    for name, minimum, following in pairs:
        assert version_key(following) >= version_key(minimum), name


@pytest.mark.parametrize(
    ("specification", "opset", "minimum_os", "because"),
    [
        (4, None, "iOS13", "specification version 4 came with iOS 13"),
        (5, None, "iOS14", "specification version 5 came with iOS 14"),
        (6, None, "iOS15", "specification version 6 came with iOS 15"),
        (7, "CoreML6", "iOS16", "specification version 7 came with iOS 16"),
        (8, "CoreML5", "iOS17", "specification version 8 came with iOS 17"),
        (7, "CoreML8", "iOS18", "op set CoreML8 came with iOS 18"),
        (9, None, "iOS18", "specification version 9 came with iOS 18"),
        (2, None, "iOS11.2", "specification version 2 came with iOS 11.2"),
    ],
)
def test_coreml_floor(specification: int, opset: str | None, minimum_os: str, because: str) -> None:
    floor = coreml_floor(specification, opset=opset)
    assert floor == Floor(platform="ios", minimum_os=minimum_os, minimum_runtime=None, because=because)


@pytest.mark.parametrize(
    ("specification", "opset", "expected"),
    [
        (0, None, "Core ML specification version 0 is unknown; right is 1 to 10"),
        (11, None, "Core ML specification version 11 is unknown; right is 1 to 10"),
        (8, "CoreML99", "Core ML op set 'CoreML99' is unknown; right is one of CoreML5, "),
    ],
)
def test_unknown_coreml_version_is_refused(specification: int, opset: str | None, expected: str) -> None:
    with pytest.raises(PackagingError) as caught:
        coreml_floor(specification, opset=opset)
    assert expected in str(caught.value)


@pytest.mark.slow
@pytest.mark.coreml
def test_specification_versions_are_coremltools_own() -> None:
    coremltools = pytest.importorskip("coremltools")
    own = {target.name: int(target.value) for target in coremltools.target if target.name.startswith("iOS")}
    mine = {f"iOS{release}": version for version, release in IOS_OF_SPECIFICATION.items() if version >= 4}
    assert {name: own[name] for name in mine} == mine


@pytest.mark.parametrize(
    ("device", "specification", "good", "sentence"),
    [
        (
            "iphone-12",
            6,
            True,
            "iPhone 12 with iOS 15 meets the floor of iOS 15: specification version 6 came with iOS 15",
        ),
        (
            "iphone-12",
            7,
            False,
            "iPhone 12 with iOS 15 does not meet the floor of iOS 16: specification version 7 came with iOS 16",
        ),
        ("iphone-16-pro", 8, True, "iPhone 16 Pro with iOS 18 meets the floor of iOS 17: "),
        ("pixel-8", 7, False, "Pixel 8's apps carry LiteRT; the model is for Core ML"),
    ],
)
def test_meets_ios(device: str, specification: int, good: bool, sentence: str) -> None:
    verdict, reason = meets(coreml_floor(specification), read_profile(device), "coreml")
    assert verdict is good
    assert reason.startswith(sentence)


@pytest.mark.parametrize(
    ("runtime", "version", "good", "sentence"),
    [
        ("TFLite", "2.17.0", True, "Pixel 8 with TFLite 2.17.0 meets the floor of TFLite 2.17.0: FULLY_CONNECTED"),
        ("TFLite", "2.17", True, "Pixel 8 with TFLite 2.17 meets"),
        ("TFLite", "2.16.1", False, "Pixel 8 with TFLite 2.16.1 does not meet the floor of TFLite 2.17.0: "),
        ("TFLite", "2.9.0", False, "Pixel 8 with TFLite 2.9.0 does not meet"),
        ("LiteRT", "1.0.1", True, "Pixel 8 with LiteRT 1.0.1 (ops of TFLite 2.17.0) meets the floor of TFLite 2.17.0"),
        ("LiteRT", "2.3.0", True, "Pixel 8 with LiteRT 2.3.0 (ops of TFLite 2.21.0) meets"),
    ],
)
def test_meets_android(runtime: str, version: str, good: bool, sentence: str) -> None:
    floor = tflite_floor(build_model([{"name": "FULLY_CONNECTED", "version": 12}]))
    verdict, reason = meets(floor, android(runtime, version), "tflite")
    assert verdict is good
    assert reason.startswith(sentence)


def test_an_iphones_apps_carry_a_tflite_runtime_too() -> None:
    verdict, reason = meets(tflite_floor(build_model([{"name": "ADD"}])), read_profile("iphone-12"), "tflite")
    assert verdict
    assert reason.startswith("iPhone 12 with TFLite 2.17.0 meets the floor of TFLite 1.5.0")


# 2.4.0 of the runtime's own count holds what 2.21.0 of TensorFlow's did: the two scales must not be mixed.
@pytest.mark.parametrize(("version", "expected"), [("1.1.2", "2.17.0"), ("1.4.2", "2.19.0"), ("2.4.0", "2.21.0")])
def test_litert_on_tflite_scale(version: str, expected: str) -> None:
    assert on_tflite_scale(android("LiteRT", version).runtimes[0]) == expected
    assert [version_key(a) for a, _ in TFLITE_OF_LITERT] == sorted(version_key(a) for a, _ in TFLITE_OF_LITERT)


def test_litert_before_the_first_is_refused() -> None:
    with pytest.raises(PackagingError, match=r"runtime LiteRT 0\.9 has no place among TFLite's"):
        on_tflite_scale(android("LiteRT", "0.9").runtimes[0])


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_versions_compare_as_numbers(left: list[int], right: list[int]) -> None:
    size = max(len(left), len(right))
    padded_left, padded_right = left + [0] * (size - len(left)), right + [0] * (size - len(right))
    by_key = version_key(".".join(map(str, left))) < version_key(".".join(map(str, right)))
    assert by_key == (padded_left < padded_right)

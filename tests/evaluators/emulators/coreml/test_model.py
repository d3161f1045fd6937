from __future__ import annotations

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

from .programs import Blob, Op, Program, gain, leave_open, weight_file, write_package

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def halves() -> Program:
    """`y = (x · 3) + 1` in float16, between casts."""
    return Program(
        [
            Op("cast", {"x": "x", "dtype": [_text("fp16")]}, "x_to_fp16", "float16", (2, 3)),
            Op("mul", {"x": "x_to_fp16", "y": np.float16(3)}, "m_cast_fp16", "float16", (2, 3)),
            Op("add", {"x": "m_cast_fp16", "y": np.float16(1)}, "a_cast_fp16", "float16", (2, 3)),
            Op("cast", {"x": "a_cast_fp16", "dtype": [_text("fp32")]}, "y", "float32", (2, 3)),
        ],
        {"y": ("float32", (2, 3))},
    )


def _text(value: str) -> Any:
    from .programs import Text

    return Text(value)


def load(tmp_path: Path, program: Any = None, **options: Any) -> CoreMLModel:
    return CoreMLModel(write_package(tmp_path, gain() if program is None else program), **options)


def test_a_model_runs_and_tells_its_contract(tmp_path: Path) -> None:
    model = load(tmp_path)
    np.testing.assert_array_equal(model.predict({"x": X})["y"], 2 * X)
    assert {name: (f.shape, f.dtype.name) for name, f in model.inputs.items()} == {"x": ((2, 3), "float32")}
    assert {name: (f.shape, f.dtype.name) for name, f in model.outputs.items()} == {"y": ((2, 3), "float32")}


def test_an_mlmodel_file_runs(tmp_path: Path) -> None:
    path = tmp_path / "gain.mlmodel"
    path.write_bytes(gain(3.0).message().SerializeToString())
    np.testing.assert_array_equal(CoreMLModel(str(path)).predict({"x": X})["y"], 3 * X)


@pytest.mark.parametrize(
    "given_array",
    [X.astype(np.float64), X.astype(np.float16), np.asfortranarray(X), X[::-1][::-1], np.broadcast_to(X[:1], (2, 3))],
    ids=["float64", "float16", "fortran", "reversed twice", "broadcast, read-only"],
)
def test_any_layout_and_width_of_floats_is_taken(tmp_path: Path, given_array: np.ndarray) -> None:
    before = given_array.copy()
    output = load(tmp_path).predict({"x": given_array})["y"]
    np.testing.assert_array_equal(output, 2 * before)
    assert output.dtype == np.float32
    np.testing.assert_array_equal(given_array, before)


def test_a_reversed_view_is_read_in_its_order(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load(tmp_path).predict({"x": X[::-1, ::-1]})["y"], 2 * X[::-1, ::-1])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"input 'x' is missing \(float32 \[2, 3\]\)"),
        ({"x": X, "z": X}, "has no input 'z'; its inputs: x"),
        ({"xx": X}, "has no input 'xx'"),
        ({"x": X.T}, r"input 'x': has shape \[3, 2\], expected \[2, 3\]"),
        ({"x": X.astype(np.int16)}, "input 'x': has dtype int16, expected float32"),
        ({"x": X.astype(np.complex64)}, "input 'x': has dtype complex64, expected float32"),
        ({"x": np.full((2, 3), "1")}, "expected float32"),
    ],
)
def test_bad_inputs_are_named(tmp_path: Path, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        load(tmp_path).predict(inputs)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**40, "values that are no int32: 1099511627776"),
        (-(2.0**31) - 1, "has float64 values that are no int32: -2147483649.0"),
        (float("nan"), "has float64 values that are no int32: nan"),
        (float("inf"), "has float64 values that are no int32: inf"),
    ],
)
def test_an_integer_input_takes_what_is_in_its_range(tmp_path: Path, value: float, message: str) -> None:
    shape = {"x": ("int32", (1,))}
    model = load(tmp_path, Program([Op("add", {"x": "x", "y": 1}, "y", "int32", (1,))], {"y": ("int32", (1,))}, shape))
    for number, taken in ((3.0, 3), (3.9, 3), (-3.9, -3), (-0.5, 0)):
        assert model.predict({"x": np.array([number])})["y"].tolist() == [taken + 1]
    assert model.predict({"x": np.array([2**31 - 2])})["y"].tolist() == [2**31 - 1]
    with pytest.raises(EvaluationError, match=message):
        model.predict({"x": np.array([value])})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute_units": "TPU"}, "compute units 'TPU' are unknown; one of ALL"),
        ({"threads": 0}, "threads is 0; expected at least 1"),
        ({"function_name": "other"}, "has no function 'other'; it has: main"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        load(tmp_path, **options)


def test_outputs_have_memory_of_their_own(tmp_path: Path) -> None:
    program = Program(
        [
            Op("identity", {"x": "x"}, "a", shape=(2, 3)),
            Op("reshape", {"x": "a", "shape": np.array([3, 2])}, "b", shape=(3, 2)),
            Op("const", {"val": X}, "c", shape=(2, 3)),
        ],
        {"a": ("float32", (2, 3)), "b": ("float32", (3, 2)), "c": ("float32", (2, 3))},
    )
    model, given_array = load(tmp_path, program), X.copy()
    first = model.predict({"x": given_array})
    for array in first.values():
        array += 1
    np.testing.assert_array_equal(given_array, X)
    assert all(np.array_equal(v.ravel(), X.ravel()) for v in model.predict({"x": given_array}).values())
    np.testing.assert_array_equal(first["a"], X + 1)
    np.testing.assert_array_equal(first["b"].ravel(), X.ravel() + 1)


def test_float16_ops_round_each_result(tmp_path: Path) -> None:
    x = np.array([[0.1, 2049, 21845, 1e-8, 70000, -3]], np.float32).reshape(2, 3)
    with np.errstate(over="ignore"):
        expected = ((x.astype(np.float16) * np.float16(3)) + np.float16(1)).astype(np.float32)
    output = load(tmp_path, halves()).predict({"x": x})["y"]
    np.testing.assert_array_equal(output, expected)
    assert np.isinf(output).any()


def test_an_observer_sees_every_op_in_order(tmp_path: Path) -> None:
    model, seen = load(tmp_path, halves()), []
    output = model.run(
        {"x": X}, lambda op, value: seen.append((op.index, op.kind, op.name, op.output, op.dtype, value))
    )
    assert [entry[:5] for entry in seen] == [
        (0, "cast", "op_x_to_fp16", "x_to_fp16", "float16"),
        (1, "mul", "op_m_cast_fp16", "m_cast_fp16", "float16"),
        (2, "add", "op_a_cast_fp16", "a_cast_fp16", "float16"),
        (3, "cast", "op_y", "y", "float32"),
    ]
    np.testing.assert_array_equal(seen[1][5].numpy(), 3 * X)
    np.testing.assert_array_equal(output["y"], model.predict({"x": X})["y"])


def test_what_an_observer_returns_takes_the_values_place_unrounded(tmp_path: Path) -> None:
    def replace(op: Any, value: Any) -> Any:
        return (
            value * 0 + 1e-10
            if op.output == "m_cast_fp16"
            else value * 0 + 1e-9
            if op.output == "a_cast_fp16"
            else None
        )

    model = load(tmp_path, halves())
    np.testing.assert_allclose(model.run({"x": X}, replace)["y"], 1e-9, rtol=1e-6)
    np.testing.assert_array_equal(model.run({"x": X})["y"], 3 * X + 1)


def test_threads_are_set_for_the_run_only(tmp_path: Path) -> None:
    import torch

    before, during = torch.get_num_threads(), []
    load(tmp_path, threads=1).run({"x": X}, lambda op, value: during.append(torch.get_num_threads()))
    assert during == [1]
    assert torch.get_num_threads() == before


def stateful() -> Program:
    ops = [
        Op("read_state", {"input": "total"}, "old", "float16", (3,)),
        Op("add", {"x": "old", "y": "x"}, "new", "float16", (3,)),
        Op("write_state", {"input": "total", "data": "new"}, ""),
        Op("read_state", {"input": "total"}, "y", "float16", (3,)),
    ]
    half = ("float16", (3,))
    return Program(ops, {"y": half}, {"x": half}, "CoreML8", {"total": half})


def test_state_lives_on_between_calls_and_not_between_streams(tmp_path: Path) -> None:
    model, x = load(tmp_path, stateful()), np.array([1, 2, 3], np.float16)
    state, other = model.make_state(), model.make_state()
    assert [model.predict({"x": x}, state)["y"].tolist() for _ in range(2)] == [[1, 2, 3], [2, 4, 6]]
    assert model.predict({"x": x}, other)["y"].tolist() == [1, 2, 3]
    assert state.read("total").tolist() == [2, 4, 6]
    state.write("total", np.full(3, 0.1, np.float32))
    assert model.predict({"x": x * 0}, state)["y"].tolist() == [np.float16(0.1)] * 3
    with pytest.raises(EvaluationError, match="there is no state 'sum'; the states are: total"):
        state.read("sum")
    with pytest.raises(EvaluationError, match=r"input 'total': has shape \[2\], expected \[3\]"):
        state.write("total", np.zeros(2, np.float16))
    with pytest.raises(EvaluationError, match=r"needs a state from make_state\(\)"):
        model.predict({"x": x})


def test_a_model_without_state_makes_none(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="function 'main' has no state"):
        load(tmp_path).make_state()


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    message = load_schema().model.Model()
    message.neuralNetwork.SetInParent()
    with pytest.raises(EvaluationError, match="holds a model of type neuralNetwork; the emulator runs mlProgram"):
        load(tmp_path, message)
    empty = load_schema().model.Model()
    with pytest.raises(EvaluationError, match="holds a model of type None"):
        CoreMLModel(write_package(tmp_path, empty, name="empty.mlpackage"))


def test_an_input_of_another_kind_is_named(tmp_path: Path) -> None:
    message = gain().message()
    message.description.input[0].type.stringType.SetInParent()
    with pytest.raises(EvaluationError, match="feature 'x' is of kind string; an ML Program's inputs are"):
        load(tmp_path, message)


def test_flexible_shapes_are_checked(tmp_path: Path) -> None:
    message = leave_open(gain().message())
    ranges = message.description.input[0].type.multiArrayType.shapeRange.sizeRanges
    for low, high in ((1, 4), (3, -1)):
        size = ranges.add()
        size.lowerBound, size.upperBound = low, high
    model = load(tmp_path, message)
    assert model.predict({"x": np.ones((4, 9), np.float32)})["y"].shape == (4, 9)
    with pytest.raises(EvaluationError, match=r"has shape \[5, 3\], expected \[1…4, 3…\]"):
        model.predict({"x": np.ones((5, 3), np.float32)})


def test_listed_shapes_are_checked(tmp_path: Path) -> None:
    message = leave_open(gain().message())
    shapes = message.description.input[0].type.multiArrayType.enumeratedShapes.shapes
    for shape in ((2, 3), (2, 5)):
        shapes.add().shape.extend(shape)
    model = load(tmp_path, message)
    assert model.predict({"x": np.ones((2, 5), np.float32)})["y"].shape == (2, 5)
    with pytest.raises(EvaluationError, match=r"expected one of \[2, 3\], \[2, 5\]"):
        model.predict({"x": np.ones((2, 4), np.float32)})


def test_an_optional_input_has_its_default(tmp_path: Path) -> None:
    message = gain().message()
    message.description.input[0].type.isOptional = True
    message.description.input[0].type.multiArrayType.floatDefaultValue = 1.5
    np.testing.assert_array_equal(load(tmp_path, message).predict({})["y"], np.full((2, 3), 3.0))


def test_weights_come_from_the_weight_file(tmp_path: Path) -> None:
    weights = np.array([1, 10, 100], np.float16)
    ops = [
        Op("const", {"val": Blob("float16", (3,))}, "w", "float16", (3,)),
        Op("mul", {"x": "x", "y": "w"}, "y", "float32", (2, 3)),
    ]
    program = Program(ops, {"y": ("float32", (2, 3))})
    package = write_package(tmp_path, program, weight_file(weights.tobytes(), 1))
    np.testing.assert_array_equal(CoreMLModel(package).predict({"x": X})["y"], X * weights)
    (package / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").unlink()
    with pytest.raises(EvaluationError, match=r"op 0 const \(w\): .*weight file is missing"):
        CoreMLModel(package)


@pytest.mark.parametrize("data", [b"\xff" * 20, b"not a model at all", b"\x0a\xff\xff\xff\xff\x0f"])
def test_malformed_protobuf_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(
        EvaluationError, match=r"model\.mlmodel: not a Core ML specification|holds a model of type None"
    ):
        load(tmp_path, data)


GOOD = halves().message().SerializeToString()


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_damaged_bytes_run_or_are_refused(tmp_path: Path, changes: list[tuple[int, int]], cut: bool) -> None:
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    path = tmp_path / "damaged.mlmodel"
    path.write_bytes(bytes(data[: changes[0][0]] if cut else data))
    try:
        CoreMLModel(path).predict({"x": X})
    except EvaluationError as error:
        assert str(error)


def run_python(code: str) -> str:
    root = str(Path(__file__).parents[4])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_no_framework() -> None:
    code = (
        "import sys; from evaluators.emulators.coreml import CoreMLModel;"
        "print([m for m in ('torch', 'coremltools', 'google.protobuf') if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


@pytest.mark.slow
def test_running_does_not_import_coremltools(tmp_path: Path) -> None:
    package = write_package(tmp_path, gain())
    code = (
        "import sys, numpy as np; from evaluators.emulators.coreml import CoreMLModel;"
        f"y = CoreMLModel({str(package)!r}).predict({{'x': np.ones((2, 3), np.float32)}})['y'];"
        "print(float(y.sum()), 'coremltools' in sys.modules)"
    )
    assert run_python(code).split() == ["12.0", "False"]


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.parametrize("first", ["coremltools", "emulator"])
def test_coremltools_and_the_emulator_share_a_process(tmp_path: Path, first: str) -> None:
    package = write_package(tmp_path, gain())
    emulate = (
        "from evaluators.emulators.coreml import CoreMLModel\n"
        f"y = CoreMLModel({str(package)!r}).predict({{'x': np.ones((2, 3), np.float32)}})['y']\n"
    )
    convert = f"import coremltools as ct\nspec = ct.utils.load_spec({str(package)!r})\n"
    order = convert + emulate if first == "coremltools" else emulate + convert
    code = f"import numpy as np\n{order}print(float(y.sum()), spec.WhichOneof('Type'), ct.proto.MIL_pb2.FLOAT16)"
    assert run_python(code).split()[-3:] == ["12.0", "mlProgram", "10"]

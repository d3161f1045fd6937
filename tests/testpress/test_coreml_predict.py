from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import testpress
from testpress.coreml_predict import EMULATED_MACOS
from tests.specimens import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
]

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def ct() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
        return pytest.importorskip("coremltools")


@pytest.fixture
def enabled(ct: Any) -> Iterator[Any]:
    with testpress.enable_coreml_predict(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield ct


def _convert(ct: Any, program: Any, **options: Any) -> Any:
    """Without coremltools' passes, which would fold and fuse what is tested."""
    target = options.pop("target", ct.target.iOS18)
    return ct.convert(program, convert_to="mlprogram", minimum_deployment_target=target, **options)


def _gain(ct: Any, factor: float = 2.0, *, precision: str = "FLOAT32", shape: tuple[int, ...] = (2, 3)) -> Any:
    from coremltools.converters.mil.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec(shape=shape)], opset_version=ct.target.iOS18)
    def program(x: Any) -> Any:
        return mb.mul(x=x, y=np.float32(factor), name="y")

    return _convert(ct, program, compute_precision=getattr(ct.precision, precision))


def _counter(ct: Any) -> Any:
    """`y = state += x`."""
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import types

    @mb.program(
        input_specs=[mb.TensorSpec((3,), dtype=types.fp16), mb.StateTensorSpec((3,), dtype=types.fp16)],
        opset_version=ct.target.iOS18,
    )
    def program(x: Any, total: Any) -> Any:
        before = mb.read_state(input=total)
        return mb.coreml_update_state(state=total, value=mb.add(x=before, y=x), name="y")

    return _convert(ct, program)


ORDER = """
import warnings
warnings.simplefilter("ignore")
{first}
import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb

@mb.program(input_specs=[mb.TensorSpec(shape=(2,))])
def program(x):
    return mb.add(x=x, y=np.float32(1), name="y")

{second}
model = ct.convert(program, convert_to="mlprogram")
print(model.predict({{"x": np.array([1, 2], np.float32)}})["y"].tolist())
handle.undo()
import sys
print("coremltools.libcoremlpython" in sys.modules, hasattr(ct, "libcoremlpython"))
try:
    ct.convert(program, convert_to="mlprogram").predict({{"x": np.zeros(2)}})
except Exception as fault:
    print(fault)
"""
ENABLE = "import testpress; handle = testpress.enable_coreml_predict()"


@pytest.mark.parametrize(("first", "second"), [(ENABLE, ""), ("", ENABLE)], ids=["before the import", "after it"])
def test_the_order_of_imports_does_not_matter(first: str, second: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ORDER.format(first=first, second=second))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.splitlines() == [
        "[2.0, 3.0]",
        "False False",
        "Model prediction is only supported on macOS version 10.13 or later.",
    ]
    assert ("Failed to load _MLModelProxy" in run.stderr) == (first == "")


def test_enabling_imports_nothing_heavy_before_it_is_called() -> None:
    code = "import sys, testpress; testpress.enable_coreml_predict; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {name.partition(".")[0] for name in run.stdout.split()} & {"coremltools", "torch", "numpy", "evaluators"}


def test_float32_and_float16_programs_predict(enabled: Any) -> None:
    exact = _gain(enabled, 0.1).predict({"x": X})["y"]
    np.testing.assert_array_equal(exact, X * np.float32(0.1))
    rounded = _gain(enabled, 0.1, precision="FLOAT16").predict({"x": X})["y"]
    np.testing.assert_array_equal(rounded, (X.astype(np.float16) * np.float16(0.1)).astype(np.float32))
    assert exact.dtype == rounded.dtype == np.float32


def test_float16_outputs_come_back_as_float32_as_from_core_ml(enabled: Any) -> None:
    model = _counter(enabled)
    assert model.get_spec().description.output[0].type.multiArrayType.dataType == 65552  # FLOAT16
    output = model.predict({"x": np.full(3, 0.1, np.float16)}, model.make_state())["y"]
    assert output.dtype == np.float32
    np.testing.assert_array_equal(output, np.float32(np.float16(0.1)))


def test_inputs_may_be_lists_tensors_and_other_widths(enabled: Any) -> None:
    import torch

    model = _gain(enabled)
    for given in (X.tolist(), torch.tensor(X), X.astype(np.float64), X.astype(np.float16)):
        np.testing.assert_array_equal(model.predict({"x": given})["y"], 2 * X)


def test_a_batch_is_a_list(enabled: Any) -> None:
    first, second = _gain(enabled).predict([{"x": X}, {"x": -X}])
    np.testing.assert_array_equal(first["y"], 2 * X)
    np.testing.assert_array_equal(second["y"], -2 * X)


def test_states_are_kept_apart_read_and_written(enabled: Any) -> None:
    model = _counter(enabled)
    one, other = model.make_state(), model.make_state()
    for _ in range(3):
        last = model.predict({"x": np.ones(3, np.float32)}, one)["y"]
    assert last.tolist() == [3, 3, 3]
    assert one.read_state("total").tolist() == [3, 3, 3]
    assert other.read_state("total").tolist() == [0, 0, 0]
    other.write_state("total", np.array([5, 6, 7], np.float16))
    assert model.predict({"x": np.ones(3, np.float32)}, other)["y"].tolist() == [6, 7, 8]
    with pytest.raises(RuntimeError, match="there is no state 'sum'; the states are: total"):
        one.read_state("sum")
    with pytest.raises(RuntimeError, match=r"has shape \[2\], expected \[3\]"):
        one.write_state("total", np.zeros(2, np.float16))


def test_a_model_with_state_needs_one(enabled: Any) -> None:
    with pytest.raises(RuntimeError, match=r"needs a state from make_state\(\)"):
        _counter(enabled).predict({"x": np.ones(3, np.float32)})
    with pytest.raises(RuntimeError, match="function 'main' has no state"):
        _gain(enabled).make_state()


@pytest.fixture(scope="module")
def two_functions(ct: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the functions `double`, the default, and `triple`."""
    folder = tmp_path_factory.mktemp("functions")
    description = ct.utils.MultiFunctionDescriptor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, factor in (("double", 2.0), ("triple", 3.0)):
            path = str(folder / f"{name}.mlpackage")
            _gain(ct, factor).save(path)
            description.add_function(path, src_function_name="main", target_function_name=name)
        description.default_function_name = "double"
        ct.utils.save_multifunction(description, str(folder / "both.mlpackage"))
    return folder / "both.mlpackage"


@pytest.mark.parametrize(("name", "factor"), [(None, 2), ("double", 2), ("triple", 3)])
def test_each_function_of_several_runs(enabled: Any, two_functions: Path, name: str | None, factor: int) -> None:
    model = enabled.models.MLModel(str(two_functions), function_name=name)
    np.testing.assert_array_equal(model.predict({"x": X})["y"], factor * X)
    compiled = enabled.models.CompiledMLModel(model.get_compiled_model_path(), function_name=name)
    np.testing.assert_array_equal(compiled.predict({"x": X})["y"], factor * X)


def test_an_unknown_function_is_named(enabled: Any, two_functions: Path) -> None:
    with (
        pytest.warns(RuntimeWarning, match="has no function 'half'; it has: double, triple"),
        pytest.raises(ValueError),
    ):
        enabled.models.MLModel(str(two_functions), function_name="half")


def test_wrong_inputs_are_told(enabled: Any) -> None:
    model = _gain(enabled)
    with pytest.raises(RuntimeError, match=r"^Unable to compute the prediction using ML Program .*has shape \[3, 2\]"):
        model.predict({"x": X.T})
    with pytest.raises(RuntimeError, match=r"input 'x' is missing \(float32 \[2, 3\]\)"):
        model.predict({})
    with pytest.raises(KeyError, match="does not match any of the model input name"):  # coremltools' own check
        model.predict({"z": X})
    with pytest.raises(RuntimeError, match=r"input 'x': has shape \[3\], expected \[2, 3\]"):
        model.predict([{"x": X}, {"x": X[0]}])


def test_a_model_that_cannot_run_warns_and_says_why_when_asked_to(enabled: Any) -> None:
    from coremltools.converters.mil.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec(shape=(2,))])
    def program(x: Any) -> Any:
        return mb.relu(x=x)

    reason = "holds a model of type neuralNetwork; the emulator runs mlProgram"
    with pytest.warns(RuntimeWarning, match=reason):
        model = enabled.convert(program, convert_to="neuralnetwork")
    assert model.get_spec().WhichOneof("Type") == "neuralNetwork"  # all else can be done with it
    with pytest.raises(RuntimeError, match=reason):
        model.predict({"x": np.zeros(2, np.float32)})


def test_models_compile_to_where_one_likes(enabled: Any, tmp_path: Path) -> None:
    ct = enabled
    model = _gain(ct)
    model.save(str(tmp_path / "gain.mlpackage"))
    target = str(tmp_path / "gain.mlmodelc")
    assert ct.utils.compile_model(str(tmp_path / "gain.mlpackage"), target) == target
    np.testing.assert_array_equal(ct.models.CompiledMLModel(target).predict({"x": X})["y"], 2 * X)
    asset = ct.models.model.MLModelAsset.from_path(target)
    np.testing.assert_array_equal(ct.models.CompiledMLModel.from_asset(asset).predict({"x": X})["y"], 2 * X)


def test_a_compiled_copy_lives_as_long_as_its_model(enabled: Any) -> None:
    model = _gain(enabled)
    path = Path(model.get_compiled_model_path())
    assert path.is_dir()
    assert path == Path(model.get_compiled_model_path())
    del model
    assert not path.exists()


def test_models_run_from_memory(enabled: Any) -> None:
    from coremltools.converters.mil.mil import Builder as mb

    weights = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(2, 30))])
    def program(x: Any) -> Any:
        return mb.linear(x=x, weight=weights, name="y")

    model = enabled.convert(program, convert_to="mlprogram", compute_precision=enabled.precision.FLOAT32)
    blob = (Path(model.weights_dir) / "weight.bin").read_bytes()
    asset = enabled.models.model.MLModelAsset.from_memory(
        model.get_spec().SerializeToString(), {"weights/weight.bin": blob}
    )
    x = np.ones((2, 30), np.float32)
    output = enabled.models.CompiledMLModel.from_asset(asset).predict({"x": x})["y"]
    np.testing.assert_allclose(output, x @ weights.T, rtol=1e-5)  # sums of 30 floats in another order
    with pytest.raises(RuntimeError, match="lies outside the model"):
        enabled.models.model.MLModelAsset.from_memory(b"", {"../weight.bin": blob})


def test_what_core_ml_compiled_is_refused(enabled: Any, tmp_path: Path) -> None:
    (tmp_path / "apple.mlmodelc").mkdir()
    (tmp_path / "apple.mlmodelc" / "coremldata.bin").write_bytes(b"")
    with pytest.raises(RuntimeError, match="compiled by Core ML, which the emulator cannot read"):
        enabled.models.CompiledMLModel(str(tmp_path / "apple.mlmodelc"))


@pytest.mark.parametrize("subject", ["MLComputePlan", "MLModelStructure", "MLComputeDevice"])
def test_what_only_core_ml_knows_is_refused(enabled: Any, subject: str) -> None:
    from coremltools.models.compute_device import MLComputeDevice
    from coremltools.models.compute_plan import MLComputePlan, MLModelStructure

    calls = {
        "MLComputePlan": lambda: MLComputePlan.load_from_path("x.mlmodelc"),
        "MLModelStructure": lambda: MLModelStructure.load_from_path("x.mlmodelc"),
        "MLComputeDevice": MLComputeDevice.get_all_compute_devices,
    }
    with pytest.raises(RuntimeError, match=rf"{subject} needs Core ML itself \(macOS\)"):
        calls[subject]()


def test_times_are_of_this_machine(enabled: Any) -> None:
    model = _gain(enabled)
    assert model.load_duration_in_nano_seconds > 0
    assert model.last_predict_duration_in_nano_seconds is None
    model.predict({"x": X})
    assert model.last_predict_duration_in_nano_seconds > 0


def test_only_what_stands_before_predict_is_told_of_macos(enabled: Any) -> None:
    from coremltools import _deps
    from coremltools.models import model

    assert model._macos_version() == EMULATED_MACOS
    assert not enabled.utils._is_macos()
    assert enabled.utils._macos_version() == ()
    assert not _deps._IS_MACOS


def _held(ct: Any) -> dict[str, Any]:
    """All names of coremltools' modules."""
    modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "coremltools"}
    found = {f"{name}.{key}": id(value) for name, module in modules.items() for key, value in vars(module).items()}
    return found | {name: id(module) for name, module in modules.items()}


def test_undo_leaves_nothing_behind(ct: Any) -> None:
    with testpress.enable_coreml_predict():
        pass  # imports what is imported late
    before = _held(ct)
    handle = testpress.enable_coreml_predict()
    assert handle.changed
    assert _held(ct) != before
    handle.undo()
    assert not handle.changed
    assert _held(ct) == before
    handle.undo()
    assert _held(ct) == before


def test_a_second_call_changes_nothing_and_undoes_nothing(enabled: Any) -> None:
    before = _held(enabled)
    with testpress.enable_coreml_predict() as second:
        assert not second.changed
        assert _held(enabled) == before
    np.testing.assert_array_equal(_gain(enabled).predict({"x": X})["y"], 2 * X)


def test_a_mac_is_left_alone_unless_forced(ct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _held(ct)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not testpress.enable_coreml_predict().changed
    assert _held(ct) == before
    with testpress.enable_coreml_predict(force=True) as handle:
        assert handle.changed


def test_missing_coremltools_is_said() -> None:
    code = """
import importlib.util
import testpress
from evaluators.errors import EvaluationError
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "coremltools" else found(name, *rest)
try:
    testpress.enable_coreml_predict()
except EvaluationError as fault:
    print(fault)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == "enable_coreml_predict needs coremltools; install testpress[coreml]"


def test_a_pipeline_of_two_models_predicts(enabled: Any) -> None:
    from coremltools.converters.mil.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec(shape=(2, 3))], opset_version=enabled.target.iOS18)
    def program(y: Any) -> Any:
        return mb.add(x=y, y=np.float32(1), name="z")

    second = _convert(enabled, program, compute_precision=enabled.precision.FLOAT32)
    pipeline = enabled.utils.make_pipeline(_gain(enabled, 3.0), second)
    np.testing.assert_array_equal(pipeline.predict({"x": X})["z"], 3 * X + 1)


def test_coremltools_debugging_tools_run(enabled: Any) -> None:
    """They have a program return what it computes on the way, and name the op at which float16 overflows."""
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.models.ml_program.experimental.debugging_utils import MLModelInspector, MLModelValidator

    @mb.program(input_specs=[mb.TensorSpec(shape=(2, 3))], opset_version=enabled.target.iOS18)
    def program(x: Any) -> Any:
        return mb.mul(x=mb.exp(x=mb.mul(x=x, y=np.float32(5), name="louder"), name="loud"), y=np.float32(0.1), name="y")

    model = _convert(enabled, program, compute_precision=enabled.precision.FLOAT16)

    async def inspect() -> dict[str, Any]:
        return {name: value async for name, value in MLModelInspector(model).inspect({"x": X}, ["louder_cast_fp16"])}

    def run(coroutine: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already: the browser's tests start one
            return pool.submit(asyncio.run, coroutine).result()

    found = run(inspect())
    np.testing.assert_array_equal(found["louder_cast_fp16"], 5 * X)
    failing = run(MLModelValidator(model).find_failing_ops_with_infinite_output({"x": X}))
    assert [operation.outputs[0].name for operation in failing] == ["loud_cast_fp16"]

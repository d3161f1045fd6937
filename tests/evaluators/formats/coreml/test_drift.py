from __future__ import annotations

import gc
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.errors import EvaluationError
from evaluators.formats.coreml.drift import _largest_error, _search, _Trial, locate_drift
from tests.evaluators.emulators.coreml.programs import Op, Program, write_package

pytest.importorskip("torch")
from torch import Tensor

pytestmark = pytest.mark.coreml

Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def convert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Writes a MIL program in float32 and in float16, as coremltools' precision pass makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
        ct = pytest.importorskip("coremltools")
        from coremltools.converters.mil.mil import Builder as mb
    gc.freeze()  # each conversion collects garbage

    def write(body: Any, shape: tuple[int, ...]) -> Pair:
        folder, paths = tmp_path_factory.mktemp("drift"), []
        for precision in (ct.precision.FLOAT32, ct.precision.FLOAT16):
            program = mb.program(input_specs=[mb.TensorSpec(shape=shape)])(lambda x: body(mb, x))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = ct.convert(
                    program,
                    convert_to="mlprogram",
                    compute_precision=precision,
                    minimum_deployment_target=ct.target.iOS16,
                    inputs=[ct.TensorType(name="x", shape=shape, dtype=np.float32)],
                    skip_model_load=True,
                )
                paths.append(folder / f"{precision.value}.mlpackage")
                model.save(str(paths[-1]))
        return paths[0], paths[1]

    yield write
    gc.unfreeze()


X = np.linspace(1e-4, 1.0, 64, dtype=np.float32).reshape(1, 64)


def floor_of_a_logarithm(mb: Any, x: Any) -> Any:
    """Power and floor underflow before a logarithm. Putting the power right does not help: the floor loses it again."""
    doubled = mb.mul(x=x, y=2.0, name="doubled")
    power = mb.mul(x=doubled, y=doubled, name="power")
    floored = mb.add(x=power, y=1e-10, name="floored")
    level = mb.log(x=floored, name="level")
    scaled = mb.mul(x=level, y=0.1, name="scaled")
    return mb.tanh(x=scaled, name="squashed")


@pytest.mark.slow
def test_the_op_that_underflows_is_found(convert: Any) -> None:
    reference, candidate = convert(floor_of_a_logarithm, (1, 64))
    drift = locate_drift(reference, candidate, [{"x": X}])
    assert (drift.first_op, drift.worst_op) == ("floored", "floored")
    assert drift.reference == reference.name
    assert drift.steps[-1].error_after == 0.0
    assert max(step.error_after for step in drift.steps if step.op == "floored") < drift.output_error / 10
    small = np.square(2 * X.astype(np.float64)) + 1e-10
    assert f"{np.mean(small < 2**-14):.1%} of its float32 values lie below" in drift.explanation


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_compressed_weights_are_not_blamed_on_the_range_of_float16(compressed: bool, convert: Any) -> None:
    """Some outputs are subnormal in float16, but eight levels of weights do far more harm."""
    weights = np.random.default_rng(11).normal(scale=1e-3, size=(16, 64)).astype(np.float32)
    step = np.abs(weights).max() / 4
    coarse = (np.round(weights / step) * step).astype(np.float32) if compressed else weights

    def body(values: np.ndarray) -> Any:
        return lambda mb, x: mb.mul(x=mb.linear(x=x, weight=values, name="dense"), y=100.0, name="louder")

    (reference, _), (_, candidate) = convert(body(weights), (1, 64)), convert(body(coarse), (1, 64))
    drift = locate_drift(reference, candidate, [{"x": X / 100}])
    assert (drift.worst_op == "dense") is compressed
    assert ("its weights or its arithmetic are to blame" in drift.explanation) is compressed


@pytest.mark.slow
def test_the_largest_error_over_all_inputs_counts(convert: Any) -> None:
    reference, candidate = convert(floor_of_a_logarithm, (1, 64))
    loud = np.full_like(X, 0.5)
    alone = locate_drift(reference, candidate, [{"x": loud}]).output_error
    both = locate_drift(reference, candidate, [{"x": loud}, {"x": X}])
    assert alone < 1e-3 < both.output_error
    assert both.worst_op == "floored"


@pytest.mark.slow
def test_overflow_is_found_and_counts_as_float16s_largest(convert: Any) -> None:
    def body(mb: Any, x: Any) -> Any:
        shifted = mb.add(x=x, y=1.0, name="shifted")
        return mb.real_div(x=mb.mul(x=mb.mul(x=shifted, y=300.0, name="a"), y=300.0, name="b"), y=90000.0, name="back")

    drift = locate_drift(*convert(body, (1, 64)), [{"x": X}])
    assert drift.output_error > 60000
    assert drift.worst_op in {"b", "back"}
    assert "exceed float16's largest, 65504" in drift.explanation or drift.worst_op == "back"


@pytest.mark.slow
def test_equal_programs_have_no_steps(convert: Any) -> None:
    reference, _ = convert(floor_of_a_logarithm, (1, 64))
    drift = locate_drift(reference, reference, [{"x": X}])
    assert (drift.output_error, drift.first_op, drift.worst_op, drift.steps) == (0.0, "", "", ())
    assert "bit for bit" in drift.explanation


@pytest.mark.slow
def test_unrelated_programs_are_refused(convert: Any) -> None:
    reference, _ = convert(floor_of_a_logarithm, (1, 64))
    other, _ = convert(lambda mb, x: mb.relu(x=x, name="other"), (1, 64))
    with pytest.raises(EvaluationError, match=r"has other outputs than .*: other; expected squashed"):
        locate_drift(reference, other, [{"x": X}])


def chain(folder: Path, factors: dict[str, float], width: int = 64) -> Path:
    """`x` times one factor after another, each product under its factor's name."""
    ops = [
        Op("mul", {"x": before, "y": np.float32(factors[name])}, name, shape=(1, width))
        for before, name in itertools.pairwise(["x", *factors])
    ]
    last = ops[-1].output
    features = {"inputs": {"x": ("float32", (1, width))}, "outputs": {last: ("float32", (1, width))}}
    return write_package(folder, Program(ops, **features), name=f"{len(list(folder.iterdir()))}.mlpackage")


def test_a_changed_factor_is_blamed_by_name(tmp_path: Path) -> None:
    reference = chain(tmp_path, {"a": 2, "b": 3, "c": 5, "d": 7})
    candidate = chain(tmp_path, {"a_cast_fp16": 2, "b_cast_fp16": 3, "c_cast_fp16": 6, "d": 7})
    drift = locate_drift(reference, candidate, [{"x": X}, {"x": 2 * X}])
    assert (drift.first_op, drift.worst_op, drift.output_error) == ("c", "c", 2.0 * 2 * 3 * 7)
    assert [step.op for step in drift.steps if step.error_after == 0] == ["c", "d"]


def test_ops_without_a_namesake_keep_their_own_values(tmp_path: Path) -> None:
    """The fault lies in an op that only the candidate has; putting right the next one with a name removes it."""
    reference = chain(tmp_path, {"a": 2, "b": 6, "c": 5})
    candidate = chain(tmp_path, {"a": 2, "split": 3, "b": 3, "c": 5})
    drift = locate_drift(reference, candidate, [{"x": X}])
    assert (drift.worst_op, drift.output_error) == ("b", 30.0)


def test_a_namesake_of_another_shape_is_none(tmp_path: Path) -> None:
    """`b` is a mean here and a product there: it cannot be put right, `c` after it can."""
    reference = chain(tmp_path, {"a": 2, "b": 3, "c": 5})
    mean = Op(
        "reduce_mean", {"x": "a", "axes": np.array([1], np.int32), "keep_dims": np.bool_(True)}, "b", shape=(1, 1)
    )
    ops = [
        Op("mul", {"x": "x", "y": np.float32(2)}, "a", shape=(1, 64)),
        mean,
        Op("add", {"x": "a", "y": "b"}, "c", shape=(1, 64)),
    ]
    features = {"inputs": {"x": ("float32", (1, 64))}, "outputs": {"c": ("float32", (1, 64))}}
    candidate = write_package(tmp_path, Program(ops, **features), name="mean.mlpackage")
    drift = locate_drift(reference, candidate, [{"x": X}])
    assert {step.op for step in drift.steps} <= {"a", "c"}
    assert drift.worst_op == "c"


def noisy(folder: Path, name: str, gain: float) -> Path:
    """`x` plus noise that no seed fixes, times `gain`."""
    shape = np.array([1, 64], np.int32)
    drawn = {"shape": shape, "mean": np.float32(0), "stddev": np.float32(1), "seed": np.int32(-1)}
    ops = [
        Op("random_normal", drawn, "noise", shape=(1, 64)),
        Op("add", {"x": "x", "y": "noise"}, "sum", shape=(1, 64)),
        Op("mul", {"x": "sum", "y": np.float32(gain)}, "y", shape=(1, 64)),
    ]
    features = {"inputs": {"x": ("float32", (1, 64))}, "outputs": {"y": ("float32", (1, 64))}}
    return write_package(folder, Program(ops, **features), name=name)


def test_programs_that_draw_noise_are_compared_on_the_same_numbers(tmp_path: Path) -> None:
    """Other numbers on each run would be taken for a departure, and now and then blamed on an innocent op."""
    paths = [noisy(tmp_path, f"{name}.mlpackage", 1.0) for name in "ab"]
    drift = locate_drift(*paths, [{"x": X}])
    assert (drift.output_error, drift.first_op, drift.worst_op, drift.steps) == (0.0, "", "", ())
    assert "equal those of a.mlpackage bit for bit" in drift.explanation
    assert "in an app each run draws others" in drift.explanation
    assert not np.array_equal(*(CoreMLModel(paths[0]).predict({"x": X})["y"] for _ in range(2)))


def test_a_departure_beside_noise_is_found(tmp_path: Path) -> None:
    paths = [noisy(tmp_path, f"{gain}.mlpackage", gain) for gain in (1.0, 1.01)]
    drift = locate_drift(*paths, [{"x": X}])
    assert (drift.first_op, drift.worst_op) == ("y", "y")
    assert "in an app each run draws others" in drift.explanation


def test_no_activation_is_kept(tmp_path: Path) -> None:
    width = 4099  # no other tensor has this size
    path = chain(tmp_path, {f"m{k}": 1.0 for k in range(20)}, width)
    model = CoreMLModel(path)
    trial = _Trial(model, model, {"x": np.ones((1, width), np.float32)})
    assert trial.error_after(10) == 0.0
    tensors = [thing for thing in gc.get_objects() if type(thing) is Tensor]
    assert not any(tensor.numel() == width for tensor in tensors)  # not even the inputs


def test_no_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="at least one input"):
        locate_drift(tmp_path, tmp_path, [])


@pytest.mark.parametrize("culprit", [1, 2, 500, 999, 1000])
def test_the_search_finds_a_fall_in_few_runs(culprit: int) -> None:
    asked = []

    def error_after(k: int) -> float:
        asked.append(k)
        return 1.0 if k < culprit else 0.0

    errors = _search(error_after, 1000)
    assert errors[culprit] == 0.0
    assert errors[culprit - 1] == 1.0
    assert len(asked) == len(set(asked)) <= 2 + 2 * 10


@pytest.mark.parametrize(
    ("expected", "found", "error"),
    [
        ([1, 2], [1, 2.5], 0.5),
        ([0, 0], [np.nan, 1], 65504),
        ([0], [-np.inf], 65504),
        ([np.nan], [np.nan], 0),
        ([], [], 0),
    ],
)
def test_values_that_are_not_finite_count_as_float16s_largest(expected: Any, found: Any, error: float) -> None:
    assert _largest_error(np.array(expected, np.float32), np.array(found, np.float32)) == error

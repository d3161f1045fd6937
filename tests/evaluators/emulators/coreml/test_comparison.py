from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evaluators.emulators.coreml import CoreMLModel, compare
from evaluators.emulators.coreml.comparison import TOLERANCE
from evaluators.emulators.coreml.observations import Comparison, OpComparison
from evaluators.errors import EvaluationError

from .conversions import convert_mil
from .programs import Op, Program, Text, write_package

SHAPE = (2, 3)
X = np.array([[-3, 0, 1], [0.5, 2, -1]], np.float32)


def load(folder: Path, program: Program, name: str = "a") -> CoreMLModel:
    return CoreMLModel(write_package(folder, program, name=f"{name}.mlpackage"))


def scale(before: str, factor: Any, name: str, shape: Sequence[int] = SHAPE) -> Op:
    return Op("mul", {"x": before, "y": np.asarray(factor, np.float32)}, name, shape=tuple(shape))


def program(*ops: Op, inputs: dict[str, Any] | None = None) -> Program:
    """The last op is the output."""
    outputs = {ops[-1].output: ("float32", ops[-1].shape)}
    return Program(ops, outputs) if inputs is None else Program(ops, outputs, inputs=inputs)


def named(found: Comparison) -> dict[str, OpComparison]:
    return {op.op: op for op in found.ops}


def test_equal_programs_part_nowhere(tmp_path: Path) -> None:
    model = load(tmp_path, program(scale("x", 2, "m"), scale("m", 3, "y")))
    found = compare(model, model, [{"x": X}])
    assert (found.first, found.worst, found.mismatches, found.unaligned, found.reference_unaligned) == (
        None, None, (), (), (),
    )  # fmt: skip
    assert [op.op for op in found.ops] == ["m", "y"]
    for op in found.ops:
        assert (op.max_abs_error, op.relative_error, op.unlike, op.vanished) == (0.0, 0.0, 0, 0)
        assert (op.snr_db.value, op.snr_db.reason) == (None, "identical")
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_a_changed_weight_is_named_and_measured(tmp_path: Path) -> None:
    """`m` is 1.5 times too large from there on; `n` before it is right."""
    reference = load(tmp_path, program(scale("x", 4, "n"), scale("n", 2, "m"), scale("m", 3, "y")))
    candidate = load(tmp_path, program(scale("x", 4, "n"), scale("n", 3, "m"), scale("m", 3, "y")), "b")
    found = compare(reference, candidate, [{"x": X}])
    assert (found.first, found.worst) == ("m", "m")
    m, y = named(found)["m"], named(found)["y"]
    assert (m.reference_range, m.max_abs_error, m.relative_error) == (40.0, 12.0, 0.3)  # ±: 8 · (-3 … 2), off by half
    assert (y.max_abs_error, y.relative_error) == (36.0, pytest.approx(0.3, rel=1e-12))
    assert m.snr_db.value == pytest.approx(20 * math.log10(2), abs=1e-9)
    assert m.cosine.value == pytest.approx(1.0, abs=1e-12)
    assert named(found)["n"].max_abs_error == 0.0


def test_first_is_the_first_beyond_the_tolerance_and_worst_the_largest(tmp_path: Path) -> None:
    """Errors of 0.25 %, 2 % and 10 % of the range."""
    names = ("a", "b", "c")
    right = [scale("x", 1, name) for name in names]
    wrong = [scale("x", factor, name) for name, factor in zip(names, (1.0025, 1.02, 1.1), strict=True)]
    reference, candidate = load(tmp_path, program(*right)), load(tmp_path, program(*wrong), "b")
    array = np.linspace(0, 1, 6, dtype=np.float32).reshape(SHAPE)
    found = compare(reference, candidate, [{"x": array}])
    assert (found.tolerance, found.first, found.worst) == (TOLERANCE, "b", "c")
    assert compare(reference, candidate, [{"x": array}], tolerance=0.001).first == "a"
    assert compare(reference, candidate, [{"x": array}], tolerance=0.5).first is None
    assert compare(reference, candidate, [{"x": array}], tolerance=0.5).worst == "c"


def test_an_error_is_held_against_the_range_over_all_inputs(tmp_path: Path) -> None:
    reference = load(tmp_path, program(scale("x", 1, "y")))
    add = Op("add", {"x": "x", "y": np.float32(0.5)}, "y", shape=SHAPE)
    candidate = load(tmp_path, program(add), "b")
    quiet, loud = np.full(SHAPE, 2, np.float32), np.full(SHAPE, -8, np.float32)
    (alone,) = compare(reference, candidate, [{"x": quiet}]).ops
    (both,) = compare(reference, candidate, [{"x": quiet}, {"x": loud}]).ops
    assert (alone.reference_range, alone.relative_error, alone.elements) == (2.0, 0.25, 6)  # 0 counts
    assert (both.reference_range, both.relative_error, both.elements) == (10.0, 0.05, 12)


def test_another_value_where_the_reference_is_0_throughout_has_no_relative_error(tmp_path: Path) -> None:
    reference = load(tmp_path, program(scale("x", 0, "m"), scale("m", 1, "y")))
    candidate = load(tmp_path, program(scale("x", 1e-6, "m"), scale("m", 0, "y")), "b")
    found = compare(reference, candidate, [{"x": X}])
    assert (found.first, found.worst) == ("m", "m")
    assert named(found)["m"].relative_error is None
    assert named(found)["m"].max_abs_error == pytest.approx(3e-6, rel=1e-6)
    assert named(found)["y"].relative_error == 0.0


def halves(factor: float, divisor: float) -> Program:
    """`y = (x · factor) / divisor` in float16, between casts, named as coremltools names them."""
    return Program(
        [
            Op("cast", {"x": "x", "dtype": [Text("fp16")]}, "x_to_fp16", "float16", SHAPE),
            Op("mul", {"x": "x_to_fp16", "y": np.float16(factor)}, "m_cast_fp16", "float16", SHAPE),
            Op("real_div", {"x": "m_cast_fp16", "y": np.float16(divisor)}, "q_cast_fp16", "float16", SHAPE),
            Op("cast", {"x": "q_cast_fp16", "dtype": [Text("fp32")]}, "q", "float32", SHAPE),
        ],
        {"q": ("float32", SHAPE)},
    )


def wholes(factor: float, divisor: float) -> Program:
    divide = Op("real_div", {"x": "m", "y": np.float32(divisor)}, "q", shape=SHAPE)
    return program(scale("x", factor, "m"), divide)


def test_an_overflow_in_float16_is_named(tmp_path: Path) -> None:
    found = compare(load(tmp_path, wholes(40000, 40000)), load(tmp_path, halves(40000, 40000), "b"), [{"x": X}])
    assert (found.first, found.worst) == ("m_cast_fp16", "m_cast_fp16")
    m = named(found)["m_cast_fp16"]
    assert (m.reference_op, m.kind, m.dtype, m.reference_dtype) == ("m", "mul", "float16", "float32")
    assert (m.unlike, m.overflowed, m.elements) == (2, 2, 6)  # -3 and 2 times 40000
    assert m.max_abs_error == 0.0  # the others are right
    assert [(op.op, op.reference_op) for op in found.ops] == [
        ("x_to_fp16", "x"), ("m_cast_fp16", "m"), ("q_cast_fp16", "q"), ("q", "q"),
    ]  # fmt: skip
    assert (found.unaligned, found.reference_unaligned) == ((), ())


def test_an_input_that_overflows_in_its_cast_is_named(tmp_path: Path) -> None:
    array = np.full(SHAPE, 7e4, np.float32)
    found = compare(load(tmp_path, wholes(1, 1)), load(tmp_path, halves(1, 1), "b"), [{"x": array}])
    assert found.first == "x_to_fp16"
    assert named(found)["x_to_fp16"].reference_kind == "input"


def test_values_that_vanish_in_float16_are_counted(tmp_path: Path) -> None:
    """2^-24 is float16's smallest number: of x · 2^-24 what is at most half of it becomes 0, ties to even."""
    reference, candidate = load(tmp_path, wholes(2.0**-24, 2.0**-24)), load(tmp_path, halves(2.0**-24, 2.0**-24), "b")
    found = compare(reference, candidate, [{"x": X}])
    assert named(found)["m_cast_fp16"].vanished == 1  # 0.5; 0 was 0 before
    assert found.first == "m_cast_fp16"
    assert named(found)["m_cast_fp16"].relative_error == 0.1  # 0.5 of -3 … 2


@pytest.mark.parametrize(
    ("reference", "candidate", "unlike", "overflowed"),
    [
        ([np.inf, np.nan], [np.inf, np.nan], 0, 0),
        ([np.inf, 1], [-np.inf, 1], 1, 0),
        ([np.nan, 1], [np.inf, 1], 1, 0),
        ([1, 1], [np.inf, np.nan], 2, 1),
        ([np.inf, np.nan], [1, 1], 2, 0),
    ],
)
def test_what_is_not_finite_must_be_the_same(
    tmp_path: Path, reference: list[float], candidate: list[float], unlike: int, overflowed: int
) -> None:
    inputs = {"x": ("float32", (2,))}
    models = [
        load(
            tmp_path,
            program(Op("add", {"x": "x", "y": np.array(value, np.float32)}, "y", shape=(2,)), inputs=inputs),
            name,
        )
        for name, value in (("a", reference), ("b", candidate))
    ]
    found = compare(models[0], models[1], [{"x": np.zeros(2, np.float32)}])
    (op,) = found.ops
    assert (op.unlike, op.overflowed) == (unlike, overflowed)
    assert found.first == found.worst == ("y" if unlike else None)
    if not (np.isfinite(reference) & np.isfinite(candidate)).any():
        assert (op.snr_db.reason, op.cosine.reason) == ("no pair of values is finite",) * 2


def test_fused_and_split_ops_are_left_out_and_told(tmp_path: Path) -> None:
    reference = load(tmp_path, program(scale("x", 2, "m"), scale("m", 3, "n"), scale("n", 5, "y")))
    candidate = load(tmp_path, program(scale("x", 6, "fused"), scale("fused", 5, "y")), "b")
    found = compare(reference, candidate, [{"x": X}])
    assert [op.op for op in found.ops] == ["y"]
    assert (found.unaligned, found.reference_unaligned) == (("fused",), ("m", "n"))
    assert found.worst is None


def test_shapes_that_differ_are_reported_and_not_broadcast(tmp_path: Path) -> None:
    reference = load(tmp_path, program(scale("x", 2, "m"), scale("m", 1, "y")))
    row = Op("reduce_mean", {"x": "x", "axes": np.array([0], np.int32), "keep_dims": np.bool_(True)}, "m", shape=(1, 3))
    candidate = load(tmp_path, program(row, scale("x", 2, "y")), "b")
    found = compare(reference, candidate, [{"x": X}, {"x": X}])
    (mismatch,) = found.mismatches
    assert (mismatch.op, mismatch.reference_op) == ("m", "m")
    assert (mismatch.shape, mismatch.reference_shape) == ((1, 3), (2, 3))
    assert [op.op for op in found.ops] == ["y"]
    assert found.first is None


def test_empty_tensors_agree(tmp_path: Path) -> None:
    inputs = {"x": ("float32", (0, 3))}
    model = load(tmp_path, program(scale("x", 2, "y", (0, 3)), inputs=inputs))
    found = compare(model, model, [{"x": np.zeros((0, 3), np.float32)}])
    assert (found.ops, found.first, found.worst) == ((), None, None)


def test_truth_values_are_compared_as_0_and_1(tmp_path: Path) -> None:
    models = []
    for name, threshold in (("a", 0.0), ("b", 0.75)):
        mask = Op("greater", {"x": "x", "y": np.float32(threshold)}, "mask", "bool", SHAPE)
        cast = Op("cast", {"x": "mask", "dtype": [Text("fp32")]}, "y", shape=SHAPE)
        models.append(load(tmp_path, program(mask, cast), name))
    mask_found, _ = compare(models[0], models[1], [{"x": X}]).ops
    assert (mask_found.dtype, mask_found.max_abs_error, mask_found.vanished) == ("bool", 1.0, 1)  # 0.5


def test_in_the_same_order_one_value_waits(tmp_path: Path) -> None:
    names = [f"m{k}" for k in range(20)]
    model = load(
        tmp_path, program(*[scale(before, 2, name) for before, name in zip(["x", *names], names, strict=False)])
    )
    assert compare(model, model, [{"x": X}, {"x": X}]).held_bytes == X.nbytes


def test_in_the_opposite_order_they_all_wait(tmp_path: Path) -> None:
    names = [f"m{k}" for k in range(20)]
    forward = load(tmp_path, program(*[scale("x", k, name) for k, name in enumerate(names)]))
    backward = load(tmp_path, program(*[scale("x", k, name) for k, name in reversed(list(enumerate(names)))]), "b")
    found = compare(forward, backward, [{"x": X}])
    assert found.held_bytes == 20 * X.nbytes
    assert found.worst is None
    assert [op.op for op in found.ops] == names[::-1]


def test_programs_with_state_live_on_side_by_side(tmp_path: Path) -> None:
    """The candidate forgets a half of its state each time: right at first, wrong from the second input on."""
    models = []
    for name, kept in (("a", 1.0), ("b", 0.5)):
        ops = [
            Op("read_state", {"input": "s"}, "before", shape=SHAPE),
            Op("add", {"x": "before", "y": "x"}, "y", shape=SHAPE),
            scale("y", kept, "next"),
            Op("write_state", {"input": "s", "data": "next"}, ""),
        ]
        states = {"s": ("float32", SHAPE)}
        models.append(load(tmp_path, Program(ops, {"y": ("float32", SHAPE)}, opset="CoreML8", states=states), name))
    ones = np.ones(SHAPE, np.float32)
    once = named(compare(models[0], models[1], [{"x": ones}]))
    assert (once["before"].max_abs_error, once["y"].max_abs_error) == (0.0, 0.0)
    twice = named(compare(models[0], models[1], [{"x": ones}] * 2))
    assert (twice["before"].max_abs_error, twice["y"].max_abs_error) == (0.5, 0.5)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoreMLModel, CoreMLModel]:
    """`y = x` and `y = x + z`: any two arrays as a reference and its estimate."""
    folder = tmp_path_factory.mktemp("shifted")
    inputs = {"x": ("float32", (4, 5)), "z": ("float32", (4, 5))}
    alone = Op("identity", {"x": "x"}, "y", shape=(4, 5))
    other = Op("identity", {"x": "z"}, "y", shape=(4, 5))
    return (
        load(folder, program(alone, inputs=inputs)),
        load(folder, program(other, inputs=inputs), "b"),
    )


FLOATS = hnp.arrays(np.float32, (4, 5), elements=st.floats(-1e6, 1e6, width=32))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FLOATS, FLOATS)
def test_the_measures_are_those_of_their_definitions(
    shifted: tuple[CoreMLModel, CoreMLModel], reference: np.ndarray, estimate: np.ndarray
) -> None:
    (op,) = compare(*shifted, [{"x": reference, "z": estimate}]).ops
    r, e = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    assert op.max_abs_error == np.abs(r - e).max()
    assert op.reference_range == max(r.max(), 0) - min(r.min(), 0)
    assert op.vanished == np.count_nonzero((e == 0) & (r != 0))
    if op.snr_db.value is not None:
        assert op.snr_db.value == pytest.approx(10 * np.log10(np.sum(r**2) / np.sum((r - e) ** 2)), abs=1e-6)
    else:
        assert np.array_equal(r, e) or not np.sum(r**2) or not np.sum((r - e) ** 2)


def test_no_inputs_are_refused(tmp_path: Path) -> None:
    model = load(tmp_path, wholes(1, 1))
    with pytest.raises(EvaluationError, match="comparing programs needs at least one input"):
        compare(model, model, [])


def test_programs_without_a_common_name_are_refused(tmp_path: Path) -> None:
    reference, candidate = load(tmp_path, program(scale("x", 2, "m"))), load(tmp_path, program(scale("x", 2, "n")), "b")
    with pytest.raises(EvaluationError, match=r"b\.mlpackage: no op has a namesake in .*a\.mlpackage"):
        compare(reference, candidate, [{"x": X}])


@pytest.mark.parametrize("tolerance", [-0.1, math.nan])
def test_a_tolerance_below_0_is_refused(tmp_path: Path, tolerance: float) -> None:
    model = load(tmp_path, wholes(1, 1))
    with pytest.raises(EvaluationError, match=r"tolerance is .*; expected at least 0"):
        compare(model, model, [{"x": X}], tolerance=tolerance)


def test_other_inputs_are_named(tmp_path: Path) -> None:
    reference = load(tmp_path, program(scale("x", 2, "y")))
    candidate = load(tmp_path, program(scale("z", 2, "y"), inputs={"z": ("float32", SHAPE)}), "b")
    with pytest.raises(EvaluationError, match=r"b\.mlpackage: has no input 'x'; its inputs: z"):
        compare(reference, candidate, [{"x": X}])


@pytest.mark.slow
@pytest.mark.coreml
def test_programs_of_the_converter_part_where_the_fault_was_planted(tmp_path: Path, coremltools: Any) -> None:
    """Squares beneath float16's reach, their logarithm, and two parts of a split, as coremltools writes them."""

    def body(mb: Any, x: Any) -> Any:
        power = mb.mul(x=x, y=x, name="power")
        floored = mb.add(x=power, y=1e-10, name="floored")
        left, right = mb.split(x=mb.log(x=floored, name="level"), num_splits=2, axis=1, name="parts")
        return mb.add(x=left, y=right, name="both")

    paths = [convert_mil(coremltools, body, (1, 64), tmp_path / f"{p}.mlpackage", p) for p in ("FLOAT32", "FLOAT16")]
    array = np.geomspace(1e-5, 1, 64, dtype=np.float32).reshape(1, 64)
    found = compare(CoreMLModel(paths[0]), CoreMLModel(paths[1]), [{"x": array}])
    assert found.first == "level_cast_fp16"
    power = named(found)["power_cast_fp16"]
    assert power.vanished == int((array.astype(np.float64) ** 2 <= 2.0**-25).sum()) > 0
    assert power.relative_error is not None and power.relative_error < 2**-11
    aligned = {op.op: op.reference_op for op in found.ops}
    assert aligned["parts_cast_fp16_0"] == "parts_0"
    assert aligned["parts_cast_fp16_1"] == "parts_1"
    assert (found.unaligned, found.reference_unaligned) == ((), ())
    assert found.held_bytes <= 2 * array.nbytes


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # coremltools' folder, cleaned up late
def test_compressed_weights_are_compared_op_by_op(tmp_path: Path, coremltools: Any) -> None:
    """A palette of two values for a matrix of four: the weight's op is gone, and the ones around it are aligned."""
    weight = np.random.default_rng(7).choice([0.1, 0.2, 0.4, 0.8], (64, 64)).astype(np.float32)

    def body(mb: Any, x: Any) -> Any:
        hidden = mb.linear(x=mb.relu(x=x, name="front"), weight=weight, name="hidden")
        return mb.sigmoid(x=hidden, name="back")

    whole = convert_mil(coremltools, body, (1, 64), tmp_path / "whole.mlpackage")
    optimize = coremltools.optimize.coreml
    config = optimize.OptimizationConfig(global_config=optimize.OpPalettizerConfig("uniform", 1, weight_threshold=1))
    model = coremltools.models.MLModel(str(whole), skip_model_load=True)
    optimize.palettize_weights(model, config).save(str(tmp_path / "palette.mlpackage"))
    array = np.random.default_rng(8).uniform(0, 1, (1, 64)).astype(np.float32)
    found = compare(CoreMLModel(whole), CoreMLModel(tmp_path / "palette.mlpackage"), [{"x": array}])
    assert found.first == "hidden"
    assert named(found)["front"].max_abs_error == 0.0
    assert [op.op for op in found.ops] == ["front", "hidden", "back"]

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evaluators.emulators.coreml import CoreMLModel, observe_ranges
from evaluators.emulators.coreml.observations import HalfFit, OpRange
from evaluators.errors import EvaluationError

from .conversions import convert_mil
from .programs import Op, Program, Text, gain, write_package

SHAPE = (2, 3)
X = np.array([[-3, 0, 0], [0.5, 2, -1]], np.float32)


def load(folder: Path, program: Program) -> CoreMLModel:
    return CoreMLModel(write_package(folder, program))


def single(kind: str, dtype: str = "float32", shape: tuple[int, ...] = SHAPE, **inputs: Any) -> Program:
    """A program of one op of `x`."""
    given_inputs = {"x": "x", **inputs}
    return Program(
        [Op(kind, given_inputs, "y", dtype, shape)],
        {"y": ("float32", shape)},
        inputs={"x": ("float32", shape)},
    )


def identity(folder: Path, shape: tuple[int, ...] = SHAPE) -> CoreMLModel:
    return load(folder, single("identity", shape=shape))


def observe_one(model: CoreMLModel, *arrays: np.ndarray) -> OpRange:
    (found,) = observe_ranges(model, [{"x": array} for array in arrays])
    return found


def test_the_numbers_of_a_small_array(tmp_path: Path) -> None:
    assert observe_one(identity(tmp_path), X) == OpRange(
        index=0,
        op="y",
        kind="identity",
        dtype="float32",
        elements=6,
        nans=0,
        infinities=0,
        zeros=2,
        minimum=-3.0,
        maximum=2.0,
        largest=3.0,
        smallest=0.5,
        mean=-0.25,
        half=HalfFit(overflowing=0, vanishing=0, subnormal=0),
        breaks=False,
    )


def test_the_share_of_zeros(tmp_path: Path) -> None:
    assert observe_one(identity(tmp_path), X).zero_share == 1 / 3


def test_all_inputs_count(tmp_path: Path) -> None:
    found = observe_one(identity(tmp_path), X, 10 * X, np.zeros(SHAPE, np.float32))
    assert (found.elements, found.zeros, found.minimum, found.maximum, found.smallest) == (18, 10, -30.0, 20.0, 0.5)
    assert found.mean == pytest.approx((-1.5 - 15) / 18, rel=1e-15)


def test_what_is_not_finite_is_counted_and_left_out_of_the_rest(tmp_path: Path) -> None:
    array = np.array([[np.nan, np.inf, -np.inf], [np.inf, 2, -4]], np.float32)
    found = observe_one(identity(tmp_path), array)
    assert (found.elements, found.nans, found.infinities) == (6, 1, 3)
    assert (found.minimum, found.maximum, found.mean, found.smallest) == (-4.0, 2.0, -1.0, 2.0)
    assert found.half == HalfFit(overflowing=0, vanishing=0, subnormal=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_without_a_finite_value_has_no_range(tmp_path: Path, value: float) -> None:
    found = observe_one(identity(tmp_path), np.full(SHAPE, value, np.float32))
    assert (found.minimum, found.maximum, found.largest, found.smallest, found.mean) == (None,) * 5
    assert found.elements == 6


def test_an_output_of_zeros_has_no_smallest_magnitude(tmp_path: Path) -> None:
    found = observe_one(identity(tmp_path), np.zeros(SHAPE, np.float32))
    assert (found.minimum, found.largest, found.smallest, found.zero_share) == (0.0, 0.0, None, 1.0)


def test_an_empty_output_has_nothing_to_tell(tmp_path: Path) -> None:
    found = observe_one(identity(tmp_path, (0, 3)), np.zeros((0, 3), np.float32))
    assert (found.elements, found.minimum, found.mean, found.zero_share) == (0, None, None, None)


def test_truth_values_count_as_0_and_1(tmp_path: Path) -> None:
    program = Program(
        [
            Op("greater", {"x": "x", "y": np.float32(0)}, "mask", "bool", SHAPE),
            Op("cast", {"x": "mask", "dtype": [Text("fp32")]}, "y", shape=SHAPE),
        ],
        {"y": ("float32", SHAPE)},
    )
    mask, _ = observe_ranges(load(tmp_path, program), [{"x": X}])
    assert (mask.dtype, mask.minimum, mask.maximum, mask.zeros, mask.half) == ("bool", 0.0, 1.0, 4, None)
    assert mask.mean == 1 / 3


def test_integers_have_a_range_but_no_fit_into_float16(tmp_path: Path) -> None:
    program = Program(
        [
            Op("cast", {"x": "x", "dtype": [Text("int32")]}, "whole", "int32", SHAPE),
            Op("cast", {"x": "whole", "dtype": [Text("fp32")]}, "y", shape=SHAPE),
        ],
        {"y": ("float32", SHAPE)},
    )
    array = np.array([[-100000, 0, 3], [7, 0, 100000]], np.float32)
    whole, _ = observe_ranges(load(tmp_path, program), [{"x": array}])
    assert (whole.dtype, whole.minimum, whole.maximum, whole.smallest) == ("int32", -1e5, 1e5, 3.0)
    assert (whole.zeros, whole.half) == (2, None)


def test_the_lowest_int8_has_a_magnitude(tmp_path: Path) -> None:
    program = Program(
        [
            Op("cast", {"x": "x", "dtype": [Text("int8")]}, "byte", "int8", SHAPE),
            Op("cast", {"x": "byte", "dtype": [Text("fp32")]}, "y", shape=SHAPE),
        ],
        {"y": ("float32", SHAPE)},
        opset="CoreML7",
    )
    byte, _ = observe_ranges(load(tmp_path, program), [{"x": np.full(SHAPE, -128, np.float32)}])
    assert (byte.largest, byte.smallest, byte.zeros) == (128.0, 128.0, 0)


# IEEE 754 binary16: 65504 is the largest number, 65520 lies half a step above it; 2^-14 is the smallest normal number,
# 2^-24 the smallest. Ties go to the even neighbour: infinity, 0 and 2^-14.
EDGES = [
    (65504.0, "fits"),
    (np.nextafter(np.float32(65520), np.float32(0)), "fits"),
    (65520.0, "overflowing"),
    (3e38, "overflowing"),
    (2.0**-14, "fits"),
    (2.0**-14 - 2.0**-25, "fits"),
    (np.nextafter(np.float32(2.0**-14 - 2.0**-25), np.float32(0)), "subnormal"),
    (2.0**-24, "subnormal"),
    (np.nextafter(np.float32(2.0**-25), np.float32(1)), "subnormal"),
    (2.0**-25, "vanishing"),
    (1e-45, "vanishing"),
    (0.0, "fits"),
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("value", "fate"), EDGES)
def test_the_edges_of_float16(tmp_path: Path, value: float, fate: str, sign: int) -> None:
    half = observe_one(identity(tmp_path), np.full(SHAPE, sign * value, np.float32)).half
    assert half is not None
    expected = dict.fromkeys(("overflowing", "vanishing", "subnormal"), 0)
    assert half.model_dump() == (expected if fate == "fits" else {**expected, fate: 6})


def test_the_edges_of_float16_side_by_side(tmp_path: Path) -> None:
    array = np.array([value for value, _ in EDGES], np.float32)
    half = observe_one(identity(tmp_path, array.shape), array).half
    assert half is not None
    assert half.model_dump() == {name: sum(fate == name for _, fate in EDGES) for name in half.model_dump()}


def fates(array: np.ndarray) -> dict[str, int]:
    """The same by really rounding, with numpy."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    size = np.abs(half)
    return {
        "overflowing": int((np.isinf(half) & np.isfinite(array)).sum()),
        "vanishing": int(((half == 0) & (array != 0)).sum()),
        "subnormal": int(((size > 0) & (size < np.finfo(np.float16).smallest_normal)).sum()),
    }


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> CoreMLModel:
    return identity(tmp_path_factory.mktemp("echo"), (4, 8))


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hnp.arrays(np.float32, (4, 8), elements=st.floats(width=32)),
    hnp.arrays(np.int32, (4, 8), elements=st.integers(-30, 20)),
)
def test_any_values_are_counted_as_numpy_counts_them(echo: CoreMLModel, values: np.ndarray, powers: np.ndarray) -> None:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mild = np.ldexp(np.clip(values, -2, 2), powers).astype(np.float32)  # near float16's edges, where it matters
    for array in (values, mild):
        found = observe_one(echo, array)
        finite = array[np.isfinite(array)].astype(np.float64)
        assert (found.nans, found.infinities) == (np.isnan(array).sum(), np.isinf(array).sum())
        assert found.zeros == (array == 0).sum()
        assert found.minimum == (finite.min() if finite.size else None)
        assert found.maximum == (finite.max() if finite.size else None)
        sizes = np.abs(finite[finite != 0])
        assert found.smallest == (sizes.min() if sizes.size else None)
        assert found.half is not None
        assert found.half.model_dump() == fates(array)
        if finite.size:
            near = 1e-12 * np.abs(finite).max()  # float64 sums, whose terms may cancel
            assert found.mean == pytest.approx(math.fsum(finite) / finite.size, rel=1e-12, abs=near)


def halves(factor: float) -> Program:
    """`y = (x · factor) · 1 / factor` in float16, between casts."""
    return Program(
        [
            Op("cast", {"x": "x", "dtype": [Text("fp16")]}, "x_to_fp16", "float16", SHAPE),
            Op("mul", {"x": "x_to_fp16", "y": np.float16(factor)}, "m_cast_fp16", "float16", SHAPE),
            Op("real_div", {"x": "m_cast_fp16", "y": np.float16(factor)}, "q_cast_fp16", "float16", SHAPE),
            Op("cast", {"x": "q_cast_fp16", "dtype": [Text("fp32")]}, "y", "float32", SHAPE),
        ],
        {"y": ("float32", SHAPE)},
    )


def test_a_float16_program_that_overflows_is_told_where_it_begins(tmp_path: Path) -> None:
    found = {r.op: r for r in observe_ranges(load(tmp_path, halves(40000)), [{"x": X}])}
    half = {name: r.half.overflowing for name, r in found.items() if r.half is not None}
    assert half == {"x_to_fp16": 0, "m_cast_fp16": 2, "q_cast_fp16": 2, "y": 0}  # -3 and 2 times 40000
    assert [name for name, r in found.items() if r.breaks] == ["m_cast_fp16"]
    assert found["y"].infinities == 2  # the cast back widens infinities, it makes none
    assert found["m_cast_fp16"].half == HalfFit(overflowing=2, vanishing=None, subnormal=0)


def test_subnormal_values_of_a_float16_program_are_counted(tmp_path: Path) -> None:
    found = {r.op: r for r in observe_ranges(load(tmp_path, halves(2.0**-14)), [{"x": X}])}
    assert found["m_cast_fp16"].half == HalfFit(overflowing=0, vanishing=None, subnormal=1)  # 0.5 · 2^-14
    assert not any(r.breaks for r in found.values())


def test_what_comes_in_broken_does_not_break_here(tmp_path: Path) -> None:
    array = X.copy()
    array[0, 0] = np.nan
    assert not any(r.breaks for r in observe_ranges(load(tmp_path, halves(2)), [{"x": array}]))
    overflowing = observe_ranges(load(tmp_path / "b", halves(2)), [{"x": np.full(SHAPE, 7e4, np.float32)}])
    assert [r.op for r in overflowing if r.breaks] == ["x_to_fp16"]


def test_each_run_is_judged_by_its_own_values(tmp_path: Path) -> None:
    """The first run's infinities do not excuse the second's."""
    model = load(tmp_path, single("inverse", epsilon=np.float32(0)))
    ones, broken = np.ones(SHAPE, np.float32), np.full(SHAPE, np.nan, np.float32)
    assert not observe_one(model, broken, ones).breaks
    assert observe_one(model, broken, np.zeros(SHAPE, np.float32)).breaks


def test_a_program_with_state_lives_on_from_input_to_input(tmp_path: Path) -> None:
    ops = [
        Op("read_state", {"input": "s"}, "before", shape=SHAPE),
        Op("add", {"x": "before", "y": "x"}, "y", shape=SHAPE),
        Op("write_state", {"input": "s", "data": "y"}, ""),
    ]
    program = Program(ops, {"y": ("float32", SHAPE)}, opset="CoreML8", states={"s": ("float32", SHAPE)})
    arrays = (X, X, np.full(SHAPE, np.inf), X)
    found = {r.op: r for r in observe_ranges(load(tmp_path, program), [{"x": array} for array in arrays])}
    assert found["before"].maximum == 4.0  # 0, then 2, then 4
    assert found["y"].infinities == 12
    assert not any(r.breaks for r in found.values())


def test_no_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"model\.mlpackage: observing ranges needs at least one input"):
        observe_ranges(load(tmp_path, gain()), [])


def test_a_wrong_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="has no input 'z'"):
        observe_ranges(load(tmp_path, gain()), [{"z": X}])


def test_inputs_are_read_one_at_a_time_and_no_value_is_kept(tmp_path: Path) -> None:
    """Twenty runs of a 1 MB tensor need little more than one."""
    shape = (1, 1 << 18)
    model = identity(tmp_path, shape)

    def inputs(count: int) -> Iterator[dict[str, np.ndarray]]:
        for seed in range(count):
            yield {"x": np.full(shape, seed + 1, np.float32)}

    tracemalloc.start()
    found = observe_ranges(model, inputs(20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found[0].elements == 20 << 18
    assert found[0].maximum == 20.0
    assert peak < 5 << 20  # the input, its copy for the caller's output, and room


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.parametrize(("precision", "name"), [("FLOAT32", "power"), ("FLOAT16", "power_cast_fp16")])
def test_programs_of_the_converter_name_the_op_that_overflows(
    tmp_path: Path, coremltools: Any, precision: str, name: str
) -> None:
    """One op of a chain leaves float16's range: the float32 program would overflow there, the float16 program does."""

    def body(mb: Any, x: Any) -> Any:
        scaled = mb.mul(x=x, y=400.0, name="scaled")
        power = mb.mul(x=scaled, y=scaled, name="power")
        return mb.sqrt(x=power, name="root")

    array = np.linspace(0.1, 1.0, 10, dtype=np.float32).reshape(1, 10)
    path = convert_mil(coremltools, body, (1, 10), tmp_path / "x.mlpackage", precision)
    found = observe_ranges(CoreMLModel(path), [{"x": array}])
    over = [r for r in found if r.half is not None and r.half.overflowing]
    assert over[0].op == name
    assert over[0].half is not None
    assert over[0].half.overflowing == int(((400 * array.astype(np.float64)) ** 2 >= 65520).sum())
    assert over[0].breaks == (precision == "FLOAT16")

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.errors import EvaluationError

from .programs import Op, Program, Text, gain, write_package

X = np.arange(6, dtype=np.float32).reshape(2, 3)
OUT = {"y": ("float32", (2, 3))}


def load(tmp_path: Path, ops: list[Op], **changes: Any) -> CoreMLModel:
    return CoreMLModel(write_package(tmp_path, Program(ops, OUT, **changes)))


def test_constants_are_folded(tmp_path: Path) -> None:
    ops = [
        Op("const", {"val": np.float32(3)}, "three"),
        Op("square", {"x": "three"}, "nine"),
        Op("add", {"x": "nine", "y": "three"}, "twelve"),
        Op("mul", {"x": "x", "y": "twelve"}, "y", shape=(2, 3)),
    ]
    model = load(tmp_path, ops)
    assert [step.operation.kind for step in model.plan.steps] == ["mul"]
    np.testing.assert_array_equal(model.predict({"x": X})["y"], 12 * X)


def test_folded_float16_constants_are_rounded(tmp_path: Path) -> None:
    ops = [
        Op("const", {"val": np.float16(1e-4)}, "c", "float16"),
        Op("square", {"x": "c"}, "tiny", "float16"),
        Op("cast", {"x": "tiny", "dtype": Text("fp32")}, "wide"),
        Op("add", {"x": "x", "y": "wide"}, "y", shape=(2, 3)),
    ]
    assert load(tmp_path, ops).predict({"x": X * 0})["y"].max() == np.float32(np.float16(1e-4) ** 2)


def test_values_are_freed_after_their_last_use(tmp_path: Path) -> None:
    ops = [
        Op("add", {"x": "x", "y": np.float32(1)}, "a", shape=(2, 3)),
        Op("add", {"x": "a", "y": np.float32(1)}, "b", shape=(2, 3)),
        Op("add", {"x": "a", "y": np.float32(1)}, "unused", shape=(2, 3)),
        Op("add", {"x": "b", "y": np.float32(1)}, "y", shape=(2, 3)),
    ]
    model, alive, counts = load(tmp_path, ops), [], []

    def observe(op: Any, value: Any) -> None:
        alive.append(weakref.ref(value))
        counts.append(sum(reference() is not None for reference in alive))

    model.run({"x": X}, observe)
    assert counts == [1, 2, 3, 2]  # at the last step only b and y live


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (
            Op("convolve", {"x": "x"}, "y", shape=(2, 3)),
            r"op 0 \(y\): the emulator does not know op 'convolve' of opset CoreML5 \(iOS 15\)",
        ),
        (Op("mull", {"x": "x"}, "y", shape=(2, 3)), "did you mean 'mul'"),
        (Op("fill_like", {"ref_tensor": "x"}, "y", shape=(2, 3)), "it begins with iOS 16"),
        (Op("relu", {"x": "z"}, "y", shape=(2, 3)), r"op 0 \(y\): refers to 'z', which nothing before it defines"),
        (
            Op("relu", {"x": "x", "slope": np.float32(1)}, "y", shape=(2, 3)),
            r"parameter 'slope' is unknown to the emulator's relu \(x\)",
        ),
        (Op("mul", {"x": "x"}, "y", shape=(2, 3)), "parameter 'y' is missing"),
        (Op("const", {}, "y", shape=(2, 3)), "a const needs a value and one output"),
        (Op("gelu", {"x": "x", "mode": Text("FAST")}, "y", shape=(2, 3)), "gelu has mode 'FAST'; expected EXACT"),
    ],
)
def test_what_cannot_be_planned_is_named(tmp_path: Path, op: Op, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        load(tmp_path, [op])


def test_an_unknown_opset_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="unknown opset 'CoreML99'; known: CoreML5"):
        CoreMLModel(write_package(tmp_path, gain(opset="CoreML99")))


def test_an_output_that_nothing_defines_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="outputs: refers to 'y'"):
        load(tmp_path, [Op("relu", {"x": "x"}, "z", shape=(2, 3))])


def test_an_op_that_fails_is_named(tmp_path: Path) -> None:
    model = load(tmp_path, [Op("reshape", {"x": "x", "shape": np.array([5])}, "y", shape=(2, 3))])
    with pytest.raises(EvaluationError, match=r"op reshape \(op_y\) failed: RuntimeError: shape '\[5\]' is invalid"):
        model.predict({"x": X})
    with pytest.raises(EvaluationError, match=r"op reshape \(op_y\) failed"):
        model.run({"x": X}, lambda op, value: None)


def test_a_meaning_changes_with_the_opset(tmp_path: Path) -> None:
    op = Op("reshape", {"x": "x", "shape": np.array([1, 0, 0])}, "y", shape=(1, 2, 3))
    outputs = {"y": ("float32", (1, 2, 3))}
    old = CoreMLModel(write_package(tmp_path, Program([op], outputs), name="old.mlpackage"))
    with pytest.raises(EvaluationError, match="op reshape"):
        old.predict({"x": X})
    new = CoreMLModel(write_package(tmp_path, Program([op], outputs, opset="CoreML7"), name="new.mlpackage"))
    assert new.predict({"x": X})["y"].shape == (1, 2, 3)


@pytest.mark.parametrize(("level", "factor"), [(1.0, 10.0), (-1.0, 0.5)])
def test_a_block_reads_what_surrounds_it(tmp_path: Path, level: float, factor: float) -> None:
    def scaled(name: str, by: float) -> tuple[list[Op], list[str]]:
        inner = [Op("mul", {"x": "doubled", "y": np.float32(by)}, name, shape=(2, 3))]
        return inner, [name]

    ops = [
        Op("mul", {"x": "x", "y": np.float32(2)}, "doubled", shape=(2, 3)),
        Op("reduce_sum", {"x": "x"}, "total"),
        Op("greater", {"x": "total", "y": np.float32(0)}, "positive", "bool"),
        Op("cond", {"pred": "positive"}, "y", shape=(2, 3), blocks=[scaled("up", 5.0), scaled("down", 0.25)]),
    ]
    np.testing.assert_allclose(load(tmp_path, ops).predict({"x": level * (X + 1)})["y"], factor * level * (X + 1))


def test_parameters_may_be_computed_at_run_time(tmp_path: Path) -> None:
    ops = [
        Op("shape", {"x": "x"}, "sizes", "int32", (2,)),
        Op("reverse", {"x": "sizes", "axes": np.array([0])}, "turned", "int32", (2,)),
        Op("reshape", {"x": "x", "shape": "turned"}, "flat", shape=(3, 2)),
        Op("transpose", {"x": "flat", "perm": np.array([1, 0])}, "y", shape=(2, 3)),
    ]
    np.testing.assert_array_equal(load(tmp_path, ops).predict({"x": X})["y"], X.reshape(3, 2).T)


def test_a_convolution_may_take_its_weight_at_run_time(tmp_path: Path) -> None:
    ops = [
        Op("reshape", {"x": "x", "shape": np.array([1, 1, 6])}, "signal", shape=(1, 1, 6)),
        Op(
            "slice_by_index",
            {"x": "signal", "begin": np.zeros(3, np.int32), "end": np.array([1, 1, 3])},
            "w",
            shape=(1, 1, 3),
        ),
        Op("conv", {"x": "signal", "weight": "w", "pad_type": Text("valid")}, "c", shape=(1, 1, 4)),
        Op("reduce_sum", {"x": "c"}, "total"),
        Op("add", {"x": "x", "y": "total"}, "y", shape=(2, 3)),
    ]
    total = np.correlate(X.ravel(), X.ravel()[:3], "valid").sum()
    np.testing.assert_allclose(load(tmp_path, ops).predict({"x": X})["y"], X + total)

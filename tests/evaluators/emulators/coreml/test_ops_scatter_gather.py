"""Indices in and out of range, before iOS17 and since; results by numpy's own indexing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.binding import bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

from .programs import Op, Program, Text, write_package

DATA = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def compute(kind: str, opset: str, **arguments: Any) -> np.ndarray:
    given = {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in arguments.items()
    }
    bound = bind(find_op(kind, opset, where="here"), {name: [value] for name, value in given.items()}, where="here")
    result: np.ndarray = bound.call().numpy()
    return result


def int32(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize("opset", ["CoreML5", "CoreML7"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_gather_is_numpys_take(opset: str, axis: int) -> None:
    for indices in (int32(1), int32([1, 0]), int32([[0, 1], [1, 1]]), int32([])):
        found = compute("gather", opset, x=DATA, indices=indices, axis=axis)
        np.testing.assert_array_equal(found, np.take(DATA, indices, axis))


def test_gather_takes_batches() -> None:
    indices = int32([[0, 2, 1], [1, 1, 0]])
    expected = np.stack([DATA[i][indices[i]] for i in range(2)])
    np.testing.assert_array_equal(compute("gather", "CoreML6", x=DATA, indices=indices, axis=1, batch_dims=1), expected)
    found = compute("gather_nd", "CoreML7", x=DATA, indices=int32([[[0, 3], [1, 2]], [[2, 1], [0, 0]]]), batch_dims=1)
    np.testing.assert_array_equal(found, [[DATA[0, 0, 3], DATA[0, 1, 2]], [DATA[1, 2, 1], DATA[1, 0, 0]]])


NEGATIVE: list[tuple[str, dict[str, Any], Any]] = [
    ("gather", {"indices": int32([-1, 1]), "axis": 1}, DATA[:, [-1, 1]]),
    ("gather_along_axis", {"indices": int32([[[-1, 1, -2, 0]]] * 2), "axis": 1}, None),
    ("gather_nd", {"indices": int32([[-1, -3], [1, 2]])}, DATA[[-1, 1], [-3, 2]]),
]


@pytest.mark.parametrize(("kind", "arguments", "expected"), NEGATIVE, ids=[case[0] for case in NEGATIVE])
def test_up_to_ios16_negative_indices_count_from_the_end(kind: str, arguments: dict[str, Any], expected: Any) -> None:
    if expected is None:
        expected = np.take_along_axis(DATA, arguments["indices"], arguments["axis"])
    np.testing.assert_array_equal(compute(kind, "CoreML6", x=DATA, **arguments), expected)


BEYOND: list[tuple[str, dict[str, Any], Any]] = [
    ("gather", {"indices": int32([-1, 1, 9]), "axis": 1}, DATA[:, [0, 1, 2]]),
    ("gather_along_axis", {"indices": int32([[[-1, 1, 9, 0]]] * 2), "axis": 1}, None),
    ("gather_nd", {"indices": int32([[-1, 9], [1, 2]])}, DATA[[0, 1], [2, 2]]),
]


@pytest.mark.parametrize(("kind", "arguments", "expected"), BEYOND, ids=[case[0] for case in BEYOND])
def test_since_ios17_gathering_out_of_range_is_safe_or_refused(
    kind: str, arguments: dict[str, Any], expected: Any
) -> None:
    if expected is None:
        expected = np.take_along_axis(DATA, arguments["indices"].clip(0, 2), arguments["axis"])
    np.testing.assert_array_equal(compute(kind, "CoreML7", x=DATA, **arguments), expected)
    with pytest.raises(EvaluationError, match=r"index -1 is out of range; expected 0 to \d \(validate_indices\)"):
        compute(kind, "CoreML7", x=DATA, validate_indices=True, **arguments)


SCATTER_MODES = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "sub": lambda old, new: old - new,
    "mul": lambda old, new: old * new,
    "div": lambda old, new: old / new,
    "max": np.maximum,
    "min": np.minimum,
}


@pytest.mark.parametrize("opset", ["CoreML5", "CoreML7"])
@pytest.mark.parametrize("mode", SCATTER_MODES)
def test_scatter_changes_slices_one_after_another(mode: str, opset: str) -> None:
    updates = np.array([[2.0, 4, 8], [5, 1, 3]], np.float32).reshape(2, 3, 1) * np.ones((2, 3, 4), np.float32)
    for axis, indices in ((1, [2, 0, 1 if mode == "update" else 2]), (-2, [1, 0, 2])):
        expected = DATA.copy()
        for i, index in enumerate(indices):
            expected[:, index] = SCATTER_MODES[mode](expected[:, index], updates[:, i])
        found = compute("scatter", opset, data=DATA, indices=int32(indices), updates=updates, axis=axis, mode=mode)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("mode", SCATTER_MODES)
def test_since_ios17_placing_out_of_range_changes_nothing(mode: str) -> None:
    updates = np.full((2, 3, 4), 3, np.float32)
    expected = DATA.copy()
    expected[:, 1] = SCATTER_MODES[mode](DATA[:, 1], updates[:, 1])
    common = {"data": DATA, "updates": updates, "mode": mode}
    found = compute("scatter", "CoreML7", indices=int32([-1, 1, 3]), axis=1, **common)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    along = int32([[[-1] * 4, [1] * 4, [3] * 4]] * 2)
    found = compute("scatter_along_axis", "CoreML7", indices=along, axis=1, **common)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    rows = int32([[[0, -1], [0, 1], [2, 0]], [[-2, 1], [1, 1], [1, 3]]])
    found = compute("scatter_nd", "CoreML7", indices=rows, **common)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "indices"),
    [("scatter", [3, 0, 0]), ("scatter_along_axis", np.full((2, 3, 4), 3)), ("scatter_nd", np.full((2, 3, 2), 3))],
)
def test_validated_indices_are_refused_when_they_place_out_of_range(kind: str, indices: Any) -> None:
    arguments = {"data": DATA, "updates": DATA, "indices": int32(indices), "validate_indices": True}
    if kind != "scatter_nd":
        arguments["axis"] = 1
    with pytest.raises(EvaluationError, match="index 3 is out of range"):
        compute(kind, "CoreML7", **arguments)


def test_up_to_ios16_negative_places_count_from_the_end() -> None:
    updates = np.ones((2, 1, 4), np.float32)
    found = compute("scatter", "CoreML6", data=DATA, indices=int32([-1]), updates=updates, axis=1)
    expected = DATA.copy()
    expected[:, 2] += 1
    np.testing.assert_array_equal(found, expected)


def test_integers_are_divided_towards_zero_and_by_zero_give_zero() -> None:
    data = int32([7, -7, 5, 9])
    found = compute(
        "scatter", "CoreML7", data=data, indices=int32([0, 1, 2]), updates=int32([2, 2, 0]), mode="div"
    )  # fmt: skip
    assert found.tolist() == [3, -3, 0, 9]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(EvaluationError, match="scatter has mode 'xor'; expected update, add, sub, mul, div, max, min"):
        compute("scatter", "CoreML7", data=DATA, indices=int32([0]), updates=DATA[:1], mode="xor")


@pytest.mark.parametrize("opset", ["CoreML5", "CoreML7"])
@pytest.mark.parametrize("places", [[1], [0, 1]])
@pytest.mark.parametrize("mode", ["add", "mul", "update"])
def test_float16_results_are_rounded(tmp_path: Path, opset: str, places: list[int], mode: str) -> None:
    """2048 + 1 lies between two float16 numbers, as does 2048 + 3."""
    data, updates = np.array([5, 2048, 7], np.float16), np.array([1, 3][: len(places)], np.float16)
    inputs = {"data": data, "indices": np.array(places), "updates": updates, "axis": np.int32(0), "mode": Text(mode)}
    ops = [
        Op("cast", {"x": "x", "dtype": Text("fp16")}, "half", "float16", (3,)),
        Op("scatter", {**inputs, "data": "half"}, "scattered", "float16", (3,)),
        Op("cast", {"x": "scattered", "dtype": Text("fp32")}, "y", shape=(3,)),
    ]
    program = Program(ops, {"y": ("float32", (3,))}, {"x": ("float32", (3,))}, opset=opset)
    found = CoreMLModel(write_package(tmp_path, program)).predict({"x": data.astype(np.float32)})["y"]
    expected = data.copy()
    change = {"add": np.add, "mul": np.multiply, "update": lambda _, new: new}[mode]
    expected[places] = change(expected[places], updates)
    np.testing.assert_array_equal(found, expected)

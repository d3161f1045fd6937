"""Quantization of activations in closed form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.ops.quantization import dequantize, quantize
from evaluators.errors import EvaluationError

from .programs import Op, Program, Text, write_package

INF, NAN = float("inf"), float("nan")


def t(values: Any, dtype: Any = np.float32) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype))


@pytest.mark.parametrize(
    ("x", "dtype", "zero_point", "expected"),
    [
        ([0.25, 0.75, 1.25, -0.25, -0.75], "int8", None, [0, 2, 2, 0, -2]),  # quotients end in .5: to even
        ([0.24, 0.26, -0.26, -0.24], "int8", None, [0, 1, -1, 0]),
        ([63, 63.5, 64, 1e30, INF], "int8", None, [126, 127, 127, 127, 127]),
        ([-64, -64.5, -1e30, -INF], "int8", None, [-128, -128, -128, -128]),
        ([-1, 0, 127.5, 200], "uint8", None, [0, 0, 255, 255]),
        ([-64, 0, 63.5, 70], "uint8", 128, [0, 128, 255, 255]),
        ([-64, 0, 64], "int8", -100, [-128, -100, 28]),
        ([NAN, 0.5], "int8", None, [0, 1]),
        ([NAN, 0.5], "uint8", None, [0, 1]),
    ],
)
def test_quantization(x: list[float], dtype: str, zero_point: int | None, expected: list[int]) -> None:
    offset = None if zero_point is None else t(zero_point, dtype)
    found = quantize(t(0.5), dtype, offset)(t(x))
    assert str(found.dtype) == f"torch.{dtype}"
    assert found.tolist() == expected


@pytest.mark.parametrize("axis", [1, -2])
def test_each_index_of_an_axis_has_its_own_scale(axis: int) -> None:
    x = np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 4)
    scale, offset = np.array([1, 2, 4], np.float32), np.array([0, 10, -20], np.int8)
    expected = np.stack([np.rint(x[:, i] / scale[i]) + offset[i] for i in range(3)], axis=1)
    quantized = quantize(t(scale), "int8", t(offset, np.int8), axis)(t(x))
    np.testing.assert_array_equal(quantized.numpy(), expected)
    back = dequantize(t(scale), t(offset, np.int8), axis)(quantized)
    np.testing.assert_array_equal(back.numpy(), np.stack([np.rint(x[:, i] / scale[i]) * scale[i] for i in range(3)], 1))


@pytest.mark.parametrize(
    ("values", "dtype", "zero_point", "expected"),
    [
        ([-128, 0, 127], "int8", None, [-64, 0, 63.5]),
        ([-128, 0, 127], "int8", 127, [-127.5, -63.5, 0]),  # the difference does not fit into 8 bits
        ([0, 1, 255], "uint8", 255, [-127.5, -127, 0]),
        ([0, 1, 255], "uint8", None, [0, 0.5, 127.5]),
    ],
)
def test_dequantization(values: list[int], dtype: str, zero_point: int | None, expected: list[float]) -> None:
    x = t(values, dtype)
    found = dequantize(t(0.5), None if zero_point is None else t(zero_point, dtype))(x)
    assert found.tolist() == expected
    assert x.tolist() == values


@given(
    hnp.arrays(np.float32, st.integers(0, 20), elements=st.floats(-1, 1, width=32)),
    st.integers(-20, 20),
)
def test_what_lies_in_range_comes_back_within_half_a_step(x: np.ndarray, zero_point: int) -> None:
    scale, offset = np.float32(1 / 100), t(zero_point, np.int8)
    before = x.copy()
    back = dequantize(t(scale), offset)(quantize(t(scale), "int8", offset)(torch.from_numpy(x)))
    np.testing.assert_allclose(back.numpy(), x, rtol=0, atol=float(scale) * 0.501)  # half a step, and rounding
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize(t(1.0), "int16"), "output_dtype 'int16'; expected int8 or uint8"),
        (lambda: quantize(t([1, 2]), "int8"), r"shape \[2\] with axis None: expected a vector, an axis"),
        (lambda: dequantize(t([[1.0]]), axis=0), r"shape \[1, 1\] with axis 0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        call()


@pytest.mark.parametrize(("dtype", "expected"), [("float32", 0.3), ("float16", np.float16(0.3))])
def test_a_float16_program_rounds_what_it_dequantizes(tmp_path: Path, dtype: str, expected: Any) -> None:
    scale = np.array(0.1, dtype)
    ops = [
        Op("quantize", {"input": "x", "scale": scale, "output_dtype": Text("int8")}, "q", dtype="int8", shape=(2,)),
        Op("dequantize", {"input": "q", "scale": scale}, "y", dtype=dtype, shape=(2,)),
    ]
    program = Program(ops, {"y": (dtype, (2,))}, inputs={"x": (dtype, (2,))}, opset="CoreML7")
    found = CoreMLModel(write_package(tmp_path, program)).predict({"x": np.array([0.31, -1], dtype)})["y"]
    product = np.float64(scale) * np.array([3, -10])  # exact, then rounded once
    np.testing.assert_array_equal(found, product.astype(dtype))
    assert found[0] == pytest.approx(float(expected), rel=2e-3)

"""Where numbers are delicate: integers that wrap, zero divisors, casts that do not fit, NaN, no axes, mixed types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.emulators.coreml.binding import bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

NAN, INF = float("nan"), float("inf")
LOWEST = -(2**31)
INT32 = st.integers(LOWEST, 2**31 - 1)


def compute(kind: str, opset: str = "CoreML7", **arguments: Any) -> torch.Tensor:
    bound = bind(find_op(kind, opset, where="here"), {name: [v] for name, v in arguments.items()}, where="here")
    return bound.call()


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def wrapped(value: int, bits: int = 32) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


@given(INT32, INT32)
def test_integer_arithmetic_is_pythons_wrapped(x: int, y: int) -> None:
    one, other = int32(x), int32(y)
    assert compute("add", x=one, y=other).tolist() == [wrapped(x + y)]
    assert compute("sub", x=one, y=other).tolist() == [wrapped(x - y)]
    assert compute("mul", x=one, y=other).tolist() == [wrapped(x * y)]
    sign = -1 if (x < 0) != (y < 0) else 1
    assert compute("real_div", x=one, y=other).tolist() == [wrapped(sign * (abs(x) // abs(y)) if y else 0)]
    assert compute("floor_div", x=one, y=other).tolist() == [wrapped(x // y if y else 0)]
    assert compute("mod", x=one, y=other).tolist() == [x % y if y else 0]


@pytest.mark.parametrize("kind", ["real_div", "floor_div", "mod"])
def test_division_that_ends_a_process_elsewhere(kind: str) -> None:
    found = compute(kind, x=int32(LOWEST, 5, -5), y=int32(-1, 0, 0))
    assert found.tolist() == [0 if kind == "mod" else LOWEST, 0, 0]
    assert found.dtype == torch.int32


def test_powers_of_integers_lose_their_fractions() -> None:
    assert compute("pow", x=int32(3, -2, 1, -1), y=int32(4, 3, -5, -3)).tolist() == [81, -8, 1, -1]
    assert compute("pow", x=int32(3, 1), y=torch.tensor(-1, dtype=torch.int32)).tolist() == [0, 1]


CASTS: list[tuple[list[float], str, list[int]]] = [
    ([1.9, -1.9, 0.5, NAN], "int32", [1, -1, 0, 0]),
    ([3e9, -3e9, INF, -INF], "int32", [2**31 - 1, LOWEST, 2**31 - 1, LOWEST]),
    ([127.9, 128.0, -129.0, 300.0], "int8", [127, -128, 127, 44]),
    ([255.9, 256.0, -1.0, NAN], "uint8", [255, 0, 255, 0]),
    ([32768.0, -32769.0, 65536.0], "int16", [-32768, 32767, 0]),
    ([65535.0, 65536.0, -1.0], "uint16", [65535, 0, 65535]),
]


@pytest.mark.parametrize(("given_", "dtype", "expected"), CASTS)
def test_floats_become_integers(given_: list[float], dtype: str, expected: list[int]) -> None:
    assert compute("cast", x=torch.tensor(given_), dtype=dtype).tolist() == expected


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
@given(value=INT32)
def test_integers_keep_their_lowest_bits(dtype: str, value: int) -> None:
    expected = np.array(value, np.int32).astype(dtype)
    assert compute("cast", x=int32(value), dtype=dtype).item() == int(expected)


def test_truth_and_floats_are_cast() -> None:
    assert compute("cast", x=torch.tensor([0.0, -0.0, 0.5, NAN]), dtype="bool").tolist() == [False, False, True, True]
    assert compute("cast", x=torch.tensor([True, False]), dtype="fp32").tolist() == [1.0, 0.0]
    assert compute("cast", x=torch.tensor([True, False]), dtype="uint16").tolist() == [1, 0]


def test_nan_goes_through() -> None:
    x = torch.tensor([NAN, -1.0, 2.0])
    for kind, parameters in (
        ("sign", {}), ("relu", {}), ("relu6", {}), ("abs", {}), ("clip", {"alpha": -1.0, "beta": 1.0}),
        ("threshold", {"alpha": 0.0}), ("thresholded_relu", {"alpha": 0.5}), ("leaky_relu", {"alpha": 0.1}),
        ("clamped_relu", {"alpha": 0.1, "beta": 1.0}), ("elu", {"alpha": 1.0}),
        ("sigmoid_hard", {"alpha": 1.0, "beta": 0.0}),
    ):  # fmt: skip
        found = compute(kind, x=x, **parameters)
        assert torch.isnan(found).tolist() == [True, False, False], kind
    for kind in ("maximum", "minimum"):
        assert torch.isnan(compute(kind, x=x, y=torch.zeros(3))).tolist() == [True, False, False]
    for kind in ("reduce_max", "reduce_min", "reduce_sum"):
        assert torch.isnan(compute(kind, x=x))


@pytest.mark.parametrize("ascending", [True, False])
def test_nan_is_sorted_last(ascending: bool) -> None:
    x = torch.tensor([2.0, NAN, -1.0, 3.0])
    order = [2, 0, 3, 1] if ascending else [3, 0, 2, 1]
    assert compute("argsort", x=x, ascending=ascending).tolist() == order
    values, indices = compute("topk", x=x, k=3, ascending=ascending, output_indices_dtype="uint16")
    assert indices.tolist() == order[:3]
    assert values.tolist() == x[order[:3]].tolist()


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_integers_are_sorted_by_value_and_equals_as_they_come(dtype: torch.dtype) -> None:
    x = torch.tensor([3, 0, 127, 3, 0], dtype=dtype)
    assert compute("argsort", x=x, ascending=False).tolist() == [2, 0, 3, 1, 4]
    assert compute("argsort", x=x, ascending=True).tolist() == [1, 4, 0, 3, 2]
    low = torch.tensor([LOWEST, 0], dtype=torch.int32)  # its negative is itself
    assert compute("argsort", x=low, ascending=False).tolist() == [1, 0]


FLOAT_REDUCTIONS = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_prod": np.prod,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_l1_norm": lambda x, **k: np.sum(np.abs(x), **k),
    "reduce_l2_norm": lambda x, **k: np.sqrt(np.sum(x * x, **k)),
    "reduce_sum_square": lambda x, **k: np.sum(x * x, **k),
    "reduce_log_sum": lambda x, **k: np.log(np.sum(x, **k)),
    "reduce_log_sum_exp": lambda x, **k: np.log(np.sum(np.exp(x), **k)),
}


@pytest.mark.parametrize("keep_dims", [True, False])
@pytest.mark.parametrize("axes", [None, [], [1], [-1, 0], [0, 1, 2]])
@pytest.mark.parametrize("kind", FLOAT_REDUCTIONS)
def test_reductions_over_any_axes_and_over_none(kind: str, axes: list[int] | None, keep_dims: bool) -> None:
    x = torch.rand((2, 3, 4), generator=torch.Generator().manual_seed(1)) + 0.5
    given_ = {} if axes is None else {"axes": torch.tensor(axes, dtype=torch.int32)}
    expected = FLOAT_REDUCTIONS[kind](
        x.double().numpy(), axis=None if axes is None else tuple(axes), keepdims=keep_dims
    )
    found = compute(kind, x=x, keep_dims=keep_dims, **given_)
    assert tuple(found.shape) == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6)


@given(st.lists(INT32, min_size=1, max_size=5))
def test_integer_means_are_cut_and_sums_wrap(values: list[int]) -> None:
    x = int32(*values)
    assert compute("reduce_mean", x=x).item() == int(np.trunc(np.mean(np.array(values, np.float64))))
    assert compute("reduce_sum", x=x).item() == wrapped(sum(values))
    squares = wrapped(sum(v * v for v in values))
    assert compute("reduce_sum_square", x=x).item() == squares
    if squares >= 0:
        assert compute("reduce_l2_norm", x=x).item() == int(np.sqrt(float(squares)))


def test_arguments_are_found_in_the_type_asked_for() -> None:
    x = torch.tensor([[1, 5, 5], [7, 0, 0]], dtype=torch.int32)
    assert compute("reduce_argmax", x=x, axis=1).tolist() == [1, 0]
    found = compute("reduce_argmin", x=x, axis=-1, keep_dims=True, output_dtype="UINT16")
    assert found.tolist() == [[0], [1]]
    assert compute("reduce_argmax", x=x, axis=0).dtype == torch.int32


def test_products_of_mixed_types() -> None:
    x, y = torch.tensor([[1.5, 2.0]]), torch.tensor([[2, 1], [4, 3]], dtype=torch.int32)
    assert compute("matmul", x=x, y=y).tolist() == [[11.0, 7.5]]
    assert compute("matmul", x=y, y=x, transpose_y=True).tolist() == [[5.0], [12.0]]
    weight, bias = torch.tensor([[2, 4]], dtype=torch.int32), torch.tensor([1], dtype=torch.int32)
    assert compute("linear", x=x, weight=weight, bias=bias).tolist() == [[12.0]]
    found = compute("linear", x=int32(3, 5).reshape(1, 2), weight=torch.tensor([[0.5, 1.0]]), bias=torch.tensor([0.25]))
    assert found.tolist() == [[6]]
    assert found.dtype == torch.int32
    whole = compute("linear", x=int32(3, 5).reshape(1, 2), weight=weight, bias=bias)
    assert whole.tolist() == [[27]]


def test_empty_tensors() -> None:
    empty = torch.zeros(2, 0)
    assert compute("cumsum", x=empty, axis=1, exclusive=True).shape == (2, 0)
    assert compute("flatten2d", x=torch.zeros(2, 0, 3), axis=1).shape == (2, 0)
    assert compute("flatten2d", x=torch.zeros(4, 3), axis=0).shape == (1, 12)
    assert compute("reduce_sum", x=empty, axes=torch.tensor([1])).tolist() == [0.0, 0.0]
    assert compute("argsort", x=empty).shape == (2, 0)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_transposed_convolution_has_its_bias_beyond_its_end(dimensions: int) -> None:
    """Torch's `output_padding` is what the op's `output_shape` asks for beyond the whole result."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn((1, 2, *[4] * dimensions), generator=generator)
    weight, bias = torch.randn((2, 3, *[2] * dimensions), generator=generator), torch.tensor([1.0, 2.0, 3.0])
    function = getattr(torch.nn.functional, f"conv_transpose{dimensions}d")
    expected = function(x, weight, bias, stride=3, output_padding=2)
    found = compute(
        "conv_transpose", x=x, weight=weight, bias=bias, strides=[3] * dimensions, output_shape=list(expected.shape)
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found[(0, slice(None), *[-1] * dimensions)].tolist() == [1.0, 2.0, 3.0]


def test_custom_padding_is_zero_unless_given() -> None:
    x, weight = torch.rand(1, 2, 5), torch.rand(3, 2, 2)
    found = compute("conv", x=x, weight=weight, pad_type="custom")
    torch.testing.assert_close(found, torch.nn.functional.conv1d(x, weight), rtol=1e-5, atol=1e-6)


@pytest.mark.coreml
@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_quantized_convolution_runs(run_mil: Any, channels: int) -> None:
    generator = np.random.default_rng(3)
    x = generator.standard_normal((1, 2, 5, 6)).astype(np.float32)
    weight = generator.integers(0, 256, (3, 2, 2, 2)).astype(np.uint8)
    scale = generator.uniform(0.01, 0.02, channels).astype(np.float32)
    bias = generator.uniform(-1, 1, channels).astype(np.float32)
    (found,) = run_mil(
        lambda mb, x: mb.conv_quantized(
            x=x, weight=weight, quantization_type="linear", nbits=8, quant_scale=scale, quant_bias=bias
        ),
        {"x": x},
        "iOS15",
    )
    whole = weight * scale.reshape(-1, 1, 1, 1) + bias.reshape(-1, 1, 1, 1)
    expected = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(whole))
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-5)


def test_a_quantized_convolution_without_a_table_is_refused() -> None:
    arguments = {
        "weight": torch.zeros(1, 1, 1, dtype=torch.uint8),
        "quant_scale": torch.ones(1),
        "x": torch.ones(1, 1, 1),
    }
    with pytest.raises(EvaluationError, match="quantization_type 'lut'; expected linear"):
        compute("conv_quantized", "CoreML5", quantization_type="lut", quant_bias=torch.zeros(1), **arguments)


@pytest.mark.parametrize("exclude", [True, False])
def test_pools_spell_their_padding_either_way(exclude: bool) -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0]]])
    parameters = {"kernel_sizes": torch.tensor([3]), "exclude_padding_from_average": exclude}
    found = compute("avg_pool", x=x, pad_type="SAME", **parameters)
    expected = [1.5, 2.0, 2.5] if exclude else [1.0, 2.0, 5 / 3]
    assert found.flatten().tolist() == pytest.approx(expected)
    assert torch.equal(found, compute("avg_pool", x=x, pad_type="same", **parameters))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_running_sum_is_rounded_at_each_step(reverse: bool) -> None:
    """A phase over half a second of samples: torch's float64 inside would hide what a phone loses."""
    steps = np.random.default_rng(7).uniform(0, 1, 30_000).astype(np.float32)
    ordered = steps[::-1] if reverse else steps
    total, expected = np.float32(0), []
    for step in ordered:
        total = np.float32(total + step)
        expected.append(total)
    found = compute("cumsum", x=torch.from_numpy(steps), axis=0, reverse=reverse).numpy()
    np.testing.assert_array_equal(found[::-1] if reverse else found, np.array(expected))
    exact = np.cumsum(ordered, dtype=np.float64)
    assert np.abs(np.array(expected) - exact).max() > 1e-2

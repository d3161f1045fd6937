"""Every family against numpy or torch: programs written by coremltools' own builder, results in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.draws import integers, normal, positive

pytestmark = [pytest.mark.coreml, pytest.mark.slow]

TOLERANCE = 2e-6
"""relative to the largest value: some tens of float32 roundings, for sums taken in another order"""

Case = tuple[str, dict[str, np.ndarray], Callable[..., Any], Callable[..., Any]]


def t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


def check(run_mil: Callable[..., list[np.ndarray]], case: Case, target: str = "iOS17") -> None:
    _, inputs, body, expected = case
    found = run_mil(body, inputs, target)
    wanted = expected(*inputs.values())
    wanted = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
    assert len(found) == len(wanted)
    for array, reference in zip(found, wanted, strict=True):
        reference = np.asarray(reference)
        assert array.shape == reference.shape
        scale = max(1.0, float(np.max(np.abs(reference), initial=0.0)))
        np.testing.assert_allclose(array, reference, rtol=TOLERANCE, atol=TOLERANCE * scale)


def unary(kind: str, inputs: np.ndarray, expected: Callable[..., Any], **parameters: Any) -> Case:
    name = kind + "".join(f"-{value}" for value in parameters.values())
    return name, {"x": inputs}, lambda mb, x: getattr(mb, kind)(x=x, **parameters), expected


def binary(kind: str, x: np.ndarray, y: np.ndarray, expected: Callable[..., Any]) -> Case:
    def body(mb: Any, x: Any, y: Any) -> Any:
        result = getattr(mb, kind)(x=x, y=y)
        return mb.cast(x=result, dtype="int32") if result.dtype.__name__ == "bool" else result

    return f"{kind}-{x.dtype}", {"x": x, "y": y}, body, expected


def cases(*found: Case) -> Any:
    return pytest.mark.parametrize("case", found, ids=[f"{i}-{case[0]}" for i, case in enumerate(found)])


@cases(
    *(
        binary(k, normal(2, 3), normal(1, 3), f)
        for k, f in (
            ("add", np.add),
            ("sub", np.subtract),
            ("mul", np.multiply),
            ("real_div", np.divide),
            ("floor_div", np.floor_divide),
            ("mod", np.mod),
            ("maximum", np.maximum),
            ("minimum", np.minimum),
        )
    ),
    *(
        binary(k, integers(3, 4, low=0, high=3), integers(4, low=0, high=3), f)
        for k, f in (
            ("equal", np.equal),
            ("not_equal", np.not_equal),
            ("greater", np.greater),
            ("less", np.less),
            ("greater_equal", np.greater_equal),
            ("less_equal", np.less_equal),
            ("add", np.add),
            ("sub", np.subtract),
        )
    ),
    binary("pow", positive(2, 3), normal(2, 3), np.power),
    binary("floor_div", integers(9), integers(9, low=1, high=4), np.floor_divide),
    binary("mod", integers(9), integers(9, low=1, high=4), np.mod),
    binary("real_div", integers(9), integers(9, low=1, high=4), lambda x, y: np.trunc(x / y)),
    unary("pow", normal(2, 3), np.square, y=2.0),
    (
        "logical",
        {"x": normal(9), "y": normal(9, seed=1)},
        lambda mb, x, y: [
            mb.cast(x=getattr(mb, f"logical_{k}")(x=mb.greater(x=x, y=0.0), y=mb.greater(x=y, y=0.0)), dtype="int32")
            for k in ("and", "or", "xor")
        ],
        lambda x, y: ((x > 0) & (y > 0), (x > 0) | (y > 0), (x > 0) ^ (y > 0)),
    ),
)
def test_elementwise_binary(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


@cases(
    *(
        unary(k, positive(2, 3), f)
        for k, f in (
            ("acos", np.arccos),
            ("asin", np.arcsin),
            ("atan", np.arctan),
            ("atanh", np.arctanh),
            ("cos", np.cos),
            ("cosh", np.cosh),
            ("exp", np.exp),
            ("exp2", np.exp2),
            ("sin", np.sin),
            ("sinh", np.sinh),
            ("sqrt", np.sqrt),
            ("square", np.square),
            ("tan", np.tan),
            ("tanh", np.tanh),
        )
    ),
    *(
        unary(k, normal(40) * 3, f)
        for k, f in (
            ("abs", np.abs),
            ("ceil", np.ceil),
            ("floor", np.floor),
            ("sign", np.sign),
            ("round", np.round),
        )
    ),
    unary("round", np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32), lambda x: np.array([0, 2, 2, 0, -2])),
    unary("erf", normal(9), lambda x: torch.erf(t(x))),
    unary("inverse", positive(9), lambda x: 1 / (x + 0.5), epsilon=0.5),
    unary("inverse", positive(9), lambda x: 1 / (x + np.float32(1e-4))),
    unary("log", positive(9), lambda x: np.log(x + 0.25), epsilon=0.25),
    unary("log", positive(9), np.log),
    unary("rsqrt", positive(9), lambda x: 1 / np.sqrt(x + 0.25), epsilon=0.25),
    unary("clip", normal(9), lambda x: np.clip(x, -0.5, 0.25), alpha=-0.5, beta=0.25),
    unary("threshold", normal(9), lambda x: np.maximum(x, 0.25), alpha=0.25),
    unary("cast", normal(9) * 5, np.trunc, dtype="int32"),
    unary("cast", integers(9), lambda x: x.astype(np.float32), dtype="fp32"),
    (
        "not",
        {"x": normal(9)},
        lambda mb, x: mb.cast(x=mb.logical_not(x=mb.greater(x=x, y=0.0)), dtype="int32"),
        lambda x: x <= 0,
    ),
)
def test_elementwise_unary(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


@cases(
    unary("relu", normal(9), lambda x: np.maximum(x, 0)),
    unary("relu6", normal(9) * 6, lambda x: np.clip(x, 0, 6)),
    unary("clamped_relu", normal(99) * 3, lambda x: np.minimum(1, np.where(x >= 0, x, 0.5 * x)), alpha=0.5, beta=1.0),
    unary("leaky_relu", normal(9), lambda x: np.where(x >= 0, x, 0.1 * x), alpha=0.1),
    unary(
        "prelu",
        normal(2, 3, 4, 5),
        lambda x: np.where(x > 0, x, x * np.array([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)),
        alpha=np.array([0.1, 0.2, 0.3], np.float32),
    ),
    unary("thresholded_relu", normal(9), lambda x: np.where(x >= 0.25, x, 0), alpha=0.25),
    unary("elu", normal(9), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), alpha=0.5),
    unary("gelu", normal(9), lambda x: F.gelu(t(x)), mode="EXACT"),
    unary(
        "gelu",
        normal(9),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        mode="TANH_APPROXIMATION",
    ),
    unary("gelu", normal(9), lambda x: x / (1 + np.exp(-1.702 * x)), mode="SIGMOID_APPROXIMATION"),
    unary("linear_activation", normal(9), lambda x: 2 * x + 3, alpha=2.0, beta=3.0),
    unary("scaled_tanh", normal(9), lambda x: 2 * np.tanh(3 * x), alpha=2.0, beta=3.0),
    unary("sigmoid", normal(9), lambda x: 1 / (1 + np.exp(-x))),
    unary("sigmoid_hard", normal(99) * 3, lambda x: np.clip(0.2 * x + 0.5, 0, 1), alpha=0.2, beta=0.5),
    unary("silu", normal(9), lambda x: x / (1 + np.exp(-x))),
    unary("softplus", np.array([-100, -1, 0, 1, 100], np.float32), lambda x: np.logaddexp(x, 0)),
    unary(
        "softplus_parametric",
        normal(1, 2, 3, 4),
        lambda x: np.array([1, 2]).reshape(1, 2, 1, 1) * np.log1p(np.exp(x * np.array([0.5, 3]).reshape(1, 2, 1, 1))),
        alpha=np.array([1, 2], np.float32),
        beta=np.array([0.5, 3], np.float32),
    ),
    unary("softmax", normal(3, 4), lambda x: np.exp(x) / np.exp(x).sum(0), axis=0),
    unary("softsign", normal(9), lambda x: x / (1 + np.abs(x))),
)
def test_activation(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


@cases(
    *(
        unary(f"reduce_{k}", positive(3, 4, 5), lambda x, f=f: f(x, (0, 2)), axes=[0, -1])
        for k, f in (
            ("sum", np.sum),
            ("mean", np.mean),
            ("prod", np.prod),
            ("max", np.max),
            ("min", np.min),
            ("l1_norm", lambda x, a: np.abs(x).sum(a)),
            ("l2_norm", lambda x, a: np.sqrt(np.square(x).sum(a))),
            ("log_sum", lambda x, a: np.log(x.sum(a))),
            ("log_sum_exp", lambda x, a: np.log(np.exp(x).sum(a))),
            ("sum_square", lambda x, a: np.square(x).sum(a)),
        )
    ),
    unary("reduce_sum", normal(3, 4), lambda x: x.sum(1, keepdims=True), axes=[1], keep_dims=True),
    unary("reduce_max", integers(3, 4), lambda x: x.max(0), axes=[0]),
    unary("reduce_sum", integers(3, 4), lambda x: x.sum(0), axes=[0]),
    unary("reduce_argmax", normal(3, 4), lambda x: x.argmax(0), axis=0),
    unary("reduce_argmin", normal(3, 4), lambda x: x.argmin(1, keepdims=True), axis=1, keep_dims=True),
)
def test_reduction(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


def convolution(shape: tuple[int, ...], weight: tuple[int, ...], expected: Callable[..., Any], **rest: Any) -> Case:
    values, bias = normal(*weight) * 0.1, normal(weight[0])
    function = (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3]
    return (
        f"conv-{shape}-{weight}",
        {"x": normal(*shape)},
        lambda mb, x: mb.conv(x=x, weight=values, bias=bias, **rest),
        lambda x: expected(function, t(x), t(values), t(bias)),
    )


@cases(
    convolution((1, 3, 20), (20, 3, 5), lambda f, x, w, b: f(x, w, b, 2), pad_type="valid", strides=[2]),
    convolution((2, 1, 99), (1, 1, 9), lambda f, x, w, b: f(x, w, b, 2), pad_type="valid", strides=[2]),
    convolution((1, 3, 9, 8), (4, 3, 3, 3), lambda f, x, w, b: f(x, w, b, 1, 1), pad_type="same"),
    convolution((1, 3, 40, 8), (2, 3, 3, 3), lambda f, x, w, b: f(x, w, b, 1, 1), pad_type="same"),
    convolution(
        (2, 3, 41, 9), (1, 3, 5, 4), lambda f, x, w, b: f(F.pad(x, (1, 2, 2, 2)), w, b, (1, 1)), pad_type="same"
    ),
    convolution(
        (1, 2, 30, 9),
        (3, 2, 5, 3),
        lambda f, x, w, b: f(F.pad(x, (1, 1, 1, 2)), w, b, (2, 1)),
        pad_type="same",
        strides=[2, 1],
    ),
    convolution(
        (1, 2, 10, 9), (20, 2, 2, 3), lambda f, x, w, b: f(F.pad(x, (1, 1, 1, 0)), w, b), pad_type="same_lower"
    ),
    convolution((1, 2, 33, 9), (2, 2, 2, 3), lambda f, x, w, b: f(F.pad(x, (1, 1, 1, 0)), w, b), pad_type="same_lower"),
    convolution(
        (1, 2, 30, 9),
        (2, 2, 3, 3),
        lambda f, x, w, b: f(F.pad(x, (0, 1, 2, 3)), w, b),
        pad_type="custom",
        pad=[2, 3, 0, 1],
    ),
    convolution(
        (1, 4, 40), (4, 1, 3), lambda f, x, w, b: f(x, w, b, 1, 2, 2, 4), pad_type="same", dilations=[2], groups=4
    ),
    convolution(
        (1, 2, 40, 5), (2, 2, 3, 2), lambda f, x, w, b: f(x, w, b, 1, 0, (1, 2)), pad_type="valid", dilations=[1, 2]
    ),
    convolution((1, 2, 20, 6, 7), (2, 2, 3, 2, 3), lambda f, x, w, b: f(x, w, b), pad_type="valid"),
    convolution((1, 2, 17), (1, 2, 3), lambda f, x, w, b: f(x, w, b), pad_type="valid"),
)
def test_conv(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


@pytest.mark.parametrize("length", [11215, 2996, 941, 427])
def test_a_long_audio_kernel_sums_its_taps_in_order(run_mil: Any, length: int) -> None:
    """As XNNPACK and TensorFlow do: what lies behind a logarithm of quiet bins depends on these bits."""
    random = np.random.default_rng(length)
    taps, signal = (random.normal(size=size).astype(np.float32) for size in (256, length))
    count = (length - 256) // 2 + 1
    expected = np.zeros(count, np.float32)
    for tap in range(256):  # a fused multiply-add rounds once; float64 holds the product exactly
        products = signal[tap : tap + 2 * count : 2].astype(np.float64) * taps[tap]
        expected = (expected.astype(np.float64) + products).astype(np.float32)
    (output,) = run_mil(
        lambda mb, x: mb.conv(x=x, weight=taps[None, None], strides=[2], pad_type="valid"), {"x": signal[None, None]}
    )
    np.testing.assert_array_equal(output.ravel(), expected)


def deconvolution(expected: Callable[..., Any], **rest: Any) -> Case:
    values, bias = normal(3, 4, 4), normal(4)
    return (
        "conv_transpose",
        {"x": normal(1, 3, 5)},
        lambda mb, x: mb.conv_transpose(x=x, weight=values, bias=bias, **rest),
        lambda x: expected(F.conv_transpose1d(t(x), t(values), t(bias), 2)),
    )


@cases(
    deconvolution(lambda y: y, strides=[2], pad_type="valid"),
    deconvolution(lambda y: y[..., 1:-2], strides=[2], pad_type="custom", pad=[1, 2]),
    deconvolution(lambda y: y[..., 1:-1], strides=[2], pad_type="same"),
    deconvolution(lambda y: y[..., 1:], strides=[2], pad_type="custom", pad=[1, 1], output_shape=[1, 4, 11]),
)
def test_conv_transpose(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


def pool(kind: str, shape: tuple[int, ...], expected: Callable[..., Any], **rest: Any) -> Case:
    return f"{kind}", {"x": normal(*shape)}, lambda mb, x: getattr(mb, kind)(x=x, **rest), lambda x: expected(t(x))


@cases(
    pool("max_pool", (1, 2, 9), lambda x: F.max_pool1d(x, 3, 2), kernel_sizes=[3], strides=[2], pad_type="valid"),
    pool(
        "max_pool",
        (1, 2, 6, 7),
        lambda x: F.max_pool2d(x, 3, 1, 1),
        kernel_sizes=[3, 3],
        strides=[1, 1],
        pad_type="same",
    ),
    pool(
        "max_pool",
        (1, 2, 8, 9),
        lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="valid",
        ceil_mode=True,
    ),
    pool(
        "avg_pool",
        (1, 2, 9),
        lambda x: F.avg_pool1d(x, 3, 2, 1),
        kernel_sizes=[3],
        strides=[2],
        pad_type="custom",
        pad=[1, 1],
    ),
    pool(
        "avg_pool",
        (1, 2, 9),
        lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False),
        kernel_sizes=[3],
        strides=[2],
        pad_type="custom",
        pad=[1, 1],
        exclude_padding_from_average=True,
    ),
    pool(
        "avg_pool",
        (1, 2, 8, 9),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
        ceil_mode=True,
    ),
    pool(
        "avg_pool",
        (1, 2, 8, 9),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
        ceil_mode=True,
        exclude_padding_from_average=True,
    ),
    pool(
        "avg_pool",
        (1, 2, 4, 5, 6),
        lambda x: F.avg_pool3d(x, 2, 2),
        kernel_sizes=[2] * 3,
        strides=[2] * 3,
        pad_type="valid",
    ),
    pool(
        "l2_pool",
        (1, 2, 6, 7),
        lambda x: torch.sqrt(F.avg_pool2d(x * x, 2, 1) * 4),
        kernel_sizes=[2, 2],
        strides=[1, 1],
        pad_type="valid",
    ),
)
def test_pool(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


W, B = normal(5, 4), normal(5)


@cases(
    ("linear", {"x": normal(2, 3, 4)}, lambda mb, x: mb.linear(x=x, weight=W, bias=B), lambda x: x @ W.T + B),
    ("matmul", {"x": normal(2, 3, 4), "y": normal(4, 5)}, lambda mb, x, y: mb.matmul(x=x, y=y), np.matmul),
    (
        "matmul-transposed",
        {"x": normal(2, 4, 3), "y": normal(2, 5, 4)},
        lambda mb, x, y: mb.matmul(x=x, y=y, transpose_x=True, transpose_y=True),
        lambda x, y: np.swapaxes(x, 1, 2) @ np.swapaxes(y, 1, 2),
    ),
    (
        "einsum",
        {"x": normal(1, 3, 2, 4), "y": normal(1, 4, 2, 5)},
        lambda mb, x, y: mb.einsum(values=(x, y), equation="nchw,nwhu->nchu"),
        lambda x, y: np.einsum("nchw,nwhu->nchu", x, y),
    ),
)
def test_linear(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


M, V, G, H = normal(3), positive(3), normal(3, seed=1), normal(3, seed=2)


def normalised(x: np.ndarray, axes: tuple[int, ...], epsilon: float = 1e-5) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


@cases(
    unary(
        "batch_norm",
        normal(2, 3, 4),
        lambda x: F.batch_norm(t(x), t(M), t(V), t(G), t(H), eps=1e-3),
        mean=M,
        variance=V,
        gamma=G,
        beta=H,
        epsilon=1e-3,
    ),
    unary("batch_norm", normal(2, 3, 4, 5), lambda x: F.batch_norm(t(x), t(M), t(V)), mean=M, variance=V),
    unary(
        "instance_norm",
        normal(2, 3, 4, 5),
        lambda x: normalised(x, (2, 3)) * G.reshape(1, 3, 1, 1) + H.reshape(1, 3, 1, 1),
        gamma=G,
        beta=H,
    ),
    unary("layer_norm", normal(2, 4, 3), lambda x: normalised(x, (2,)) * G + H, axes=[-1], gamma=G, beta=H),
    unary("layer_norm", normal(2, 3, 4), lambda x: normalised(x, (1,)) * G[:, None], axes=[1], gamma=G, beta=H * 0),
    unary(
        "l2_norm",
        normal(2, 3, 4, 5),
        lambda x: x / np.sqrt(np.square(x).sum((1, 2, 3), keepdims=True) + 1e-3),
        epsilon=1e-3,
    ),
    unary(
        "local_response_norm",
        normal(1, 6, 4),
        lambda x: F.local_response_norm(t(x), 3, 0.1, 0.5, 2.0),
        size=3,
        alpha=0.1,
        beta=0.5,
        k=2.0,
    ),
)
def test_normalization(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
IMAGE = np.arange(2 * 4 * 4 * 6, dtype=np.float32).reshape(2, 4, 4, 6)


@cases(
    unary("reshape", A, lambda x: x.reshape(4, 6), shape=[4, -1]),
    unary("reshape", A, lambda x: x.reshape(2, 3, 2, 2)[None], shape=[1, 2, 3, 2, 2]),
    unary("expand_dims", A, lambda x: x[:, None, :, :, None], axes=[1, -1]),
    unary("squeeze", A[:1, :, :1], lambda x: x.reshape(3), axes=[0, 2]),
    unary("transpose", A, lambda x: x.transpose(2, 0, 1), perm=[2, 0, -2]),
    unary("reverse", A, lambda x: x[::-1, :, ::-1], axes=[0, 2]),
    unary("reverse", A, lambda x: x[::-1, ::-1, ::-1]),
    unary(
        "reverse_sequence",
        A[0],
        lambda x: np.stack([x[0, [1, 0, 2, 3]], x[1], x[2, [2, 1, 0, 3]]]),
        lengths=np.array([2, 1, 3], np.int32),
        seq_axis=1,
        batch_axis=0,
    ),
    unary("slice_by_index", A, lambda x: x[1:, :2, 3:0:-2], begin=[1, 0, 3], end=[2, 2, 0], stride=[1, 1, -2]),
    unary(
        "slice_by_index",
        A,
        lambda x: x[:, -2:, 1::2],
        begin=[0, -2, 1],
        end=[2, 3, 0],
        stride=[1, 1, 2],
        begin_mask=[True, False, False],
        end_mask=[False, True, True],
    ),
    unary(
        "slice_by_index", A, lambda x: x[1, :, -1], begin=[1, 0, -1], end=[0, 3, 0], squeeze_mask=[True, False, True]
    ),
    unary("slice_by_size", A, lambda x: x[1:2, 1:, 2:4], begin=[1, 1, 2], size=[1, -1, 2]),
    unary(
        "depth_to_space",
        IMAGE,
        lambda x: x.reshape(2, 2, 2, 1, 4, 6).transpose(0, 3, 4, 1, 5, 2).reshape(2, 1, 8, 12),
        block_size=2,
    ),
    unary(
        "space_to_depth",
        IMAGE,
        lambda x: x.reshape(2, 4, 2, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(2, 16, 2, 3),
        block_size=2,
    ),
    unary("pixel_shuffle", IMAGE, lambda x: F.pixel_shuffle(t(x), 2), upscale_factor=2),
    unary("pixel_unshuffle", IMAGE, lambda x: F.pixel_unshuffle(t(x), 2), downscale_factor=np.uint32(2)),
    unary("sliding_windows", A[0], lambda x: np.stack([x[:, 0:2], x[:, 1:3], x[:, 2:4]], 1), axis=1, size=2),
    (
        "space_to_batch",
        {"x": IMAGE},
        lambda mb, x: mb.batch_to_space(
            x=mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[1, 1], [0, 0]]),
            block_shape=[2, 3],
            crops=[[1, 1], [0, 0]],
        ),
        lambda x: x,
    ),
    (
        "reshape_like",
        {"x": A, "y": normal(6, 2), "z": normal(9, 2)},
        lambda mb, x, y, z: mb.reshape_like(
            x=x,
            ref_tensors=(y, z),
            begins=(np.int32(0), np.int32(1)),
            ends=(np.int32(2), np.int32(0)),
            end_masks=(False, True),
        ),
        lambda x, y, z: x.reshape(6, 2, 2),
    ),
)
def test_tensor_transformation(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


def test_slice_update(run_mil: Any) -> None:
    def expected(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        result = x.copy()
        result[1:, :, 1:3] = u
        return result

    def body(mb: Any, x: Any, u: Any) -> Any:
        return mb.slice_update(x=x, update=u, begin=[1, 0, 1], end=[2, 3, 3])

    check(run_mil, ("slice_update", {"x": A, "u": normal(1, 3, 2)}, body, expected), "iOS18")


@cases(
    (
        "concat",
        {"x": A, "y": A + 1},
        lambda mb, x, y: mb.concat(values=(x, y), axis=1),
        lambda x, y: np.concatenate((x, y), 1),
    ),
    (
        "interleave",
        {"x": A, "y": A + 1},
        lambda mb, x, y: mb.concat(values=(x, y), axis=1, interleave=True),
        lambda x, y: np.stack((x, y), 2).reshape(2, 6, 4),
    ),
    (
        "stack",
        {"x": A, "y": A + 1},
        lambda mb, x, y: mb.stack(values=(x, y), axis=-1),
        lambda x, y: np.stack((x, y), -1),
    ),
    unary("split", A, lambda x: np.split(x, [1], 2), split_sizes=[1, 3], axis=2),
    unary("split", A, lambda x: np.split(x, 2, 2), num_splits=2, axis=-1),
    unary(
        "pad", A, lambda x: np.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=1.5), pad=[1, 2, 0, 3], constant_val=1.5
    ),
    unary("pad", A, lambda x: np.pad(x, ((0, 0), (2, 1), (0, 3)), "reflect"), pad=[2, 1, 0, 3], mode="reflect"),
    unary("pad", A, lambda x: np.pad(x, ((1, 0), (2, 1), (0, 3)), "edge"), pad=[1, 0, 2, 1, 0, 3], mode="replicate"),
    unary("shape", A, lambda x: np.array([2, 3, 4])),
    unary("flatten2d", A, lambda x: x.reshape(6, 4), axis=-1),
    unary("tile", A, lambda x: np.tile(x, (2, 1, 3)), reps=[2, 1, 3]),
    unary("band_part", A, lambda x: np.triu(np.tril(x, 1), -1), lower=1, upper=1),
    unary("cumsum", A, lambda x: np.cumsum(x, 1), axis=1),
    unary("cumsum", A, lambda x: np.cumsum(x[:, ::-1], 1)[:, ::-1] - x, axis=1, exclusive=True, reverse=True),
    unary("argsort", normal(3, 4), lambda x: np.argsort(-x, 1), axis=1),
    unary("topk", normal(3, 9), lambda x: (-np.sort(-x, 1)[:, :3], np.argsort(-x, 1)[:, :3]), k=3, axis=1),
    unary("topk", normal(3, 9), lambda x: (np.sort(x, 0)[:2], np.argsort(x, 0)[:2]), k=2, axis=0, ascending=True),
    unary("non_zero", np.array([[0, 2], [3, 0]], np.float32), lambda x: np.array([[0, 1], [1, 0]])),
    ("fill_like", {"x": A}, lambda mb, x: mb.fill_like(ref_tensor=x, value=2.5), lambda x: np.full_like(x, 2.5)),
    (
        "one_hot",
        {"x": np.array([2, 0, 1], np.int32)},
        lambda mb, x: mb.one_hot(indices=x, one_hot_vector_size=4, axis=0, on_value=5.0, off_value=-1.0),
        lambda x: np.where(np.arange(4)[:, None] == x, 5.0, -1.0),
    ),
    (
        "range_1d",
        {"x": np.array([3], np.int32)},
        lambda mb, x: mb.range_1d(start=0, end=mb.squeeze(x=x), step=1),
        lambda x: np.arange(3),
    ),
    (
        "select",
        {"x": normal(9), "y": normal(9, seed=1)},
        lambda mb, x, y: mb.select(cond=mb.greater(x=x, y=y), a=x, b=y),
        np.maximum,
    ),
)
def test_tensor_operation(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


def scattered(mode: str) -> Case:
    update = {
        "update": lambda a, b: b,
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "max": np.maximum,
        "min": np.minimum,
    }[mode]

    def expected(x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, ...]:
        rows, along, points = x.copy(), x.copy(), x.copy()
        rows[[2, 0]] = update(x[[2, 0]], u[:2])
        along[[[2], [0]], [0, 1, 2, 3]] = update(x[[[2], [0]], [0, 1, 2, 3]], u[:2])
        points[[1, 2], [3, 0]] = update(x[[1, 2], [3, 0]], u[0, :2])
        return rows, along, points

    def body(mb: Any, x: Any, u: Any) -> Any:
        two = mb.slice_by_index(x=u, begin=[0, 0], end=[2, 4])
        pair = mb.slice_by_index(x=u, begin=[0, 0], end=[0, 2], squeeze_mask=[True, False])
        index = np.array([[2] * 4, [0] * 4], np.int32)
        return (
            mb.scatter(data=x, indices=np.array([2, 0], np.int32), updates=two, axis=0, mode=mode),
            mb.scatter_along_axis(data=x, indices=index, updates=two, axis=0, mode=mode),
            mb.scatter_nd(data=x, indices=np.array([[1, 3], [2, 0]], np.int32), updates=pair, mode=mode),
        )

    return f"scatter-{mode}", {"x": positive(3, 4), "u": positive(3, 4, seed=1)}, body, expected


@cases(
    (
        "gather",
        {"x": A},
        lambda mb, x: mb.gather(x=x, indices=[[2, 0], [1, 1]], axis=1),
        lambda x: x[:, [[2, 0], [1, 1]]],
    ),
    (
        "gather-batched",
        {"x": A},
        lambda mb, x: mb.gather(x=x, indices=[[2, 0], [1, 1]], axis=1, batch_dims=1),
        lambda x: np.stack([x[0][[2, 0]], x[1][[1, 1]]]),
    ),
    (
        "gather_along_axis",
        {"x": A[0]},
        lambda mb, x: mb.gather_along_axis(x=x, indices=[[0, 3], [1, 2], [2, 2]], axis=1),
        lambda x: np.take_along_axis(x, np.array([[0, 3], [1, 2], [2, 2]]), 1),
    ),
    ("gather_nd", {"x": A}, lambda mb, x: mb.gather_nd(x=x, indices=[[1, 2], [0, 0]]), lambda x: x[[1, 0], [2, 0]]),
    (
        "gather_nd-batched",
        {"x": A},
        lambda mb, x: mb.gather_nd(x=x, indices=[[[2], [0]], [[1], [1]]], batch_dims=1),
        lambda x: np.stack([x[0][[2, 0]], x[1][[1, 1]]]),
    ),
)
def test_gather(run_mil: Any, case: Case) -> None:
    check(run_mil, case)


@cases(*(scattered(mode) for mode in ("update", "add", "sub", "mul", "div", "max", "min")))
def test_scatter(run_mil: Any, case: Case) -> None:
    check(run_mil, case, "iOS16")


def test_negative_indices_count_from_the_end(run_mil: Any) -> None:
    case = ("gather", {"x": A}, lambda mb, x: mb.gather(x=x, indices=[-1, 0], axis=2), lambda x: x[..., [-1, 0]])
    check(run_mil, case, "iOS15")


def test_while_loop(run_mil: Any) -> None:
    def body(mb: Any, x: Any) -> Any:
        return mb.while_loop(
            _cond=lambda a, i: mb.less(x=i, y=np.int32(5)),
            _body=lambda a, i: (mb.mul(x=a, y=x), mb.add(x=i, y=np.int32(1))),
            loop_vars=(x, np.int32(1)),
        )[0]

    check(run_mil, ("while_loop", {"x": positive(4)}, body, lambda x: x**5))

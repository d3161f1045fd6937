"""One small program for each of many ops, with parameters worth damaging. All run as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .programs import Blob, Op, Program, Text, set_type, weight_file

IMAGE = (1, 4, 6, 6)
WEIGHTS = weight_file(np.linspace(-1, 1, 8 * 4 * 3 * 3).astype(np.float32).tobytes(), 2)
"""8 filters of 4 channels, 3 by 3"""


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def _one(kind: str, size: tuple[int, ...], result: str = "float32", /, **inputs: Any) -> Program:
    """One op on `x`, an image; `out` is its result."""
    out = (result, size)
    return Program([Op(kind, inputs, "out", *out)], {"out": out}, {"x": ("float32", IMAGE)}, "CoreML8")


def _and(program: Program, *others: tuple[str, tuple[int, ...]]) -> Any:
    """The program, as a message, with more results of its op, which nothing uses."""
    message = program.message()
    operation = message.mlProgram.functions["main"].block_specializations[program.opset].operations[0]
    for number, (dtype, shape) in enumerate(others):
        more = operation.outputs.add()
        more.name = f"more{number}"
        set_type(more.type, dtype, shape)
    return message


def _conv() -> Program:
    weight = Op("const", {"val": Blob("float32", (8, 4, 3, 3))}, "w", "float32", (8, 4, 3, 3))
    inputs = {
        "x": "x",
        "weight": "w",
        "strides": ints(1, 1),
        "pad_type": Text("custom"),
        "pad": ints(1, 1, 1, 1),
        "dilations": ints(1, 1),
        "groups": np.int32(1),
    }
    shape = (1, 8, 6, 6)
    ops = [weight, Op("conv", inputs, "out", "float32", shape)]
    return Program(ops, {"out": ("float32", shape)}, {"x": ("float32", IMAGE)}, "CoreML8")


def _conv_transpose() -> Program:
    inputs = {
        "x": "x",
        "weight": np.ones((4, 2, 2, 2), np.float32),
        "strides": ints(2, 2),
        "pad_type": Text("valid"),
        "dilations": ints(1, 1),
        "groups": np.int32(1),
        "output_shape": ints(1, 2, 12, 12),
    }
    return _one("conv_transpose", (1, 2, 12, 12), **inputs)


def _state() -> Program:
    half = ("float16", (3,))
    ops = [
        Op("read_state", {"input": "total"}, "old", *half),
        Op("add", {"x": "old", "y": "x"}, "new", *half),
        Op("write_state", {"input": "total", "data": "new"}, ""),
        Op("read_state", {"input": "total"}, "out", *half),
    ]
    return Program(ops, {"out": half}, {"x": half}, "CoreML8", {"total": half})


def _cond() -> Program:
    shape = (2, 3)
    blocks = [([Op("mul", {"x": "x", "y": np.float32(k)}, f"b{k}", shape=shape)], [f"b{k}"]) for k in (2, 3)]
    ops = [
        Op("reduce_sum", {"x": "x", "axes": ints(0, 1), "keep_dims": np.bool_(False)}, "s"),
        Op("greater", {"x": "s", "y": np.float32(0)}, "p", "bool"),
        Op("cond", {"pred": "p"}, "out", shape=shape, blocks=blocks),
    ]
    return Program(ops, {"out": ("float32", shape)}, opset="CoreML7")


def _recurrent(kind: str, gates: int) -> Any:
    inputs = {
        "x": "x",
        "initial_h": np.zeros((1, 2), np.float32),
        **({"initial_c": np.zeros((1, 2), np.float32)} if kind == "lstm" else {}),
        "weight_ih": np.full((gates * 2, 3), 0.1, np.float32),
        "weight_hh": np.full((gates * 2, 2), 0.1, np.float32),
        "bias": np.zeros(gates * 2, np.float32),
        "direction": Text("forward"),
        "output_sequence": np.bool_(True),
    }
    shape, last = (4, 1, 2), ("float32", (1, 2))
    program = Program(
        [Op(kind, inputs, "out", shape=shape)], {"out": ("float32", shape)}, {"x": ("float32", (4, 1, 3))}, "CoreML7"
    )
    return _and(program, *[last] * len([name for name in inputs if name.startswith("initial")]))


def _quantized() -> Program:
    shape = (2, 3)
    ops = [
        Op(
            "constexpr_affine_dequantize",
            {
                "quantized_data": np.arange(6, dtype=np.int8).reshape(shape),
                "zero_point": np.int8(1),
                "scale": np.float32(0.5),
                "axis": np.int32(0),
            },
            "w",
            shape=shape,
        ),
        Op("add", {"x": "x", "y": "w"}, "out", shape=shape),
    ]
    return Program(ops, {"out": ("float32", shape)}, opset="CoreML6")


SPECIMENS: dict[str, Any] = {
    "conv": _conv(),
    "conv_transpose": _conv_transpose(),
    "max_pool": _one(
        "max_pool",
        (1, 4, 3, 3),
        x="x",
        kernel_sizes=ints(2, 2),
        strides=ints(2, 2),
        pad_type=Text("custom"),
        pad=ints(0, 0, 0, 0),
        ceil_mode=np.bool_(False),
    ),
    "avg_pool": _one(
        "avg_pool",
        (1, 4, 3, 3),
        x="x",
        kernel_sizes=ints(2, 2),
        strides=ints(2, 2),
        pad_type=Text("same"),
        exclude_padding_from_average=np.bool_(True),
    ),
    "pad": _one("pad", (1, 4, 8, 8), x="x", pad=ints(1, 1, 1, 1), mode=Text("reflect"), constant_val=np.float32(0)),
    "pad_constant": _one(
        "pad", (1, 4, 8, 8), x="x", pad=ints(1, 1, 1, 1), mode=Text("constant"), constant_val=np.float32(0)
    ),
    "tile": _one("tile", (1, 4, 12, 6), x="x", reps=ints(1, 1, 2, 1)),
    "reshape": _one("reshape", (4, 36), x="x", shape=ints(4, 36)),
    "transpose": _one("transpose", (6, 6, 4, 1), x="x", perm=ints(3, 2, 1, 0)),
    "expand_dims": _one("expand_dims", (1, 1, 4, 6, 6), x="x", axes=ints(0)),
    "squeeze": _one("squeeze", (4, 6, 6), x="x", axes=ints(0)),
    "slice_by_index": _one(
        "slice_by_index",
        (1, 2, 3, 6),
        x="x",
        begin=ints(0, 1, 0, 0),
        end=ints(1, 3, 6, 6),
        stride=ints(1, 1, 2, 1),
        begin_mask=np.array([0, 0, 0, 1], np.bool_),
    ),
    "slice_by_size": _one("slice_by_size", (1, 2, 3, 4), x="x", begin=ints(0, 1, 1, 1), size=ints(1, 2, 3, 4)),
    "gather": _one("gather", (1, 2, 6, 6), x="x", indices=ints(3, 0), axis=np.int32(1), batch_dims=np.int32(0)),
    "gather_nd": _one("gather_nd", (2, 6, 6), x="x", indices=np.array([[0, 1], [0, 3]], np.int32)),
    "gather_along_axis": _one(
        "gather_along_axis", (1, 4, 6, 6), x="x", indices=np.ones((1, 4, 6, 6), np.int32), axis=np.int32(3)
    ),
    "scatter": _one(
        "scatter",
        IMAGE,
        data="x",
        indices=ints(1),
        updates=np.ones((1, 1, 6, 6), np.float32),
        axis=np.int32(1),
        mode=Text("add"),
    ),
    "one_hot": _one("one_hot", (3, 5), indices=ints(0, 4, 2), one_hot_vector_size=np.int32(5), axis=np.int32(-1)),
    "range_1d": _one("range_1d", (5,), start=np.float32(0), end=np.float32(5), step=np.float32(1)),
    "fill": _one("fill", (2, 3), shape=ints(2, 3), value=np.float32(7)),
    "topk": _and(
        _one("topk", (1, 4, 6, 2), x="x", k=np.int32(2), axis=np.int32(3), ascending=np.bool_(False)),
        ("int32", (1, 4, 6, 2)),
    ),
    "cumsum": _one("cumsum", IMAGE, x="x", axis=np.int32(2), exclusive=np.bool_(False), reverse=np.bool_(True)),
    "argsort": _one("argsort", IMAGE, "int32", x="x", axis=np.int32(3), ascending=np.bool_(True)),
    "reduce_max": _one("reduce_max", (1, 4), x="x", axes=ints(2, 3), keep_dims=np.bool_(False)),
    "softmax": _one("softmax", IMAGE, x="x", axis=np.int32(1)),
    "batch_norm": _one(
        "batch_norm",
        IMAGE,
        x="x",
        mean=np.zeros(4, np.float32),
        variance=np.ones(4, np.float32),
        epsilon=np.float32(1e-5),
    ),
    "layer_norm": _one(
        "layer_norm",
        IMAGE,
        x="x",
        axes=ints(3),
        gamma=np.ones(6, np.float32),
        beta=np.zeros(6, np.float32),
        epsilon=np.float32(1e-5),
    ),
    "upsample_nearest_neighbor": _one(
        "upsample_nearest_neighbor",
        (1, 4, 12, 12),
        x="x",
        scale_factor_height=np.float32(2),
        scale_factor_width=np.float32(2),
    ),
    "resize_bilinear": _one(
        "resize_bilinear",
        (1, 4, 9, 5),
        x="x",
        target_size_height=np.int32(9),
        target_size_width=np.int32(5),
        sampling_mode=Text("DEFAULT"),
    ),
    "pixel_shuffle": _one("pixel_shuffle", (1, 1, 12, 12), x="x", upscale_factor=np.int32(2)),
    "space_to_depth": _one("space_to_depth", (1, 16, 3, 3), x="x", block_size=np.int32(2)),
    "sliding_windows": _one(
        "sliding_windows", (1, 4, 3, 2, 6), x="x", axis=np.int32(2), size=np.int32(2), stride=np.int32(2)
    ),
    "band_part": _one("band_part", IMAGE, x="x", lower=np.int32(1), upper=np.int32(-1)),
    "einsum": _one(
        "einsum", (1, 4, 6, 2), values=["x", np.ones((1, 4, 6, 2), np.float32)], equation=Text("bchw,bcwk->bchk")
    ),
    "matmul": _one(
        "matmul",
        (1, 4, 6, 2),
        x="x",
        y=np.ones((6, 2), np.float32),
        transpose_x=np.bool_(False),
        transpose_y=np.bool_(False),
    ),
    "split": _and(
        _one("split", (1, 1, 6, 6), x="x", split_sizes=ints(1, 3), axis=np.int32(1)), ("float32", (1, 3, 6, 6))
    ),
    "cast": _one("cast", IMAGE, "int32", x="x", dtype=[Text("int32")]),
    "state": _state(),
    "cond": _cond(),
    "lstm": _recurrent("lstm", 4),
    "gru": _recurrent("gru", 3),
    "dequantize": _quantized(),
}

"""One small program for every op the emulator knows, in each of its meanings. All run, and give what they declare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .op_specimens import IMAGE, ints
from .programs import Op, Program, Text, add_loop, set_type, set_value

FRAMES = (5, 2, 3)
"""of the recurrent ops: 5 frames, batch 2, 3 numbers each"""
HIDDEN = 4
OPSETS = {15: "CoreML5", 16: "CoreML6", 17: "CoreML7", 18: "CoreML8"}

Type = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Call:
    """A model and what it is run on."""

    message: Any
    given: dict[str, np.ndarray]
    """input → array; of the others, `floats` or zeros"""


class Packed:
    """A constant of a type narrower than a byte."""

    def __init__(self, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
        self.dtype, self.shape, self.data = dtype, shape, data


def call(kind: str, *results: Type, opset: str = "CoreML8", **inputs: Any) -> Call:
    """A program of one op as a message; arrays named `x`, `y` … in `inputs` are given at run time, the rest constant.

    Args:
        kind: The op.
        results: Types of its outputs, named out0, out1 …
        opset: As files spell it.
        inputs: By parameter; a tuple (array,) is a constant all the same, a text is a name.
    """
    given = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray) and value.ndim}
    bound = {name: name if name in given else value for name, value in inputs.items()}
    types = {name: (value.dtype.name, value.shape) for name, value in given.items()}
    return Call(program([(kind, bound, results)], dict(_named(results)), types, opset).message, given)


def _named(results: tuple[Type, ...]) -> list[tuple[str, Type]]:
    return [(f"out{i}", result) for i, result in enumerate(results)]


def program(
    steps: list[tuple[str, dict[str, Any], tuple[Type, ...]]],
    outputs: dict[str, Type],
    inputs: dict[str, Type],
    opset: str = "CoreML8",
    states: dict[str, Type] | None = None,
) -> Call:
    """Ops in order; the outputs of the last are out0, out1 …, those of step n before it step<n>."""
    described = {name: type_ for name, type_ in outputs.items() if type_[0] in ("float32", "float16", "int32")}
    message = Program([], described, inputs, opset, states or {}).message()
    block = message.mlProgram.functions["main"].block_specializations[opset]
    del block.outputs[:]
    block.outputs.extend(outputs)
    for name, (dtype, _) in outputs.items():
        if name not in described:
            _describe(message, name, dtype)
    for number, (kind, bound, results) in enumerate(steps):
        is_last = number == len(steps) - 1
        _add(block, kind, bound, _named(results) if is_last else [(f"step{number}", type_) for type_ in results])
    return Call(message, {})


def _describe(message: Any, name: str, dtype: str) -> None:
    feature = message.description.output.add()
    feature.name = name
    if dtype == "string":
        feature.type.stringType.SetInParent()
    elif dtype == "dictionary":
        feature.type.dictionaryType.stringKeyType.SetInParent()
    else:  # what multi-arrays do not hold is given in a wider type
        feature.type.multiArrayType.dataType = 131104


def _add(block: Any, kind: str, bound: dict[str, Any], results: list[tuple[str, Type]]) -> None:
    message = block.operations.add()
    message.type = kind
    set_value(message.attributes["name"], kind)
    for parameter, value in bound.items():
        for item in value if isinstance(value, list) else [value]:
            argument = message.inputs[parameter].arguments.add()
            if isinstance(item, str):
                argument.name = item
            else:
                set_constant(argument.value, item[0] if isinstance(item, tuple) else item)
    for name, (dtype, shape) in results:
        output = message.outputs.add()
        output.name = name
        if dtype == "list":
            output.type.listType.SetInParent()
        elif dtype == "dictionary":
            output.type.dictionaryType.SetInParent()
        else:
            set_type(output.type, dtype, shape)


def set_constant(message: Any, value: Any) -> None:
    """A constant of any kind these programs hold."""
    if isinstance(value, Text):
        set_value(message, value.value)
    elif isinstance(value, Packed):
        set_type(message.type, value.dtype, value.shape)
        message.immediateValue.tensor.bytes.values = value.data
    else:
        set_value(message, value)


def floats(*shape: int) -> np.ndarray:
    """Numbers from 0.1 to 0.9."""
    return np.linspace(0.1, 0.9, int(np.prod(shape))).astype(np.float32).reshape(shape)


def f32(*shape: int) -> Type:
    return "float32", shape


X, MATRIX = floats(*IMAGE), floats(2, 3)
INT, BOOL, FLOAT = np.int32, np.bool_, np.float32

_SAME = {
    "": "abs acos asin atan atanh ceil cos cosh erf exp exp2 floor identity logical_not relu relu6 round sigmoid sign"
    " silu sin sinh softplus softsign sqrt square tan tanh",
    "alpha": "elu leaky_relu thresholded_relu threshold",
    "alpha beta": "clamped_relu clip linear_activation scaled_tanh sigmoid_hard",
    "epsilon": "inverse log rsqrt",
}
"""ops of one tensor, by their other parameters, all of them numbers"""
_BINARY = "add sub mul real_div floor_div mod pow maximum minimum"
_COMPARING = "equal not_equal greater greater_equal less less_equal logical_and logical_or logical_xor"
_REDUCING = (
    "reduce_sum reduce_mean reduce_prod reduce_max reduce_min reduce_l1_norm reduce_l2_norm reduce_log_sum"
    " reduce_log_sum_exp reduce_sum_square"
)


def _elementwise() -> dict[str, Call]:
    calls: dict[str, Call] = {}
    for parameters, kinds in _SAME.items():
        rest = {name: FLOAT(value) for name, value in zip(parameters.split(), (0.5, 0.75), strict=False)}
        bools = {"logical_not": "bool"}
        calls |= {kind: call(kind, (bools.get(kind, "float32"), (2, 3)), x=MATRIX, **rest) for kind in kinds.split()}
    calls |= {kind: call(kind, f32(2, 3), x=MATRIX, y=MATRIX) for kind in _BINARY.split()}
    calls |= {kind: call(kind, ("bool", (2, 3)), x=MATRIX, y=MATRIX) for kind in _COMPARING.split()}
    for kind in _REDUCING.split():
        calls[kind] = call(kind, f32(1, 4), x=X, axes=(ints(2, 3),), keep_dims=BOOL(False))
    for kind in ("reduce_argmax", "reduce_argmin"):
        calls[kind] = call(kind, ("int32", (1, 6, 6)), x=X, axis=INT(1), keep_dims=BOOL(False))
    return calls


def _recurrent() -> dict[str, Call]:
    frames, state, both = floats(*FRAMES), floats(2, HIDDEN), floats(2, 2 * HIDDEN)
    calls: dict[str, Any] = {}

    def weights(gates: int, suffix: str = "") -> dict[str, Any]:
        rows = gates * HIDDEN
        return {
            f"weight_ih{suffix}": (floats(rows, 3),),
            f"weight_hh{suffix}": (floats(rows, HIDDEN),),
            f"bias{suffix}": (floats(rows),),
        }

    def whole(is_sequence: bool) -> Type:
        return f32(5 if is_sequence else 1, 2, HIDDEN)

    for direction, is_sequence in (("forward", True), ("reverse", False)):
        common = {"x": frames, "initial_h": state, "direction": Text(direction), "output_sequence": BOOL(is_sequence)}
        last = f32(2, HIDDEN)
        calls[f"rnn {direction}"] = call("rnn", whole(is_sequence), last, **common, **weights(1))
        calls[f"gru {direction}"] = call("gru", whole(is_sequence), last, **common, **weights(3), opset="CoreML7")
        after = {"reset_after": BOOL(is_sequence), "input_bias": (floats(3 * HIDDEN),)}
        calls[f"gru iOS18 {direction}"] = call("gru", whole(is_sequence), last, **common, **weights(3), **after)
        common["initial_c"] = state
        calls[f"lstm {direction}"] = call("lstm", whole(is_sequence), last, last, **common, **weights(4))
        more = {"peephole": (floats(3 * HIDDEN),), "clip": FLOAT(0.5)}
        calls[f"lstm peephole {direction}"] = call(
            "lstm", whole(is_sequence), last, last, **common, **weights(4), **more
        )
    two = {"x": frames, "initial_h": both, "initial_c": both, "direction": Text("bidirectional")}
    last = f32(2, 2 * HIDDEN)
    for name, peephole in (("lstm bidirectional", False), ("lstm bidirectional peephole", True)):
        more = {f"peephole{suffix}": (floats(3 * HIDDEN),) for suffix in ("", "_back")} if peephole else {}
        calls[name] = call(
            "lstm",
            f32(5, 2, 2 * HIDDEN),
            last,
            last,
            **two,
            **weights(4),
            **weights(4, "_back"),
            **more,
            output_sequence=BOOL(True),
        )
    return calls


def _filters() -> dict[str, Call]:
    calls: dict[str, Call] = {}
    for rank, size in ((1, 9), (2, 6), (3, 5)):
        x, small = floats(1, 4, *[size] * rank), [size - 2] * rank
        common = {
            "strides": (ints(*[1] * rank),),
            "dilations": (ints(*[1] * rank),),
            "pad": (ints(*[0] * (2 * rank)),),
            "pad_type": Text("custom"),
            "groups": INT(2),
        }
        calls[f"conv {rank}d"] = call(
            "conv", f32(1, 6, *small), x=x, weight=(floats(6, 2, *[3] * rank),), bias=(floats(6),), **common
        )
        calls[f"conv_transpose {rank}d"] = call(
            "conv_transpose",
            f32(1, 6, *[size + 2] * rank),
            x=x,
            weight=(floats(4, 3, *[3] * rank),),
            bias=(floats(6),),
            **common,
        )
        window = {"kernel_sizes": (ints(*[2] * rank),), "strides": (ints(*[2] * rank),), "pad_type": Text("custom")}
        window["pad"] = (ints(*[1] * (2 * rank)),)
        pooled = f32(1, 4, *[size // 2 + 1] * rank)
        for kind in ("max_pool", "l2_pool"):
            calls[f"{kind} {rank}d"] = call(kind, pooled, x=x, **window, ceil_mode=BOOL(False))
        excluded = {"exclude_padding_from_average": BOOL(True)}
        calls[f"avg_pool {rank}d"] = call("avg_pool", pooled, x=x, **window, **excluded, ceil_mode=BOOL(False))
    calls["conv same"] = call("conv", f32(1, 8, 3, 3), x=X, weight=(floats(8, 4, 3, 3),), **_same(2))
    calls["conv of a weight given"] = call("conv", f32(1, 8, 3, 3), x=X, weight=floats(8, 4, 3, 3), **_same(2))
    calls["conv_transpose same"] = call(
        "conv_transpose",
        f32(1, 2, 12, 12),
        x=X,
        weight=(floats(4, 2, 3, 3),),
        output_shape=(ints(1, 2, 12, 12),),
        **_same(2),
    )
    calls["conv_quantized"] = call(
        "conv_quantized",
        f32(1, 8, 4, 4),
        x=X,
        weight=(np.ones((8, 4, 3, 3), np.uint8),),
        quantization_type=Text("linear"),
        quant_scale=(floats(8),),
        quant_bias=(floats(8),),
        nbits=INT(8),
        opset="CoreML5",
    )
    return calls


def _same(stride: int) -> dict[str, Any]:
    return {"pad_type": Text("same"), "strides": (ints(stride, stride),), "dilations": (ints(1, 1),)}


def _products() -> dict[str, Call]:
    heads = floats(1, 2, 5, 4)
    mask = {"attn_mask": floats(5, 5)}
    return {
        "linear": call("linear", f32(2, 4), x=MATRIX, weight=(floats(4, 3),), bias=(floats(4),)),
        "matmul": call("matmul", f32(2, 4), x=MATRIX, y=floats(3, 4), transpose_x=BOOL(False), transpose_y=BOOL(False)),
        "einsum": _einsum(),
        "scaled_dot_product_attention": call(
            "scaled_dot_product_attention", f32(1, 2, 5, 4), query=heads, key=heads, value=heads, **mask
        ),
    }


def _einsum() -> Call:
    bound = {"values": ["x", "y"], "equation": Text("bchw,bcwk->bchk")}
    types = {"x": f32(*IMAGE), "y": f32(1, 4, 6, 2)}
    return program([("einsum", bound, (f32(1, 4, 6, 2),))], {"out0": f32(1, 4, 6, 2)}, types)


def _normalizing() -> dict[str, Call]:
    four = (floats(4),)
    both = {"gamma": four, "beta": four, "epsilon": FLOAT(1e-5)}
    return {
        "batch_norm": call("batch_norm", f32(*IMAGE), x=X, mean=four, variance=four, **both),
        "instance_norm": call("instance_norm", f32(*IMAGE), x=X, **both),
        "layer_norm": call("layer_norm", f32(*IMAGE), x=X, axes=(ints(3),), gamma=(floats(6),), beta=(floats(6),)),
        "layer_norm of a middle axis": call("layer_norm", f32(*IMAGE), x=X, axes=(ints(1),), **both),
        "l2_norm": call("l2_norm", f32(*IMAGE), x=X, epsilon=FLOAT(1e-6)),
        "local_response_norm": call("local_response_norm", f32(*IMAGE), x=X, size=INT(3), alpha=FLOAT(0.1)),
        "prelu": call("prelu", f32(*IMAGE), x=X, alpha=four),
        "softplus_parametric": call("softplus_parametric", f32(*IMAGE), x=X, alpha=four, beta=four),
        "softmax": call("softmax", f32(*IMAGE), x=X, axis=INT(1)),
        "gelu": call("gelu", f32(*IMAGE), x=X, mode=Text("TANH_APPROXIMATION")),
        "quantize": call(
            "quantize",
            ("int8", IMAGE),
            input=X,
            scale=four,
            zero_point=(np.zeros(4, np.int8),),
            axis=INT(1),
            output_dtype=Text("int8"),
        ),
        "cast": call("cast", ("int32", IMAGE), x=X, dtype=Text("int32")),
        "select": call("select", f32(2, 3), cond=ints(0, 1, 1), a=MATRIX, b=MATRIX),
    }


def _indexed() -> dict[str, Call]:
    calls: dict[str, Call] = {}
    place, pairs, all_ones = ints(3, 0), np.array([[0, 1], [0, 3]], np.int32), np.ones(IMAGE, np.int32)
    for opset in ("CoreML6", "CoreML8"):
        check = {"validate_indices": BOOL(False)} if opset == "CoreML8" else {}
        more = {"opset": opset, **check}
        calls[f"gather {opset}"] = call(
            "gather", f32(1, 2, 6, 6), x=X, indices=place, axis=INT(1), batch_dims=INT(0), **more
        )
        calls[f"gather_along_axis {opset}"] = call(
            "gather_along_axis", f32(*IMAGE), x=X, indices=all_ones, axis=INT(1), **more
        )
        calls[f"gather_nd {opset}"] = call("gather_nd", f32(2, 6, 6), x=X, indices=pairs, batch_dims=INT(0), **more)
        mode = {"mode": Text("add"), **more}
        calls[f"scatter {opset}"] = call(
            "scatter", f32(*IMAGE), data=X, indices=place, updates=floats(1, 2, 6, 6), axis=INT(1), **mode
        )
        calls[f"scatter of one {opset}"] = call(
            "scatter", f32(*IMAGE), data=X, indices=ints(2), updates=floats(1, 1, 6, 6), axis=INT(1), **mode
        )
        calls[f"scatter_along_axis {opset}"] = call(
            "scatter_along_axis", f32(*IMAGE), data=X, indices=all_ones, updates=X, axis=INT(1), **mode
        )
        calls[f"scatter_nd {opset}"] = call(
            "scatter_nd", f32(*IMAGE), data=X, indices=pairs, updates=floats(2, 6, 6), **mode
        )
    return calls


def _images() -> dict[str, Call]:
    box = np.array([[0, 0, 3, 3]], np.float32)
    cut = {
        "target_height": INT(2),
        "target_width": INT(3),
        "box_coordinate_mode": Text("CORNERS_WIDTH_FIRST"),
        "sampling_mode": Text("ALIGN_CORNERS"),
    }
    sampled = {
        "sampling_mode": Text("bilinear"),
        "padding_mode": Text("constant"),
        "padding_value": FLOAT(0),
        "coordinates_mode": Text("normalized_minus_one_to_one"),
        "align_corners": BOOL(True),
    }
    twice = {"scale_factor_height": FLOAT(2), "scale_factor_width": FLOAT(2)}
    target = {"target_size_height": INT(9), "target_size_width": INT(5)}
    resized = {"shape": (ints(9, 5),), "resized_dims": INT(2), "sampling_mode": Text("DEFAULT")}
    return {
        "crop_resize": call(
            "crop_resize", f32(1, 1, 4, 2, 3), x=X, roi=box.reshape(1, 1, 4, 1, 1), **cut, opset="CoreML6"
        ),
        "crop_resize iOS17": call("crop_resize", f32(1, 4, 2, 3), x=X, boxes=box, box_indices=ints(0), **cut),
        "resample": call("resample", f32(1, 4, 2, 5), x=X, coordinates=floats(1, 2, 5, 2), **sampled),
        "affine": call(
            "affine",
            f32(1, 4, 3, 5),
            x=X,
            transform_matrix=floats(1, 6),
            output_height=INT(3),
            output_width=INT(5),
            **sampled,
        ),
        "upsample_nearest_neighbor": call("upsample_nearest_neighbor", f32(1, 4, 12, 12), x=X, **twice),
        "upsample_bilinear": call("upsample_bilinear", f32(1, 4, 12, 12), x=X, **twice, align_corners=BOOL(True)),
        "resize_nearest_neighbor": call("resize_nearest_neighbor", f32(1, 4, 9, 5), x=X, **target),
        "resize_bilinear": call("resize_bilinear", f32(1, 4, 9, 5), x=X, **target, sampling_mode=Text("DEFAULT")),
        "resize": call("resize", f32(1, 4, 9, 5), x=X, **resized, interpolation_mode=Text("LINEAR")),
        "crop": call("crop", f32(1, 4, 4, 3), x=X, crop_height=(ints(1, 1),), crop_width=(ints(1, 2),)),
        "non_maximum_suppression": _suppression("CoreML5"),
        "non_maximum_suppression iOS17": _suppression("CoreML8"),
    }


def _suppression(opset: str) -> Call:
    boxes, scores = floats(1, 5, 4), floats(1, 5, 2)
    common = {"iou_threshold": FLOAT(0.5), "max_boxes": INT(3), "per_class_suppression": BOOL(False), "opset": opset}
    kind, chosen = "non_maximum_suppression", ("int32", (1, 3))
    if opset == "CoreML8":
        turned = {"boxes": boxes.transpose(0, 2, 1).copy(), "scores": scores.transpose(0, 2, 1).copy()}
        return call(kind, f32(1, 4, 3), f32(1, 2, 3), chosen, **turned, **common)
    given = {"boxes": boxes, "scores": scores, "score_threshold": FLOAT(0.1)}
    return call(kind, f32(1, 3, 4), f32(1, 3, 2), chosen, ("int32", (1,)), **given, **common)


def _made() -> dict[str, Call]:
    size = {"shape": (ints(2, 3),)}
    return {
        "fill": call("fill", f32(2, 3), **size, value=FLOAT(7)),
        "fill of a shape given": call("fill", f32(2, 3), shape=ints(2, 3), value=FLOAT(7)),
        "fill_like": call("fill_like", f32(2, 3), ref_tensor=MATRIX, value=FLOAT(7)),
        "range_1d": call("range_1d", f32(5), start=FLOAT(0), end=FLOAT(5), step=FLOAT(1)),
        "one_hot": call(
            "one_hot",
            f32(3, 5),
            indices=ints(0, 4, 2),
            one_hot_vector_size=INT(5),
            axis=INT(-1),
            on_value=FLOAT(1),
            off_value=FLOAT(0),
        ),
        "random_bernoulli": call("random_bernoulli", f32(2, 3), **size, prob=FLOAT(0.5), seed=INT(1)),
        "random_normal": call("random_normal", f32(2, 3), **size, mean=FLOAT(0), stddev=FLOAT(1), seed=INT(1)),
        "random_uniform": call("random_uniform", f32(2, 3), **size, low=FLOAT(0), high=FLOAT(1), seed=INT(1)),
        "random_categorical": call("random_categorical", f32(2, 4), x=MATRIX, mode=Text("logits"), size=INT(4)),
        "shape": call("shape", ("int32", (2,)), x=MATRIX),
        "non_zero": call("non_zero", ("int32", (6, 2)), x=MATRIX),
        "classify": _classify(),
    }


def _classify() -> Call:
    classes = [Text("a"), Text("b"), Text("c")]
    results: tuple[Type, ...] = (("string", ()), ("dictionary", ()))
    bound = {"probabilities": "x", "classes": classes}
    return program([("classify", bound, results)], dict(_named(results)), {"x": f32(3)})


def _moved() -> dict[str, Call]:
    cut = {
        "begin": (ints(0, 1, 0, 0),),
        "end": (ints(1, 3, 6, 6),),
        "stride": (ints(1, 1, 2, 1),),
        "begin_mask": (np.array([0, 0, 0, 1], BOOL),),
        "end_mask": (np.array([0, 0, 0, 1], BOOL),),
        "squeeze_mask": (np.zeros(4, BOOL),),
    }
    edges = {"pad": (ints(1, 1, 2, 0),), "constant_val": FLOAT(0)}
    blocks = {"block_shape": (ints(2, 2),)}
    none = np.zeros((2, 2), np.int32)
    joined, two = f32(2, 4, 6, 6), {"x": f32(*IMAGE), "y": f32(*IMAGE)}
    values = {"values": ["x", "y"], "axis": INT(0)}
    like = {
        "x": "x",
        "ref_tensors": ["y"],
        "begins": [(ints(0),)],
        "ends": [(ints(4),)],
        "end_masks": [(np.array([False]),)],
    }
    return {
        "concat": program([("concat", {**values, "interleave": BOOL(False)}, (joined,))], {"out0": joined}, two),
        "concat interleaved": program(
            [("concat", {**values, "interleave": BOOL(True)}, (joined,))], {"out0": joined}, two
        ),
        "stack": program([("stack", values, (f32(2, *IMAGE),))], {"out0": f32(2, *IMAGE)}, two),
        "split": call("split", f32(1, 1, 6, 6), f32(1, 3, 6, 6), x=X, split_sizes=(ints(1, 3),), axis=INT(1)),
        "split equally": call("split", f32(1, 2, 6, 6), f32(1, 2, 6, 6), x=X, num_splits=INT(2), axis=INT(1)),
        **{
            f"pad {mode}": call("pad", f32(1, 4, 8, 8), x=X, mode=Text(mode), **edges)
            for mode in ("constant", "reflect", "replicate")
        },
        "flatten2d": call("flatten2d", f32(4, 36), x=X, axis=INT(2)),
        "tile": call("tile", f32(1, 4, 12, 6), x=X, reps=(ints(1, 1, 2, 1),)),
        "band_part": call("band_part", f32(*IMAGE), x=X, lower=INT(1), upper=INT(-1)),
        "cumsum": call("cumsum", f32(*IMAGE), x=X, axis=INT(2), exclusive=BOOL(True), reverse=BOOL(True)),
        "argsort": call("argsort", ("int32", IMAGE), x=X, axis=INT(3), ascending=BOOL(False)),
        "topk": call(
            "topk",
            f32(1, 4, 6, 2),
            ("int32", (1, 4, 6, 2)),
            x=X,
            k=INT(2),
            axis=INT(3),
            ascending=BOOL(False),
            output_indices_dtype=Text("int32"),
        ),
        "reshape": call("reshape", f32(4, 36), x=X, shape=(ints(4, 36),), opset="CoreML6"),
        "reshape iOS17": call("reshape", f32(4, 36), x=X, shape=ints(4, 36)),
        "reshape_like": program(
            [("reshape_like", like, (f32(4, 36, 1, 1),))],
            {"out0": f32(4, 36, 1, 1)},
            {"x": f32(*IMAGE), "y": f32(4, 36, 1, 1)},
        ),
        "expand_dims": call("expand_dims", f32(1, 1, 4, 6, 6, 1), x=X, axes=(ints(0, -1),)),
        "squeeze": call("squeeze", f32(4, 6, 6), x=X, axes=(ints(0),)),
        "transpose": call("transpose", f32(6, 6, 4, 1), x=X, perm=(ints(3, 2, 1, 0),)),
        "reverse": call("reverse", f32(*IMAGE), x=X, axes=(ints(1, 2),)),
        "reverse_sequence": call(
            "reverse_sequence", f32(*IMAGE), x=X, lengths=ints(2, 3, 4, 5), seq_axis=INT(2), batch_axis=INT(1)
        ),
        "slice_by_index": call("slice_by_index", f32(1, 2, 3, 6), x=X, **cut),
        "slice_by_index at limits given": call(
            "slice_by_index", f32(1, 2, 6, 6), x=X, begin=ints(0, 1, 0, 0), end=ints(1, 3, 6, 6)
        ),
        "slice_by_size": call(
            "slice_by_size", f32(1, 2, 3, 4), x=X, begin=(ints(0, 1, 1, 1),), size=(ints(1, 2, 3, 4),)
        ),
        "slice_update": call("slice_update", f32(*IMAGE), x=X, update=floats(1, 2, 3, 6), **cut),
        "depth_to_space": call("depth_to_space", f32(1, 1, 12, 12), x=X, block_size=INT(2)),
        "space_to_depth": call("space_to_depth", f32(1, 16, 3, 3), x=X, block_size=INT(2)),
        "pixel_shuffle": call("pixel_shuffle", f32(1, 1, 12, 12), x=X, upscale_factor=INT(2)),
        "pixel_unshuffle": call("pixel_unshuffle", f32(1, 16, 3, 3), x=X, downscale_factor=INT(2)),
        "space_to_batch": call("space_to_batch", f32(4, 4, 3, 3), x=X, **blocks, paddings=(none,)),
        "batch_to_space": call("batch_to_space", f32(1, 2, 6, 6), x=floats(4, 2, 3, 3), **blocks, crops=(none,)),
        "sliding_windows": call("sliding_windows", f32(1, 4, 3, 2, 6), x=X, axis=INT(2), size=INT(2), stride=INT(2)),
    }


def _compressed() -> dict[str, Call]:
    weight = f32(4, 6)

    def used(kind: str, results: tuple[Type, ...] = (weight,), opset: str = "CoreML8", **inputs: Any) -> Call:
        add = {"x": "x", "y": "w"}
        message = program([("add", add, (weight,))], {"out0": weight}, {"x": weight}, opset).message
        block = message.mlProgram.functions["main"].block_specializations[opset]
        (last,) = [type(op).FromString(op.SerializeToString()) for op in block.operations]
        del block.operations[:]
        _add(block, kind, inputs, [("mask", results[0]), ("w", results[1])] if len(results) > 1 else [("w", weight)])
        if len(results) > 1:
            bound = {"nonzero_data": "w", "mask": "mask"}
            last.inputs["y"].arguments[0].name = "dense"
            _add(block, "constexpr_sparse_to_dense", bound, [("dense", weight)])
        block.operations.append(last)
        return Call(message, {})

    bits, ones = Packed("uint1", (4, 6), b"\xff\x0f\x00"), Packed("uint1", (4, 6), b"\xff\x0f\x00")
    nibbles, palette = Packed("uint4", (4, 6), bytes(range(12))), floats(1, 1, 16, 1)
    mask_type: Type = ("uint1", (4, 6))
    return {
        "constexpr_affine_dequantize": used(
            "constexpr_affine_dequantize",
            quantized_data=np.ones((4, 6), np.int8),
            zero_point=np.zeros(4, np.int8),
            scale=floats(4),
            axis=INT(0),
        ),
        "constexpr_cast": used("constexpr_cast", source_val=floats(4, 6).astype(np.float16), output_dtype=Text("fp32")),
        "constexpr_lut_to_dense": used(
            "constexpr_lut_to_dense",
            opset="CoreML6",
            indices=np.arange(12, dtype=np.uint8),
            lut=floats(16),
            shape=np.array([4, 6], np.uint32),
        ),
        "constexpr_sparse_to_dense": used(
            "constexpr_sparse_to_dense",
            opset="CoreML6",
            nonzero_data=floats(12),
            mask=np.array([255, 15, 0], np.uint8),
            shape=np.array([4, 6], np.uint32),
        ),
        "constexpr_blockwise_shift_scale": used(
            "constexpr_blockwise_shift_scale",
            data=Packed("int4", (4, 6), bytes(range(12))),
            scale=floats(4, 2),
            offset=Packed("int4", (4, 2), bytes(4)),
        ),
        "constexpr_lut_to_dense iOS18": used("constexpr_lut_to_dense", indices=nibbles, lut=palette),
        "constexpr_lut_to_dense of vectors": used(
            "constexpr_lut_to_dense",
            indices=Packed("uint4", (2, 6), bytes(range(6))),
            lut=floats(1, 1, 16, 2),
            vector_axis=INT(0),
        ),
        "constexpr_sparse_to_dense iOS18": used("constexpr_sparse_to_dense", nonzero_data=floats(12), mask=bits),
        "constexpr_lut_to_sparse": used(
            "constexpr_lut_to_sparse",
            (mask_type, f32(12)),
            indices_mask=ones,
            indices_nonzero_data=Packed("uint4", (12,), bytes(range(6))),
            lut=palette,
        ),
        "constexpr_sparse_blockwise_shift_scale": used(
            "constexpr_sparse_blockwise_shift_scale",
            (mask_type, f32(12)),
            data_mask=ones,
            nonzero_data=np.ones(12, np.int8),
            scale=floats(4, 2),
        ),
        "dequantize": used("dequantize", input=np.ones((4, 6), np.int8), scale=floats(4), axis=INT(0)),
    }


def _lists() -> dict[str, Call]:
    one, none = f32(2, 3), {"list": ("list", ())}
    made = (
        "make_list",
        {
            "elem_shape": [INT(2), INT(3)],
            "init_length": INT(2),
            "dynamic_length": BOOL(True),
            "dtype": Text("fp32"),
        },
        (none["list"],),
    )
    written = ("list_write", {"ls": "step0", "index": INT(1), "value": "x"}, (none["list"],))
    scattered = ("list_scatter", {"ls": "step0", "indices": ints(0, 3), "value": floats(2, 2, 3)}, (none["list"],))
    read = ("list_read", {"ls": "step1", "index": INT(1)}, (one,))
    gathered = ("list_gather", {"ls": "step1", "indices": "y"}, (f32(2, 2, 3),))
    counted = ("list_length", {"ls": "step1"}, (("int32", ()),))
    types = {"x": one}
    both = {**types, "y": ("int32", (2,))}
    return {
        "make_list": program([made, written, read], {"out0": one}, types),
        "list_write": program([made, written, read], {"out0": one}, types),
        "list_read": program([made, written, read], {"out0": one}, types),
        "list_gather": program([made, written, gathered], {"out0": f32(2, 2, 3)}, both),
        "list_scatter": program([made, scattered, read], {"out0": one}, types),
        "list_length": program([made, written, counted], {"out0": ("int32", ())}, types),
    }


def _stateful() -> dict[str, Call]:
    half: Type = ("float16", (3,))
    steps = [
        ("read_state", {"input": "total"}, (half,)),
        ("add", {"x": "step0", "y": "x"}, (half,)),
        ("write_state", {"input": "total", "data": "step1"}, ()),
        ("read_state", {"input": "total"}, (half,)),
    ]
    message = program(steps, {"out0": half}, {"x": half}, "CoreML8", {"total": half})
    return {"read_state": message, "write_state": message}


def _controlled() -> dict[str, Call]:
    shape, more = (2, 3), {"shape": (2, 3)}
    branches = [([Op("mul", {"x": "x", "y": FLOAT(k)}, f"b{k}", **more)], [f"b{k}"]) for k in (2, 3)]
    choice = [
        Op("reduce_sum", {"x": "x", "axes": ints(0, 1), "keep_dims": BOOL(False)}, "s"),
        Op("greater", {"x": "s", "y": FLOAT(0)}, "p", "bool"),
        Op("cond", {"pred": "p"}, "out0", shape=shape, blocks=branches),
    ]
    outputs = {"out0": f32(*shape)}
    loop = Program([], outputs, opset="CoreML7").message()
    add_loop(
        loop.mlProgram.functions["main"].block_specializations["CoreML7"],
        {"i": (INT(0), "int32", ()), "v": ("x", "float32", shape), "w": (floats(4, 3), "float32", (4, 3))},
        [Op("less", {"x": "i", "y": INT(3)}, "go", "bool")],
        [
            Op("add", {"x": "i", "y": INT(1)}, "next", "int32"),
            Op("add", {"x": "v", "y": "x"}, "grown", **more),
            Op(
                "scatter",
                {"data": "w", "indices": ints(1), "updates": floats(1, 3), "axis": INT(0), "mode": Text("add")},
                "put",
                shape=(4, 3),
            ),
        ],
        ["next", "grown", "put"],
        ["rounds", "out0", "out1"],
    )
    chosen = Program(choice, outputs, opset="CoreML7").message()
    return {"cond": Call(chosen, {}), "while_loop": Call(loop, {})}


CALLS: dict[str, Call] = {
    **_elementwise(),
    **_recurrent(),
    **_filters(),
    **_products(),
    **_normalizing(),
    **_indexed(),
    **_images(),
    **_made(),
    **_moved(),
    **_compressed(),
    **_lists(),
    **_stateful(),
    **_controlled(),
}
"""by a name that begins with the op's"""

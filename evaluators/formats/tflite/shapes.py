"""Sizes of what a TFLite op makes, where the file leaves them open: they follow from the sizes of what it reads.

A converter that was given an open batch writes open sizes on from op to op, and loses on the way which of them were
the batch: rows of `[batch, time, features]` laid end to end are `[open, features]`. So each op's own rule is applied,
with the sizes that a call of one clip has.

Source of the rules: each op's `Prepare` in TensorFlow's `tensorflow/lite/kernels/`. They are held against the sizes
that LiteRT itself comes to.
"""

from __future__ import annotations

import math

import numpy as np

from evaluators.formats.tflite.reading import CUSTOM_OPTIONS, Reading, Rule, Shape, count_axis
from evaluators.formats.tflite.window_shapes import WINDOW_RULES

_MOST_SIZE = 2**31
"""sizes are 32-bit numbers"""


def infer_shapes(reading: Reading) -> list[Shape] | None:
    """The sizes of all that an op makes; none where no rule is known or the rule's operands are not.

    Args:
        reading: The op.
    """
    rule = _RULES.get(reading.kind)
    if rule is None:
        return None
    try:
        made = rule(reading)
        if isinstance(made, tuple):
            made = [made]
        found = [tuple(int(size) for size in shape) for shape in made]
    except (ValueError, LookupError, TypeError, ArithmeticError):  # the file's sizes do not fit together
        return None
    good = len(found) == len(reading.declared) and all(0 <= size < _MOST_SIZE for shape in found for size in shape)
    return found if good else None


def _same(reading: Reading) -> Shape:
    return reading.inputs[0]


def _broadcast(reading: Reading) -> Shape:
    return tuple(np.broadcast_shapes(*reading.inputs))


def _reshape(reading: Reading) -> Shape:
    if len(reading.inputs) > 1:
        asked = reading.numbers(1)
    else:
        asked = [int(size) for size in reading.told("ReshapeOptions").NewShapeAsNumpy()]
    total, known = math.prod(reading.inputs[0]), math.prod(size for size in asked if size >= 0)
    if any(size < 0 for size in asked) and (known == 0 or total % known):
        raise ValueError(f"{total} values do not fill {asked}")
    made = tuple(total // known if size < 0 else size for size in asked)
    if math.prod(made) != total:
        raise ValueError(f"{total} values do not fill {asked}")
    return made


def _squeeze(reading: Reading) -> Shape:
    shape = reading.inputs[0]
    dims = reading.told("SqueezeOptions").SqueezeDimsAsNumpy()
    gone = set() if isinstance(dims, int) else {count_axis(int(axis), len(shape)) for axis in dims}
    if not gone:
        return tuple(size for size in shape if size != 1)
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def _expand_dims(reading: Reading) -> Shape:
    shape = reading.inputs[0]
    axis = count_axis(reading.numbers(1)[0], len(shape) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _transpose(reading: Reading) -> Shape:
    return tuple(reading.inputs[0][axis] for axis in reading.numbers(1))


def _pack(reading: Reading) -> Shape:
    shape = reading.inputs[0]
    axis = count_axis(reading.told("PackOptions").Axis(), len(shape) + 1)
    return (*shape[:axis], len(reading.inputs), *shape[axis:])


def _unpack(reading: Reading) -> list[Shape]:
    shape = reading.inputs[0]
    axis = count_axis(reading.told("UnpackOptions").Axis(), len(shape))
    if shape[axis] != len(reading.declared):
        raise ValueError(f"{shape[axis]} parts, of which {len(reading.declared)} are taken")
    return [(*shape[:axis], *shape[axis + 1 :])] * len(reading.declared)


def _concatenation(reading: Reading) -> Shape:
    first = reading.inputs[0]
    axis = count_axis(reading.told("ConcatenationOptions").Axis(), len(first))
    return (*first[:axis], sum(shape[axis] for shape in reading.inputs), *first[axis + 1 :])


def _split(reading: Reading) -> list[Shape]:
    shape, parts = reading.inputs[1], len(reading.declared)
    axis = count_axis(reading.numbers(0)[0], len(shape))
    if shape[axis] % parts:
        raise ValueError(f"{shape[axis]} do not split into {parts}")
    return [(*shape[:axis], shape[axis] // parts, *shape[axis + 1 :])] * parts


def _split_v(reading: Reading) -> list[Shape]:
    shape, sizes = reading.inputs[0], reading.numbers(1)
    axis = count_axis(reading.numbers(2)[0], len(shape))
    rest = shape[axis] - sum(size for size in sizes if size >= 0)
    return [(*shape[:axis], rest if size < 0 else size, *shape[axis + 1 :]) for size in sizes]


def _strided_slice(reading: Reading) -> Shape:
    told, shape = reading.told("StridedSliceOptions"), reading.inputs[0]
    begin, end, stride = (reading.numbers(place) for place in (1, 2, 3))
    if told.EllipsisMask() or told.NewAxisMask():
        raise ValueError("ellipses and new axes are not followed")
    made = []
    for axis, size in enumerate(shape):
        if axis >= len(begin):
            made.append(size)
            continue
        if told.ShrinkAxisMask() >> axis & 1:
            continue
        first = None if told.BeginMask() >> axis & 1 else begin[axis]
        last = None if told.EndMask() >> axis & 1 else end[axis]
        if told.Offset() and first is not None and last is not None:
            last += first
        made.append(len(range(*slice(first, last, stride[axis]).indices(size))))
    return tuple(made)


def _slice(reading: Reading) -> Shape:
    begin, sizes = reading.numbers(1), reading.numbers(2)
    parts = zip(reading.inputs[0], begin, sizes, strict=True)
    return tuple(size - first if asked < 0 else asked for size, first, asked in parts)


def _gather(reading: Reading) -> Shape:
    told, (shape, indices) = reading.options("GatherOptions"), reading.inputs[:2]
    axis = 0 if told is None else count_axis(told.Axis(), len(shape))
    batch = 0 if told is None else told.BatchDims()
    return (*shape[:axis], *indices[batch:], *shape[axis + 1 :])


def _gather_nd(reading: Reading) -> Shape:
    shape, indices = reading.inputs[:2]
    return (*indices[:-1], *shape[indices[-1] :])


def _embedding(reading: Reading) -> Shape:
    return (*reading.inputs[0], *reading.inputs[1][1:])


def _pad(reading: Reading) -> Shape:
    pairs = np.reshape(reading.numbers(1), (-1, 2))
    return tuple(size + int(pair.sum()) for size, pair in zip(reading.inputs[0], pairs, strict=True))


def _tile(reading: Reading) -> Shape:
    return tuple(size * times for size, times in zip(reading.inputs[0], reading.numbers(1), strict=True))


def _broadcast_to(reading: Reading) -> Shape:
    return tuple(np.broadcast_shapes(reading.inputs[0], tuple(reading.numbers(1))))


def _filled(place: int) -> Rule:
    """An op one of whose operands is the size of what it makes."""
    return lambda reading: tuple(reading.numbers(place))


def _range(reading: Reading) -> Shape:
    first, limit, step = (reading.values[place] for place in range(3))
    if first is None or limit is None or step is None:
        raise ValueError("a range of unknown length")
    return (max(0, math.ceil((limit.item() - first.item()) / step.item())),)


def _shape(reading: Reading) -> Shape:
    return (len(reading.inputs[0]),)


def _reduce(reading: Reading) -> Shape:
    shape, told = reading.inputs[0], reading.options("ReducerOptions")
    gone = {count_axis(axis, len(shape)) for axis in reading.numbers(1)}
    keeps = told is not None and bool(told.KeepDims())
    return tuple(1 if axis in gone else size for axis, size in enumerate(shape) if keeps or axis not in gone)


def _pick(reading: Reading) -> Shape:
    shape = reading.inputs[0]
    axis = count_axis(reading.numbers(1)[0], len(shape))
    return (*shape[:axis], *shape[axis + 1 :])


def _one_hot(reading: Reading) -> Shape:
    indices, depth = reading.inputs[0], reading.numbers(1)[0]
    told = reading.told("OneHotOptions").Axis()
    axis = len(indices) if told == -1 else told
    return (*indices[:axis], depth, *indices[axis:])


def _top_k(reading: Reading) -> list[Shape]:
    return [(*reading.inputs[0][:-1], reading.numbers(1)[0])] * 2


def _fully_connected(reading: Reading) -> Shape:
    shape, (units, width) = reading.inputs[0], reading.inputs[1]
    if reading.told("FullyConnectedOptions").KeepNumDims():
        return (*shape[:-1], units)
    if math.prod(shape) % width:
        raise ValueError(f"{shape} are no rows of {width}")
    return math.prod(shape) // width, units


def _batch_matmul(reading: Reading) -> Shape:
    told, (first, second) = reading.told("BatchMatMulOptions"), reading.inputs[:2]
    rows = first[-1 if told.AdjX() else -2]
    return (*np.broadcast_shapes(first[:-2], second[:-2]), rows, second[-2 if told.AdjY() else -1])


def _recurrent(reading: Reading) -> list[Shape]:
    """Steps and batch as they come in, in either order; the units stand in the file."""
    return [(*reading.inputs[0][:-1], shape[-1]) for shape in reading.declared]


def _detections(reading: Reading) -> list[Shape]:
    """Boxes, classes, scores and how many there are."""
    told, batch = reading.told(CUSTOM_OPTIONS), reading.inputs[0][0]
    most = int(told["max_detections"]) * int(told["max_classes_per_detection"])
    return [(batch, most, 4), (batch, most), (batch, most), (batch,)]


def _suppression(reading: Reading) -> list[Shape]:
    """Places of the boxes that stay, their scores where these are asked for, and how many they are."""
    most = (reading.numbers(2)[0],)
    return [*[most] * (len(reading.declared) - 1), ()]


_RULES: dict[str, Rule] = {
    **WINDOW_RULES,
    **dict.fromkeys(
        (
            "ABS", "CAST", "CEIL", "COS", "CUMSUM", "DENSIFY", "DEQUANTIZE", "DYNAMIC_UPDATE_SLICE", "ELU", "EXP",
            "FAKE_QUANT", "FLOOR", "GELU", "HARD_SWISH", "IMAG", "COMPLEX_ABS", "L2_NORMALIZATION", "LEAKY_RELU",
            "LOCAL_RESPONSE_NORMALIZATION", "LOG", "LOGICAL_NOT", "LOGISTIC", "LOG_SOFTMAX", "NEG", "PRELU",
            "QUANTIZE", "REAL", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "REVERSE_SEQUENCE", "REVERSE_V2",
            "ROUND", "RSQRT", "SIGN", "SIN", "SOFTMAX", "SQRT", "SQUARE", "TANH", "TENSOR_SCATTER_UPDATE",
            "ZEROS_LIKE",
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            "ADD", "ATAN2", "BITWISE_XOR", "DIV", "EQUAL", "FLOOR_DIV", "FLOOR_MOD", "GREATER", "GREATER_EQUAL",
            "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "MUL", "NOT_EQUAL", "POW",
            "SELECT", "SELECT_V2", "SQUARED_DIFFERENCE", "SUB",
        ),
        _broadcast,
    ),
    **dict.fromkeys(("SUM", "MEAN", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL"), _reduce),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), _pick),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"), _recurrent),
    **dict.fromkeys(("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN"), _recurrent),
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand_dims,
    "TRANSPOSE": _transpose,
    "PACK": _pack,
    "UNPACK": _unpack,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "GATHER": _gather,
    "GATHER_ND": _gather_nd,
    "EMBEDDING_LOOKUP": _embedding,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast_to,
    "FILL": _filled(0),
    "SCATTER_ND": _filled(2),
    "TRANSPOSE_CONV": _filled(0),
    "CONV_3D_TRANSPOSE": _filled(0),
    "RANGE": _range,
    "SHAPE": _shape,
    "RANK": lambda _: (),
    "ONE_HOT": _one_hot,
    "CUSTOM TFLite_Detection_PostProcess": _detections,
    **dict.fromkeys(("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"), _suppression),
    "TOPK_V2": _top_k,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
}  # fmt: skip

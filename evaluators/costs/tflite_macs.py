"""Multiply-adds of TFLite ops, from their shapes.

Source of the layouts: the op definitions in TensorFlow's `tensorflow/lite/kernels/` (CONV_2D weights are
`[out, height, width, in]`, DEPTHWISE_CONV_2D `[1, height, width, out]`, TRANSPOSE_CONV `[out, height, width, in]`,
CONV_3D `[depth, height, width, in, out]`, FULLY_CONNECTED `[out, in]`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
Options = dict[str, bool]


def count_macs(kind: str, inputs: Shapes, outputs: Shapes, options: Options | None = None) -> int:
    """Multiply-adds of one op; 0 for a kind that has none or that is not known.

    Args:
        kind: The builtin operator's name, for example `CONV_2D`.
        inputs: Shapes of the inputs that are there, in the op's order; of a recurrent op only the first and the weights,
            without the states.
        outputs: Shapes of the outputs.
        options: `adj_x` of BATCH_MATMUL.
    """
    counter = _COUNTERS.get(kind)
    if counter is None or not outputs:
        return 0
    try:
        return counter(inputs, outputs, options or {})
    except IndexError:  # fewer inputs or dimensions than the op's definition asks for
        return 0


def count_pointers(kind: str, inputs: Shapes, outputs: Shapes) -> int:
    """Entries of the table of input addresses XNNPACK keeps for a convolution: one a kernel tap and output pixel.

    A long kernel makes the table far larger than the tensors. A 1×1 convolution is a matrix product and has none (one
    with a stride has; that is not told apart here). Of a depthwise convolution neighbouring pixels share columns; the
    count is the upper bound without sharing.

    Source: "The Indirect Convolution Algorithm" (M. Dukhan, 2019), section 3; checked against the resident memory of
    LiteRT 2.3.0, which grows by this much when tensors are allocated.
    """
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or len(inputs) < 2 or len(inputs[1]) != 4 or len(outputs[0]) != 4:
        return 0
    taps = math.prod(inputs[1][1:3])
    return 0 if taps == 1 else taps * math.prod(outputs[0][1:3])


def _convolution(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    # The weight's input channels are those of one group.
    return math.prod(outputs[0]) * math.prod(inputs[1][1:])


def _depthwise(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    return math.prod(outputs[0]) * math.prod(inputs[1][1:3])


def _transposed(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    return math.prod(inputs[2]) * math.prod(inputs[1][:3])


def _convolution_3d(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    return math.prod(outputs[0]) * math.prod(inputs[1][:4])


def _transposed_3d(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    # Weights are [depth, height, width, out, in] and the value comes third.
    return math.prod(inputs[2]) * math.prod(inputs[1][:4])


def _fully_connected(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    return math.prod(outputs[0]) * inputs[1][-1]


def _batch_matmul(inputs: Shapes, outputs: Shapes, options: Options) -> int:
    return math.prod(outputs[0]) * inputs[0][-2 if options.get("adj_x") else -1]


def _svdf(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    return inputs[0][0] * (math.prod(inputs[1]) + math.prod(inputs[2]))


def _recurrent(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    # Every matrix acts on every step; time and batch are the input's first dimensions, in either order.
    steps = math.prod(inputs[0][:-1])
    return steps * sum(math.prod(shape) for shape in inputs[1:] if len(shape) == 2)


def _real_fft(inputs: Shapes, outputs: Shapes, _: Options) -> int:
    # A real FFT of n points takes about 2.5 n log2 n operations, half of them multiplications.
    # Source: radix-2 Cooley-Tukey, 5 n log2 n for complex points, half for real ones.
    points = 2 * max(outputs[0][-1] - 1, 1)
    return int(math.prod(outputs[0][:-1]) * 1.25 * points * math.log2(points))


RECURRENT = frozenset({
    "RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip

_COUNTERS: dict[str, Callable[[Shapes, Shapes, Options], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "SVDF": _svdf,
    **dict.fromkeys(RECURRENT, _recurrent),
    "RFFT2D": _real_fft,
}

"""Multiply-adds of TFLite ops, from their shapes.

Source of the layouts: the op definitions in TensorFlow's `tensorflow/lite/kernels/` (CONV_2D weights are
`[out, height, width, in]`, DEPTHWISE_CONV_2D `[1, height, width, out]`, TRANSPOSE_CONV `[out, height, width, in]`,
CONV_3D `[depth, height, width, in, out]`, FULLY_CONNECTED `[out, in]`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """What an op is called with, as far as its multiply-adds follow from it."""

    inputs: Sequence[Shape]
    """of the inputs that are there, in order; of a recurrent op only the first and the weights, not the states"""
    outputs: Sequence[Shape]
    transposes_first: bool = False
    """BATCH_MATMUL's `adj_x`"""
    time_comes_first: bool = False
    """`time_major` of a recurrent op over a sequence"""


def count_macs(kind: str, call: Call) -> int:
    """Multiply-adds of one op; 0 for a kind that has none or that is not known.

    Args:
        kind: The builtin operator's name, for example `CONV_2D`.
        call: The shapes it is called with.
    """
    counter = _COUNTERS.get(kind)
    if counter is None or not call.outputs:
        return 0
    try:
        return counter(call)
    except IndexError:  # fewer inputs or dimensions than the op's definition asks for
        return 0


def count_steps(kind: str, call: Call) -> int:
    """How many steps a recurrent op takes, one after another; 1 for other ops, and for those that are one step.

    Args:
        kind: The builtin operator's name.
        call: The shapes it is called with; the first is `[time, batch, in]` or `[batch, time, in]`.
    """
    if kind not in SEQUENCES or len(call.inputs) == 0 or len(call.inputs[0]) != 3:
        return 1
    return max(call.inputs[0][0 if call.time_comes_first else 1], 1)


def _convolution(call: Call) -> int:
    # The weight's input channels are those of one group.
    return math.prod(call.outputs[0]) * math.prod(call.inputs[1][1:])


def _depthwise(call: Call) -> int:
    return math.prod(call.outputs[0]) * math.prod(call.inputs[1][1:3])


def _transposed(call: Call) -> int:
    return math.prod(call.inputs[2]) * math.prod(call.inputs[1][:3])


def _transposed_with_bias(call: Call) -> int:
    # MediaPipe's own: the input first, then weights as TRANSPOSE_CONV's.
    return math.prod(call.inputs[0]) * math.prod(call.inputs[1][:3])


def _convolution_3d(call: Call) -> int:
    return math.prod(call.outputs[0]) * math.prod(call.inputs[1][:4])


def _transposed_3d(call: Call) -> int:
    # Weights are [depth, height, width, out, in] and the value comes third.
    return math.prod(call.inputs[2]) * math.prod(call.inputs[1][:4])


def _fully_connected(call: Call) -> int:
    return math.prod(call.outputs[0]) * call.inputs[1][-1]


def _batch_matmul(call: Call) -> int:
    return math.prod(call.outputs[0]) * call.inputs[0][-2 if call.transposes_first else -1]


def _svdf(call: Call) -> int:
    return call.inputs[0][0] * (math.prod(call.inputs[1]) + math.prod(call.inputs[2]))


def _recurrent(call: Call) -> int:
    # Every matrix acts on every step; time and batch are the input's first dimensions, in either order.
    steps = math.prod(call.inputs[0][:-1])
    return steps * sum(math.prod(shape) for shape in call.inputs[1:] if len(shape) == 2)


def _real_fft(call: Call) -> int:
    # A real FFT of n points takes about 2.5 n log2 n operations, half of them multiplications.
    # Source: radix-2 Cooley-Tukey, 5 n log2 n for complex points, half for real ones.
    points = 2 * max(call.outputs[0][-1] - 1, 1)
    return int(math.prod(call.outputs[0][:-1]) * 1.25 * points * math.log2(points))


def _mfcc(call: Call) -> int:
    # Each line of the spectrum goes to two mel bands at most; a matrix makes coefficients of the bands.
    frames = math.prod(call.outputs[0][:-1])
    return frames * (2 * call.inputs[0][-1] + _MEL_BANDS * call.outputs[0][-1])


_MEL_BANDS = 40
"""of the op Mfcc where its options say nothing. Source: TensorFlow, `lite/kernels/mfcc.cc`"""

SEQUENCES = {
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "BIDIRECTIONAL_SEQUENCE_RNN": "BidirectionalSequenceRNNOptions",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "BidirectionalSequenceLSTMOptions",
}
"""recurrent ops over a sequence → the table that says which dimension is time"""

RECURRENT = frozenset({"RNN", "LSTM", *SEQUENCES})

UNCOUNTED = frozenset({"STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL"})
"""ops that multiply, whose multiply-adds do not follow from their shapes alone; no runtime runs them as they are"""

_COUNTERS: dict[str, Callable[[Call], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "CUSTOM Convolution2DTransposeBias": _transposed_with_bias,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "SVDF": _svdf,
    **dict.fromkeys(RECURRENT, _recurrent),
    "RFFT2D": _real_fft,
    "CUSTOM AudioSpectrogram": _real_fft,
    "CUSTOM Mfcc": _mfcc,
}

"""Which of XNNPACK's kernels a convolution gets, as far as its time and memory depend on that.

Read from XNNPACK's kernels as LiteRT 2.3.0 plays them: `python -m benchmarks.kernel_times` times them one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evaluators.costs.graph import ProductKernel
from evaluators.formats.tflite.macs import Shape

_DEPTHWISE_TAPS = (3, 4, 9, 25)
"""taps of the kernels for depthwise convolutions; with more taps, the general kernel does them group by group"""

_ROWS = 6
"""rows of a product that a kernel computes at once; between two such tiles of a transposed convolution the weights of
all its phases are read again. Source: XNNPACK's `f32-igemm-6x8` for Arm"""


def find_depthwise_tile(source: Shape, weights: Shape) -> int | None:
    """Taps of the depthwise kernel that an op gets; none where it gets the general one.

    Args:
        source: Of the input, channels last.
        weights: `[1, height, width, out]`.
    """
    if weights[-1] != source[-1]:
        return None
    taps = math.prod(weights[1:3])
    return next((tile for tile in _DEPTHWISE_TAPS if taps <= tile), None)


def find_product(kind: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> ProductKernel | None:
    """The matrix product that a convolution is computed as, where its kind and weights do not say so.

    Args:
        kind: The builtin operator's name.
        inputs: Shapes of its inputs.
        outputs: Of its outputs.
    """
    try:
        if kind == "DEPTHWISE_CONV_2D" and find_depthwise_tile(inputs[0], inputs[1]) is None:
            return ProductKernel(columns=inputs[1][-1] // inputs[0][-1])
        if kind == "CONV_2D" and 0 < inputs[1][-1] < inputs[0][-1]:
            return ProductKernel(columns=inputs[1][0] // (inputs[0][-1] // inputs[1][-1]))
        if kind == "TRANSPOSE_CONV":
            given, made = (math.prod(shape[:-1]) for shape in (inputs[2], outputs[0]))
            phases = min(made // given, math.prod(inputs[1][1:3]))
            return ProductKernel(columns=inputs[1][0], weight_reads=math.ceil(given / _ROWS) if phases > 1 else 1)
    except (IndexError, ZeroDivisionError):  # fewer inputs or dimensions than the op's definition asks for, or empty
        return None
    return None

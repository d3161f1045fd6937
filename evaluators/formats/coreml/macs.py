"""Multiply-adds of MIL ops, from their operands' shapes.

Source of the layouts: the op definitions of coremltools 9.0, `converters/mil/mil/ops/defs` (conv weights are
`[out, in / groups, *kernel]`, conv_transpose `[in, out / groups, *kernel]`, linear `[out, in]`, recurrent inputs
`[time, batch, in]` with weights `[gates · hidden, in or hidden]`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operands:
    """What an op is given, as far as its multiply-adds follow from it."""

    shapes: Mapping[str, tuple[Shape, ...]]
    """parameter → the shape of each value bound to it"""
    words: Mapping[str, str | bool]
    """parameter → its constant, for single texts and truth values"""

    outputs: Sequence[Shape]
    """shapes of its outputs"""

    def shape(self, parameter: str) -> Shape:
        """The shape of a parameter's first value."""
        return self.shapes[parameter][0]


def count_macs(kind: str, operands: Operands) -> int:
    """Multiply-adds of one op; 0 for a kind that has none or that is not known.

    Args:
        kind: The op's type, for example `conv`.
        operands: Its operands.
    """
    counter = _COUNTERS.get(kind)
    if counter is None or not operands.outputs:
        return 0
    try:
        return counter(operands)
    except (IndexError, KeyError):  # an operand the op's definition asks for is not there
        return 0


def count_steps(kind: str, operands: Operands) -> int:
    """How many steps a recurrent op takes, one after another; 1 for other ops.

    Args:
        kind: The op's type.
        operands: Its operands, of which x is `[time, batch, in]`.
    """
    sizes = operands.shapes.get("x") if kind in _RECURRENT else None
    return max(sizes[0][0], 1) if sizes and sizes[0] else 1


def is_depthwise(kind: str, operands: Operands) -> bool:
    """Whether a convolution's groups are its input channels, of which there are several.

    Args:
        kind: The op's type; others than convolutions are not.
        operands: Its operands.
    """
    if kind not in _CONVOLUTIONS or not operands.outputs or not {"x", "weight"} <= operands.shapes.keys():
        return False
    channels, weight = operands.shape("x")[1:2], operands.shape("weight")
    if channels < (2,) or weight[1:2] != (1,):
        return False
    # Weights hold the inputs of one group, those of a transposed convolution its outputs.
    return kind != "conv_transpose" or operands.outputs[0][1:2] == channels


_CONVOLUTIONS = frozenset({"conv", "conv_quantized", "conv_transpose"})


def _convolution(operands: Operands) -> int:
    return math.prod(operands.outputs[0]) * math.prod(operands.shape("weight")[1:])


def _transposed(operands: Operands) -> int:
    return math.prod(operands.shape("x")) * math.prod(operands.shape("weight")[1:])


def _linear(operands: Operands) -> int:
    return math.prod(operands.outputs[0]) * operands.shape("weight")[-1]


def _matmul(operands: Operands) -> int:
    x = operands.shape("x")
    return math.prod(operands.outputs[0]) * (x[-2] if operands.words.get("transpose_x") and len(x) > 1 else x[-1])


def _einsum(operands: Operands) -> int:
    left = str(operands.words["equation"]).replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, shape in zip(left, operands.shapes["values"], strict=False):
        for letter, size in zip(letters, shape, strict=False):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values())


def _attention(operands: Operands) -> int:
    query, key, value = operands.shape("query"), operands.shape("key"), operands.shape("value")
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _recurrent(operands: Operands) -> int:
    names = ("weight_ih", "weight_hh", "weight_ih_back", "weight_hh_back")
    weights = sum(math.prod(operands.shape(name)) for name in names if name in operands.shapes)
    return math.prod(operands.shape("x")[:2]) * weights


_RECURRENT = ("lstm", "gru", "rnn")

_COUNTERS: dict[str, Callable[[Operands], int]] = {
    "conv": _convolution,
    "conv_quantized": _convolution,
    "conv_transpose": _transposed,
    "linear": _linear,
    "matmul": _matmul,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(_RECURRENT, _recurrent),
}

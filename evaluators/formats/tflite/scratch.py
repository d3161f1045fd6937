"""Tensors that LiteRT's own kernels ask the planner for beside their inputs and outputs.

Source: LiteRT, `tflite/kernels/` (2026-08), each op's `Prepare`; checked against the tensors that LiteRT 2.3.0 holds
with one thread. With several, convolutions of floats hold a copy of their weights in place of a matrix of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluators.formats.tflite.file import Tensor

_OPTIMIZED_UNITS = 16
"""spare elements of an LSTM's scratch, so that its products need no copy"""


@dataclass(frozen=True)
class Kernel:
    """What a kernel is prepared with."""

    kind: str
    reads: Sequence[Tensor | None]
    """its inputs by place, none for those left out"""
    writes: Sequence[Tensor]
    is_constant: Sequence[bool]
    """of each input"""
    strided: bool = False
    """whether a convolution leaves out pixels"""
    dilated: bool = False
    """whether its taps lie apart"""

    def read(self, place: int) -> Tensor:
        """An input that must be there.

        Raises:
            IndexError: It is not.
        """
        found = self.reads[place]
        if found is None:
            raise IndexError(f"input {place} of {self.kind}")
        return found

    @property
    def is_hybrid(self) -> bool:
        """Whether it rounds floats to the integers of its weights."""
        return self.read(0).type == "FLOAT32" and self.read(1).type in ("INT8", "UINT8", "INT4", "INT2")


@dataclass(frozen=True)
class Scratch:
    """Bytes of each tensor a kernel asks for."""

    used: tuple[int, ...] = ()
    """while it runs"""
    kept: tuple[int, ...] = ()
    """from call to call"""
    own: int = 0
    """bytes outside of the arenas, from the first call on"""


def find_scratch(kernel: Kernel) -> Scratch:
    """What a kernel asks for; nothing for kinds that ask for nothing, or of which it is not known."""
    rule = _RULES.get(kernel.kind)
    if rule is None or not kernel.writes:
        return Scratch()
    try:
        return rule(kernel)
    except (IndexError, ValueError):  # fewer inputs or dimensions than the op's definition asks for
        return Scratch()


def _convolution(kernel: Kernel) -> Scratch:
    source, weights, made = kernel.read(0), kernel.read(1), kernel.writes[0]
    pixels = math.prod(made.shape[:3])
    element = 1 if kernel.is_hybrid else source.size_bytes // max(source.elements, 1)
    taps = math.prod(weights.shape[1:])
    columns = (pixels * taps * element,) if kernel.strided or kernel.dilated or weights.shape[1:3] != (1, 1) else ()
    if not kernel.is_hybrid:
        return Scratch(columns)
    groups = source.shape[3] // max(weights.shape[3], 1)
    rows = 4 * math.prod(source.shape[:3]) * groups
    return Scratch((*columns, source.elements, rows, rows, 4 * pixels * weights.shape[0]), kept=(4 * weights.shape[0],))


def _depthwise(kernel: Kernel) -> Scratch:
    source = kernel.read(0)
    return Scratch((source.elements, 4 * source.shape[0], 4 * source.shape[0])) if kernel.is_hybrid else Scratch()


def _fully_connected(kernel: Kernel) -> Scratch:
    if not kernel.is_hybrid:
        return Scratch()
    source, (units, depth) = kernel.read(0), kernel.read(1).shape[:2]
    rows = source.elements // max(depth, 1)
    return Scratch((source.elements, 4 * rows, 4 * rows, 4 * rows * units), kept=(4 * units,))


def _batch_matmul(kernel: Kernel) -> Scratch:
    left, right = kernel.read(0), kernel.read(1)
    used, kept = [left.size_bytes], list[int]()
    (kept if kernel.is_constant[1] else used).append(right.size_bytes)
    if kernel.is_hybrid:
        rows, units = math.prod(left.shape[:-1]), right.shape[-1]
        used += [left.elements, 4 * rows, 4 * rows, 4 * left.shape[-2] * units]
        kept.append(4 * math.prod(right.shape[:-2]) * units)
    return Scratch(tuple(used), tuple(kept))


def _transposed(kernel: Kernel) -> Scratch:
    weights, source = kernel.read(1), kernel.read(2)
    columns = 4 * math.prod(source.shape[1:3]) * math.prod(weights.shape[:3])
    own = columns + weights.size_bytes
    if source.type != "FLOAT32":
        return Scratch(own=own + 4 * kernel.writes[0].elements)
    if weights.type == "INT8":
        rows = 4 * source.elements // max(weights.shape[3], 1)
        return Scratch((source.elements, rows, rows), own=own)
    return Scratch(own=own)


def _sequence_lstm(kernel: Kernel) -> Scratch:
    source, gate, recurrent = kernel.read(0), kernel.read(4), kernel.read(8)
    cells, outputs = gate.shape[0], recurrent.shape[1]
    batch = source.elements // max(source.shape[-1], 1) // _steps(kernel)
    coupled = kernel.reads[1] is None
    main = 4 * batch * (cells * (4 if coupled else 5) + _OPTIMIZED_UNITS)
    if source.type != "FLOAT32":
        rows = batch * cells
        return Scratch((2 * rows,) * 4 + (rows, 4 * rows))
    if gate.type == "FLOAT32":
        return Scratch((main,))
    sums = 6 if coupled else 8
    if len(kernel.reads) > 16 and kernel.reads[16] is not None:
        sums += math.ceil(outputs / cells)
    small = (4 * batch,) * 5
    return Scratch(
        (main, source.elements, batch * outputs, batch * cells, *small, 4 * cells, 4 * cells * batch),
        kept=(4 * sums * cells,),
    )


def _steps(kernel: Kernel) -> int:
    """How many steps a sequence has: what its input holds more than its state's batch."""
    source, state, recurrent = kernel.read(0), kernel.reads[18] if len(kernel.reads) > 18 else None, kernel.read(8)
    batch = 1 if state is None else max(state.elements // max(recurrent.shape[1], 1), 1)
    return max(source.elements // max(source.shape[-1], 1) // batch, 1)


def _reduction(kernel: Kernel) -> Scratch:
    source, axes = kernel.read(0), kernel.read(1)
    wide = {"INT32": 8, "INT64": 8, "BOOL": 1}.get(source.type, 4)
    sums = (kernel.writes[0].elements * wide,) if kernel.kind in ("MEAN", "SUM", "REDUCE_PROD") else ()
    return Scratch((4 * len(source.shape), 4 * axes.elements, *sums))


def _real_fft(kernel: Kernel) -> Scratch:
    length = kernel.read(1).value
    if length is None or length.size != 2:
        return Scratch()
    height, width = (int(size) for size in length.reshape(-1))
    longest = max(height, width // 2)
    return Scratch((
        4 * (2 + math.isqrt(longest)), 8 * (longest // 2 + width // 4), 8 * height, 8 * height * (width + 2),
    ))  # fmt: skip


_RULES: dict[str, Callable[[Kernel], Scratch]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "TRANSPOSE_CONV": _transposed,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _sequence_lstm,
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL"), _reduction),
    "RFFT2D": _real_fft,
}

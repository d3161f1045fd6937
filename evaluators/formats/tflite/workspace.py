"""What XNNPACK holds for a group of ops: the values between them, weights in its own order, tables of addresses.

Source: XNNPACK, `src/runtime.c` and `src/memory-planner.c` (the plan, who works in place), `src/subgraph.c` (padding
that a convolution does itself), `src/operators/convolution-nhwc.c`, `fully-connected-nc.c`,
`batch-matrix-multiply-nc.c`, `reduce-nd.c`, `resize-bilinear-nhwc.c` (sizes), `src/configs/` (tiles), all of 2026-08.
Tables of addresses stay from call to call: the delegate asks for transient ones only where the app sets a flag.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluators.costs.arena import Block, place_blocks
from evaluators.formats.tflite.file import Tensor
from evaluators.formats.tflite.kernels import find_depthwise_tile

ALIGNMENT = 64
"""of values; 16 on Arm, where sizes differ by less than this"""

_IN_PLACE = {
    "ABS", "CEIL", "COS", "DEQUANTIZE", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOG",
    "NEG", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH", "ADD",
    "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB", "SOFTMAX", "RESHAPE",
}  # fmt: skip
_PADDED = {"CONV_2D", "DEPTHWISE_CONV_2D"}
_DEPTHWISE_CHANNELS = 16
_POINTER = 8


@dataclass(frozen=True)
class Tiles:
    """How many outputs a matrix kernel computes at once: packed weights are rounded up to it."""

    columns: int
    few: int
    """of convolutions in float32 with fewer outputs than `columns`"""
    integer_columns: int
    """of kernels for weights of 8 bits and less"""
    integer_depth: int
    """inputs that those kernels multiply at once"""


PHONE = Tiles(8, 2, 16, 4)
"""64-bit Arm with dot products. Source: XNNPACK, `src/configs/gemm-config.c`"""

DESKTOP = Tiles(16, 8, 8, 8)
"""x86-64 with AVX2, likewise"""


@dataclass(frozen=True)
class Taken:
    """An op as the delegate sees it."""

    kind: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    inputs: tuple[Tensor | None, ...]
    """by place, none for those left out"""
    is_constant: tuple[bool, ...]
    outputs: tuple[Tensor, ...]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    window: tuple[int, int] = (1, 1)
    """of pooling"""
    pads: bool = False
    """whether a convolution pads its input itself"""

    def input(self, place: int) -> Tensor:
        """An input that must be there.

        Raises:
            IndexError: It is not.
        """
        found = self.inputs[place]
        if found is None:
            raise IndexError(f"input {place} of {self.kind}")
        return found

    @property
    def is_hybrid(self) -> bool:
        """Whether its floats are rounded to 8 bits on the way in."""
        kinds = ("FULLY_CONNECTED", "CONV_2D")
        return self.kind in kinds and self.input(0).type == "FLOAT32" and self.input(1).type in ("INT8", "INT4")


@dataclass(frozen=True)
class Holding:
    """Bytes of one group."""

    workspace: int = 0
    """values and scratch, as planned; groups share one block, the largest"""
    packed: int = 0
    tables: int = 0


def hold(ops: Sequence[Taken], sizes: Mapping[int, int], outputs: Sequence[int], tiles: Tiles) -> Holding:
    """What a group holds.

    Args:
        ops: In execution order.
        sizes: Bytes of the graph's activations.
        outputs: Tensors that others read, which lie in the interpreter's own arena.
        tiles: Of the processor's kernels.
    """
    packed = sum(_size(_packed, op, tiles) for op in ops)
    tables = sum(_size(_table, op, tiles) for op in ops)
    return Holding(_plan(ops, sizes, set(outputs), tiles), packed, tables)


def _size(rule: Callable[[Taken, Tiles], int], op: Taken, tiles: Tiles) -> int:
    try:
        return rule(op, tiles)
    except (IndexError, ValueError):  # fewer inputs or dimensions than the op's definition asks for
        return 0


def _plan(ops: Sequence[Taken], sizes: Mapping[int, int], external: set[int], tiles: Tiles) -> int:
    """The workspace: largest first, each in the smallest gap that is free as long as it lives."""
    ops = _without_padding(ops, external)
    readers = Counter(number for op in ops for number in op.reads)
    inside = {number: sizes[number] for op in ops for number in op.writes if number in sizes and number not in external}
    first, last = dict[int, int](), dict[int, int]()
    for step, op in enumerate(ops):
        for number in op.writes:
            first.setdefault(number, step)
            last[number] = max(last.get(number, step), step)
        for number in op.reads:
            last[number] = step
    shared: dict[int, int] = {}
    for op in ops:
        made = op.writes[0] if op.writes else -1
        if op.kind not in _IN_PLACE or made not in inside or readers[made] != 1:
            continue
        for number in op.reads:
            if number in inside and readers[number] == 1 and inside[number] == inside[made]:
                owner = shared.get(number, number)
                shared[made] = owner
                last[owner] = max(last[owner], last[made])
                break
    blocks = [Block(_round(inside[n]), first[n], last[n]) for n in inside if n not in shared]
    for step, op in enumerate(ops):
        blocks.append(Block(_round(_size(_scratch, op, tiles)), step, step))
    blocks.sort(key=lambda block: -block.size)
    return place_blocks(blocks, 1)[1]


def _without_padding(ops: Sequence[Taken], external: set[int]) -> list[Taken]:
    """The ops without padding that the one convolution behind it does in its place."""
    readers = Counter(number for op in ops for number in op.reads)
    padding = {op.writes[0]: op for op in ops if op.kind == "PAD" and op.writes}
    gone: dict[int, int] = {}
    for op in ops:
        source = op.reads[0] if op.reads else -1
        if op.kind in _PADDED and source in padding and readers[source] == 1 and source not in external:
            before = padding[source].inputs[0]
            rank = None if before is None else len(before.shape)
            if rank == 4 and not op.pads:
                gone[source] = padding[source].reads[0]
    kept = [op for op in ops if not (op.kind == "PAD" and op.writes[0] in gone)]
    return [
        op if not any(n in gone for n in op.reads) else replace(op, reads=tuple(gone.get(n, n) for n in op.reads))
        for op in kept
    ]


def _round(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _scratch(op: Taken, tiles: Tiles) -> int:
    """What exists only while an op runs: rounded inputs, packed activations, sums."""
    if op.is_hybrid:
        source = op.input(0)
        by_row = op.kind == "FULLY_CONNECTED" or op.input(1).shape[1:3] == (1, 1)
        scales = source.elements // max(source.shape[-1], 1) if by_row else source.shape[0]
        return source.elements + 8 * scales
    if op.kind == "BATCH_MATMUL" and not op.is_constant[1]:
        return _packed_matrices(op, tiles)
    return 4 * op.outputs[0].elements if op.kind in ("MEAN", "SUM") else 0


def _packed_matrices(op: Taken, tiles: Tiles) -> int:
    right, made = op.input(1), op.outputs[0]
    columns = made.shape[-1]
    depth = right.elements // max(columns * math.prod(right.shape[:-2]), 1)
    return 4 * math.prod(right.shape[:-2]) * _up(columns, tiles.columns) * (depth + 1)


def _up(size: int, tile: int) -> int:
    return -(-size // tile) * tile


def _columns(columns: int, tiles: Tiles, *, is_integer: bool) -> int:
    """Outputs of a convolution, rounded up to what its kernel computes at once."""
    if is_integer:
        return _up(columns, tiles.integer_columns)
    return _up(columns, tiles.few if columns < tiles.columns else tiles.columns)


def _packed(op: Taken, tiles: Tiles) -> int:
    """Weights in the kernels' order, with bias and scales."""
    if op.kind == "BATCH_MATMUL":
        return _packed_matrices(op, tiles) if op.is_constant[1] else 0
    if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return 0
    weights = op.input(1)
    element = _ELEMENTS.get(weights.type, 4)
    is_integer = element < 4
    extra = 12 if is_integer else 4
    if op.kind == "FULLY_CONNECTED":
        columns, depth = weights.shape
        depth = _up(depth, tiles.integer_depth) if is_integer else depth
        return int(_up(columns, tiles.integer_columns if is_integer else tiles.columns) * (depth * element + extra))
    source = op.input(2 if op.kind == "TRANSPOSE_CONV" else 0).shape[-1]
    if op.kind == "DEPTHWISE_CONV_2D":
        columns, taps, depth, groups = weights.shape[-1], math.prod(weights.shape[1:3]), 1, max(source, 1)
        tile = find_depthwise_tile(op.input(0).shape, weights.shape)
        if tile is not None:
            return int(_up(columns, _DEPTHWISE_CHANNELS) * (tile * element + extra))
    else:
        columns, taps, depth = weights.shape[0], math.prod(weights.shape[1:3]), weights.shape[3]
        groups = max(source // max(depth, 1), 1)
    depth = _up(depth, tiles.integer_depth) if is_integer else depth
    return int(groups * _columns(columns // groups, tiles, is_integer=is_integer) * (taps * depth * element + extra))


_ELEMENTS = {"INT8": 1.0, "UINT8": 1.0, "INT4": 0.5, "INT2": 0.25}
"""bytes of a weight that stays what it is; others are packed as float32"""


def _table(op: Taken, _: Tiles) -> int:
    """Addresses of the inputs that each output pixel is made from."""
    made = op.outputs[0].shape if op.outputs else ()
    if op.kind == "RESIZE_BILINEAR":
        return math.prod(made[1:3]) * (4 * _POINTER + 8)
    if op.kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return _stepped(made, op.window, op.strides[1])
    if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        return 0
    weights = op.input(1)
    taps = (weights.shape[1], weights.shape[2])
    if op.kind == "DEPTHWISE_CONV_2D" and find_depthwise_tile(op.input(0).shape, weights.shape) is not None:
        return _stepped(made, taps, op.strides[1] if op.dilations[1] == 1 else taps[1])
    if op.kind == "CONV_2D" and taps == (1, 1) and op.strides == (1, 1) and weights.shape[-1] == op.input(0).shape[-1]:
        return 0  # a matrix product
    addresses = math.prod(taps) * math.prod(made[1:3])
    if op.kind == "TRANSPOSE_CONV" and all(tap >= step for tap, step in zip(taps, op.strides, strict=True)):
        addresses //= max(math.prod(op.strides), 1)  # the rest of the table is never touched
    return _POINTER * addresses


def _stepped(made: Sequence[int], taps: tuple[int, int], step: int) -> int:
    """Of kernels in which neighbouring pixels share columns."""
    rows, pixels = made[1:3]
    width = min(step, taps[1])
    return _POINTER * rows * (math.prod(taps) + (pixels - 1) * width * taps[0])

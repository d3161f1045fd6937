"""How an ML Program holds its constants, in the words of testpress's precisions: float16, linear_w8, palettized_w4.

Source of the operands: the op definitions of coremltools 9.0, `converters/mil/mil/ops/defs/iOS16` and `iOS18`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from evaluators.emulators.coreml.dtypes import DType
from evaluators.emulators.coreml.program import Block, Function, Operation, Value


@dataclass(frozen=True)
class Operand:
    """A constant that makes another one."""

    shape: tuple[int, ...]
    dtype: DType | None
    stored_as: str = ""
    """how it is held itself, where it was made from others"""


def describe_constant(kind: str, operands: Mapping[str, Operand]) -> str:
    """How a constant made by an op of this kind is held; empty where nothing is known of the kind.

    Args:
        kind: For example `constexpr_lut_to_dense`.
        operands: What it is made from, by parameter.
    """
    compression = kind.removeprefix("constexpr_")
    if compression == "affine_dequantize":
        return f"linear_w{_bits(operands.get('quantized_data'))}"
    if compression == "dequantize":
        return f"linear_w{_bits(operands.get('input'))}"
    if compression in ("blockwise_shift_scale", "sparse_blockwise_shift_scale"):
        data = operands.get("data") or operands.get("nonzero_data")
        inner = data.stored_as if data is not None and not data.stored_as.startswith(("int", "uint")) else ""
        return _sparse(compression) + (inner or f"linear_w{_bits(data)}{_block(data, operands.get('scale'))}")
    if compression in ("lut_to_dense", "lut_to_sparse"):
        return f"{_sparse(compression)}palettized_w{_palette_bits(operands)}"
    if compression == "sparse_to_dense":
        data = operands.get("nonzero_data")
        inner = "" if data is None else data.stored_as
        return inner if inner.startswith("sparse") else "sparse"
    source = operands.get("x") or operands.get("source_val") or operands.get("input")
    return "" if source is None else source.stored_as


def _sparse(compression: str) -> str:
    return "sparse_" if "sparse" in compression else ""


def _bits(operand: Operand | None) -> int:
    return 8 if operand is None or operand.dtype is None else operand.dtype.bits


def _palette_bits(operands: Mapping[str, Operand]) -> int:
    """Bits of an index: of its type, and for iOS 16, whose indices are packed into bytes, by the palette's size."""
    lut, indices = operands.get("lut"), operands.get("indices") or operands.get("indices_nonzero_data")
    if lut is not None and len(lut.shape) == 1:
        return max(lut.shape[0] - 1, 1).bit_length()
    return _bits(indices)


def _block(data: Operand | None, scale: Operand | None) -> str:
    """`_block32` where one scale belongs to 32 neighbours; nothing where it belongs to a channel or the whole."""
    if data is None or scale is None or len(data.shape) != len(scale.shape):
        return ""
    sizes = [whole // part for whole, part in zip(data.shape, scale.shape, strict=True) if 1 < part < whole]
    return f"_block{max(sizes)}" if sizes else ""


def stored_bytes(functions: Iterable[Function]) -> int:
    """Constants as the file holds them; ops and functions share blobs."""
    blobs: dict[tuple[str, int] | int, int] = {}
    for operation in (op for function in functions for op in _all_operations(function.block)):
        held = [item for argument in operation.inputs.values() for item in argument if isinstance(item, Value)]
        if operation.kind == "const":  # of other ops, what stands among the attributes stands among the inputs too
            held += [value for key, value in operation.attributes.items() if key != "name"]
        elif not operation.kind.startswith("constexpr_"):
            continue
        for value in held:
            if isinstance(value.data, np.ndarray) and value.type.dtype is not None and value.data.dtype != object:
                blobs[value.place or id(value)] = (value.data.size * value.type.dtype.bits + 7) // 8
    return sum(blobs.values())


def _all_operations(block: Block) -> Iterator[Operation]:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _all_operations(inner)

"""Element types of ML Programs: their names, their codes in files, and how they are stored.

Source: `DataType` in coremltools' MIL.proto for the codes; the blob codes were read from files written by coremltools'
own blob writer, one type each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluators.errors import EvaluationError


@dataclass(frozen=True)
class DType:
    """One element type."""

    name: str
    """numpy's name where numpy has the type"""
    mil_name: str
    """the name in MIL text and in `dtype` parameters"""
    code: int
    """`DataType` in MIL.proto"""
    blob_code: int | None
    """the code in weight files"""
    bits: int
    """bits one element takes in a file"""
    stored: type[np.generic] | None
    """numpy type of the unpacked elements; none for strings"""

    @property
    def is_packed(self) -> bool:
        """Whether several elements share a byte."""
        return self.bits < 8 and self.name != "bool"


_ALL = (
    DType("bool", "bool", 1, None, 8, np.bool_),
    DType("string", "string", 2, None, 8, None),
    DType("float16", "fp16", 10, 1, 16, np.float16),
    DType("float32", "fp32", 11, 2, 32, np.float32),
    DType("float64", "fp64", 12, None, 64, np.float64),
    DType("int8", "int8", 21, 4, 8, np.int8),
    DType("int16", "int16", 22, 6, 16, np.int16),
    DType("int32", "int32", 23, 14, 32, np.int32),
    DType("int64", "int64", 24, None, 64, np.int64),
    DType("int4", "int4", 25, 8, 4, np.int8),
    DType("uint8", "uint8", 31, 3, 8, np.uint8),
    DType("uint16", "uint16", 32, 7, 16, np.uint16),
    DType("uint32", "uint32", 33, 15, 32, np.uint32),
    DType("uint64", "uint64", 34, None, 64, np.uint64),
    DType("uint4", "uint4", 35, 11, 4, np.uint8),
    DType("uint2", "uint2", 36, 10, 2, np.uint8),
    DType("uint1", "uint1", 37, 9, 1, np.uint8),
    DType("uint6", "uint6", 38, 13, 6, np.uint8),
    DType("uint3", "uint3", 39, 12, 3, np.uint8),
)
_BY_NAME = {spelling: dtype for dtype in _ALL for spelling in (dtype.name, dtype.mil_name)}
_BY_CODE = {dtype.code: dtype for dtype in _ALL}


def dtype_named(name: str) -> DType:
    """The type with this name, numpy's or MIL's.

    Raises:
        EvaluationError: There is no such type.
    """
    if name not in _BY_NAME:
        raise EvaluationError(f"unknown element type {name!r}; known: {', '.join(d.mil_name for d in _ALL)}")
    return _BY_NAME[name]


def dtype_coded(code: int, where: str) -> DType:
    """The type with this code in MIL.proto; `where` names the place for the message."""
    if code not in _BY_CODE:
        raise EvaluationError(f"{where}: unknown element type code {code}; known: {', '.join(map(str, _BY_CODE))}")
    return _BY_CODE[code]


_GROUPS = {1: (1, 8), 2: (1, 4), 3: (3, 8), 4: (1, 2), 6: (3, 4)}
"""bits of an element → the fewest whole bytes that hold whole elements, and how many elements that is"""
_STRETCH = 1 << 15
"""elements unpacked at a time, so that what lies between stays in the processor's cache"""


def unpack(packed: np.ndarray, dtype: DType, count: int) -> np.ndarray:
    """Elements of a type narrower than a byte, from bytes filled from the lowest bit up.

    Args:
        packed: uint8, at least `count * dtype.bits` bits.
        dtype: A packed type.
        count: How many elements.

    Returns:
        `count` elements of `dtype.stored`, int4 sign-extended.
    """
    size, elements = _GROUPS[dtype.bits]
    groups, step = -(-count // elements), _STRETCH // elements
    result = np.empty(groups * elements, np.uint8)
    for begin in range(0, groups, step):
        words = _words(packed[begin * size : (begin + step) * size], size, min(step, groups - begin))
        target = result[begin * elements : (begin + step) * elements]
        target[:] = _spread(words.astype(f"<u{elements}"), dtype.bits).view(np.uint8)
        if dtype.name == "int4":
            target ^= 8  # moves the sign to where a subtraction of 8 restores it
            target -= 8
    return result[:count].view(dtype.stored)


def _words(packed: np.ndarray, size: int, count: int) -> np.ndarray:
    """Groups of `size` bytes as numbers; what stands above a group's own bits is not cleared."""
    if size == 1:
        return packed[:count]
    padded = np.zeros(count * size + 4, np.uint8)  # a group is read as four bytes, which may reach past the last one
    padded[: min(packed.size, count * size)] = packed[: count * size]
    return np.ndarray((count,), "<u4", buffer=padded, strides=(size,))


def _spread(words: np.ndarray, bits: int) -> np.ndarray:
    """Words whose lowest bits hold one element of `bits` bits for each byte they have → one element in each byte.

    Each step halves what a lane holds: its upper half moves to the upper half of the lane.
    """
    lane, held = 8 * words.itemsize, bits * words.itemsize
    while lane > 8:
        lane, held = lane // 2, held // 2
        low = sum(((1 << held) - 1) << start for start in range(0, 8 * words.itemsize, 2 * lane))
        moved = words << words.dtype.type(lane - held)
        moved &= words.dtype.type(low << lane)
        words &= words.dtype.type(low)
        words |= moved
    return words

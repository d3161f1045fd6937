"""Tables of a TFLite file, each read with one look at where its fields lie.

The schema's generated reader looks a field's place up anew each time it is asked for, which takes most of the time of
reading a file of thousands of ops. Only the few tables of which a file has thousands are read here. Whatever points
outside the file is an error of `struct`.

Source of the layout: FlatBuffers, "FlatBuffer Internals"; of the fields' numbers: TensorFlow,
`compiler/mlir/lite/schema/schema.fbs`, where they count from 0 in the order of declaration.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

MODEL_OPERATOR_CODES: Final = 1
MODEL_SUBGRAPHS: Final = 2
MODEL_BUFFERS: Final = 4
SUBGRAPH_TENSORS: Final = 0
SUBGRAPH_OPERATORS: Final = 3
TENSOR_SHAPE: Final = 0
TENSOR_TYPE: Final = 1
TENSOR_BUFFER: Final = 2
TENSOR_NAME: Final = 3
TENSOR_QUANTIZATION: Final = 4
TENSOR_IS_VARIABLE: Final = 5
TENSOR_SPARSITY: Final = 6
TENSOR_SHAPE_SIGNATURE: Final = 7
TENSOR_HAS_RANK: Final = 8
BUFFER_DATA: Final = 0
BUFFER_SIZE: Final = 2
_CODE_DEPRECATED, _CODE_CUSTOM, _CODE_VERSION, _CODE_BUILTIN = 0, 1, 2, 3
OPERATOR_CODE: Final = 0
OPERATOR_INPUTS: Final = 1
OPERATOR_OUTPUTS: Final = 2
QUANTIZATION_SCALE: Final = 2

_INT8 = struct.Struct("<b").unpack_from
_INT32 = struct.Struct("<i").unpack_from
_UINT16 = struct.Struct("<H").unpack_from
_UINT32 = struct.Struct("<I").unpack_from
_UINT64 = struct.Struct("<Q").unpack_from


class Table:
    """One table.

    Attributes:
        at: Where it begins in the file.
    """

    __slots__ = ("_data", "_places", "at")

    def __init__(self, data: bytes, at: int) -> None:
        """Look where the fields lie.

        Raises:
            struct.error: That is outside the file.
        """
        self._data, self.at = data, at
        start = at - _INT32(data, at)[0]
        if start < 0:
            raise struct.error(f"table at {at} has its fields' places at {start}")
        count = _UINT16(data, start)[0] // 2 - 2
        self._places: tuple[int, ...] = struct.unpack_from(f"<{max(count, 0)}H", data, start + 4)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The table that the file holds, a `Model`; errors as of the constructor."""
        return cls(data, _UINT32(data, 0)[0])

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return field < len(self._places) and self._places[field] != 0

    def int8(self, field: int) -> int:
        """A number of one byte, 0 where it is not there."""
        return int(_INT8(self._data, self.at + self._places[field])[0]) if self.has(field) else 0

    def int32(self, field: int, default: int = 0) -> int:
        """As `int8`, of four bytes."""
        return int(_INT32(self._data, self.at + self._places[field])[0]) if self.has(field) else default

    def uint32(self, field: int) -> int:
        """As `int8`, of four bytes without a sign."""
        return int(_UINT32(self._data, self.at + self._places[field])[0]) if self.has(field) else 0

    def uint64(self, field: int) -> int:
        """As `int8`, of eight bytes without a sign."""
        return int(_UINT64(self._data, self.at + self._places[field])[0]) if self.has(field) else 0

    def vector(self, field: int) -> tuple[int, int]:
        """Where the elements of a vector, or of a text, begin, and how many they are; none where it is not there."""
        if not self.has(field):
            return 0, 0
        place = self.at + self._places[field]
        begin = place + _UINT32(self._data, place)[0]
        return begin + 4, int(_UINT32(self._data, begin)[0])

    def int32s(self, field: int) -> tuple[int, ...]:
        """A vector of numbers of four bytes."""
        begin, count = self.vector(field)
        return struct.unpack_from(f"<{count}i", self._data, begin)

    def bytes(self, field: int) -> bytes:
        """A vector of bytes, or a text.

        Raises:
            struct.error: It ends outside the file.
        """
        begin, count = self.vector(field)
        if begin + count > len(self._data):
            raise struct.error(f"{count} bytes at {begin} of a file of {len(self._data)}")
        return self._data[begin : begin + count]

    def table(self, field: int) -> Table | None:
        """A table that a field holds."""
        if not self.has(field):
            return None
        place = self.at + self._places[field]
        return Table(self._data, place + _UINT32(self._data, place)[0])

    def places(self, field: int) -> list[int]:
        """Where the tables of a vector begin."""
        begin, count = self.vector(field)
        offsets = struct.unpack_from(f"<{count}I", self._data, begin)
        return [begin + 4 * index + offset for index, offset in enumerate(offsets)]


class OperatorCode(NamedTuple):
    """An entry of a file's list of operator codes."""

    builtin: int
    """of the schema's `BuiltinOperator`"""
    version: int
    custom: bytes | None
    """a custom op's name"""


def operator_codes(data: bytes) -> Iterator[OperatorCode]:
    """The operator codes of a file, in their order; some converters write one for each op."""
    for place in Table.root(data).places(MODEL_OPERATOR_CODES):
        table = Table(data, place)
        # Old files hold the code in the one field, newer ones in the other.
        builtin = max(table.int32(_CODE_BUILTIN), table.int8(_CODE_DEPRECATED))
        custom = table.bytes(_CODE_CUSTOM) if table.has(_CODE_CUSTOM) else None
        yield OperatorCode(builtin, table.int32(_CODE_VERSION, default=1), custom)

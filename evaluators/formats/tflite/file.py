"""A `.tflite` file's subgraphs, tensors, ops and signatures, as far as their cost follows from them.

Only the schema's generated reader is loaded, no runtime. Whatever points outside the file is an error of `DAMAGE`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.costs.loops import MOST_VALUES
from evaluators.errors import EvaluationError
from packager.formats.tflite import tables
from packager.formats.tflite.reduced_precision import allows_float16, read_reduced_precision

TFLITE_IDENTIFIER = b"TFL3"
"""bytes 4 to 8 of every TFLite model"""

_BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "BFLOAT16": 16, "FLOAT64": 64, "COMPLEX64": 64, "COMPLEX128": 128,
    "INT64": 64, "INT32": 32, "INT16": 16, "INT8": 8, "INT4": 4, "INT2": 2, "BOOL": 8,
    "UINT64": 64, "UINT32": 32, "UINT16": 16, "UINT8": 8, "UINT4": 4, "FLOAT8_E4M3FN": 8, "FLOAT8_E5M2": 8,
}  # fmt: skip

DTYPES: dict[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"), "FLOAT64": np.dtype("<f8"), "INT64": np.dtype("<i8"), "INT32": np.dtype("<i4"),
    "INT16": np.dtype("<i2"), "INT8": np.dtype("i1"), "UINT8": np.dtype("u1"), "BOOL": np.dtype("?"),
}  # fmt: skip
"""types in which a file holds counters and bounds"""

_HANDLES = ("RESOURCE", "VARIANT")
"""types of what stands for a variable or a table, and has no size"""

_CUSTOM_SIZES = ("max_detections", "max_classes_per_detection")
"""of TFLite_Detection_PostProcess. Source: TensorFlow, `lite/kernels/detection_postprocess.cc`"""

_MOST_ELEMENTS = 2**40
"""more than this in one tensor is damage, not a model: a float32 tensor of 4 TiB"""

DAMAGE = (struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
"""what the generated reader and numpy raise when an offset or a length points outside the file"""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a TFLite graph, open dimensions counted as 1."""

    name: str
    shape: tuple[int, ...]
    type: str
    constant_bytes: int
    """bytes of its buffer in the file; 0 for activations"""
    open_axes: tuple[int, ...]
    """dimensions that a caller may choose"""
    buffer: int
    value: npt.NDArray[Any] | None
    """of a small constant"""
    is_ranked: bool = True
    """whether the file says how many dimensions there are"""
    is_sparse: bool = False
    """whether its buffer leaves out zeros"""
    is_variable: bool = False
    """whether it keeps its value from call to call"""

    @property
    def is_open(self) -> bool:
        """Whether its size is not in the file."""
        return bool(self.open_axes) or not self.is_ranked

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """In memory; a type of no fixed size (text, resources) counts nothing."""
        if self.elements > _MOST_ELEMENTS:
            raise ValueError(f"tensor of shape {self.shape}")
        return (self.elements * _BITS.get(self.type, 0) + 7) // 8


@dataclass(frozen=True)
class Operator:
    """An op as the file has it."""

    kind: str
    """the builtin operator's name, or `CUSTOM` and a custom op's own name"""
    inputs: tuple[int, ...]
    """by place; a negative one stands for an input left out"""
    reads: tuple[int, ...]
    """the inputs that are there"""
    writes: tuple[int, ...]
    table: Any
    """the generated reader's"""


UNKNOWN_CODE = "UNKNOWN code"
"""how the kind of an op begins whose code the schema does not know"""


class TFLiteFile:
    """One file, its tensors read once a subgraph."""

    def __init__(self, data: bytes) -> None:
        """Open a file's bytes.

        Raises:
            EvaluationError: ai-edge-litert is not installed.
        """
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ImportError as fault:
            raise EvaluationError(
                "reading a .tflite file's graph needs ai-edge-litert; right is: pip install 'testpress[tflite]'"
            ) from fault

        self._data = data
        self.schema: Any = schema
        self._types = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
        self._codes = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        self.model = schema.Model.GetRootAs(data, 0)
        self._root = tables.Table.root(data)
        self._graphs = self._root.places(tables.MODEL_SUBGRAPHS)
        self._buffers = self._root.places(tables.MODEL_BUFFERS)
        self._tables: dict[int, list[tables.Table]] = {}
        self._tensors: dict[int, list[Tensor]] = {}
        self._operators: dict[int, list[Operator]] = {}
        if self.model.SubgraphsLength() < 1:
            raise ValueError("no subgraph")
        if self.model.SubgraphsLength() * 4 > len(data):
            raise IndexError(f"{self.model.SubgraphsLength()} subgraphs")

    @cached_property
    def _says_ranks(self) -> bool:
        return any(
            table.int8(tables.TENSOR_HAS_RANK) for index in range(len(self._graphs)) for table in self._all(index)
        )

    def _all(self, index: int) -> list[tables.Table]:
        """The tensors of a subgraph as tables."""
        if index not in self._tables:
            graph = tables.Table(self._data, self._graphs[index])
            self._tables[index] = [tables.Table(self._data, at) for at in graph.places(tables.SUBGRAPH_TENSORS)]
        return self._tables[index]

    def weight_bytes(self) -> int:
        """Of all subgraphs; a buffer that several tensors share counts once."""
        stored = {}
        for index in range(self.model.SubgraphsLength()):
            stored.update({tensor.buffer: tensor.constant_bytes for tensor in self.tensors(index)})
        return sum(stored.values())

    def allows_float16(self) -> bool:
        """Whether float32 ops may be computed in float16 where a core can."""
        return allows_float16(read_reduced_precision(self.model))

    def signatures(self) -> dict[str, int]:
        """Name → the subgraph it calls, in the file's order."""
        found = {}
        for index in range(self.model.SignatureDefsLength()):
            signature = self.model.SignatureDefs(index)
            found[(signature.SignatureKey() or b"").decode("utf-8", errors="replace")] = self._checked(
                signature.SubgraphIndex()
            )
        return found

    def ports(self, index: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A subgraph's inputs and outputs."""
        graph = self.model.Subgraphs(index)
        return _indices(graph.InputsAsNumpy()), _indices(graph.OutputsAsNumpy())

    def tensors(self, index: int) -> list[Tensor]:
        """All tensors of a subgraph."""
        if index not in self._tensors:
            self._tensors[index] = [self._tensor(table) for table in self._all(index)]
        return self._tensors[index]

    def operators(self, index: int) -> list[Operator]:
        """All ops of a subgraph, in order."""
        if index not in self._operators:
            graph = tables.Table(self._data, self._graphs[index])
            self._operators[index] = [self._operator(place) for place in graph.places(tables.SUBGRAPH_OPERATORS)]
        return self._operators[index]

    def options(self, operator: Operator, name: str) -> Any | None:
        """An op's options as a table of the schema, for example `WhileOptions`; none where it has none."""
        second = name.lower().startswith("stablehlo")
        table = operator.table.BuiltinOptions2() if second else operator.table.BuiltinOptions()
        if table is None:
            return None
        options = getattr(self.schema, name)()
        options.Init(table.Bytes, table.Pos)
        return options

    def custom_options(self, operator: Operator) -> dict[str, int]:
        """Sizes among a custom op's options, by name, where those are the usual map; else none of them."""
        from flatbuffers import flexbuffers

        data = operator.table.CustomOptionsAsNumpy()
        if isinstance(data, int):
            return {}
        try:
            # Only what is asked for is read: a few bytes may stand for a map of any size.
            found = flexbuffers.GetRoot(bytes(data)).AsMap
            return {name: found[name].AsInt for name in _CUSTOM_SIZES}
        except (*DAMAGE, AssertionError):
            return {}

    def called(self, operator: Operator) -> tuple[int, ...]:
        """Subgraphs an op runs; of a loop its condition and its body, in this order."""
        return tuple(self._checked(index) for index in self._called(operator))

    def _called(self, operator: Operator) -> Iterator[int]:
        name = _CALLERS.get(operator.kind)
        options = None if name is None else self.options(operator, name)
        if options is None:
            return
        if name in ("WhileOptions", "StablehloWhileOptions"):
            yield from (options.CondSubgraphIndex(), options.BodySubgraphIndex())
        elif name == "IfOptions":
            yield from (options.ThenSubgraphIndex(), options.ElseSubgraphIndex())
        elif name == "CallOptions":
            yield options.Subgraph()
        elif name == "StableHLOCompositeOptions":
            yield options.DecompositionSubgraphIndex()
        else:
            yield from (options.BranchSubgraphIndices(k) for k in range(options.BranchSubgraphIndicesLength()))

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.model.SubgraphsLength():
            raise IndexError(f"subgraph {index} of {self.model.SubgraphsLength()}")
        return index

    def _operator(self, place: int) -> Operator:
        table, generated = tables.Table(self._data, place), self.schema.Operator()
        generated.Init(self._data, place)
        reads, writes = (table.int32s(field) for field in (tables.OPERATOR_INPUTS, tables.OPERATOR_OUTPUTS))
        index = table.uint32(tables.OPERATOR_CODE)
        if index >= len(self._kinds):
            raise IndexError(f"operator code {index} of {len(self._kinds)}")
        return Operator(self._kinds[index], reads, _present(reads), _present(writes), generated)

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        """Of each operator code."""
        return tuple(map(self._kind, tables.operator_codes(self._data)))

    def _kind(self, code: tables.OperatorCode) -> str:
        kind = self._codes.get(code.builtin, f"{UNKNOWN_CODE} {code.builtin}")
        custom = code.custom if kind == "CUSTOM" else None
        return kind if custom is None else f"CUSTOM {custom.decode('utf-8', errors='replace')}"

    def _tensor(self, table: tables.Table) -> Tensor:
        shape, signature = table.int32s(tables.TENSOR_SHAPE), table.int32s(tables.TENSOR_SHAPE_SIGNATURE)
        asked = signature if len(signature) == len(shape) else shape
        open_ = tuple(axis for axis, sizes in enumerate(zip(shape, asked, strict=True)) if min(sizes) < 0)
        counted = tuple(1 if size < 0 else size for size in shape)
        text = table.bytes(tables.TENSOR_NAME).decode("utf-8", errors="replace")
        type_ = self._types[table.int8(tables.TENSOR_TYPE)]
        number = table.uint32(tables.TENSOR_BUFFER)
        is_variable = bool(table.int8(tables.TENSOR_IS_VARIABLE))
        if number == 0 and not self._buffers:  # 0 stands for no buffer, and a file may have none at all
            return Tensor(text, counted, type_, 0, open_, 0, None, is_variable=is_variable)
        if number >= len(self._buffers):
            raise IndexError(f"buffer {number} of {len(self._buffers)}")
        buffer = tables.Table(self._data, self._buffers[number])
        length = buffer.vector(tables.BUFFER_DATA)[1] or buffer.uint64(tables.BUFFER_SIZE)
        if length > len(self._data):
            raise IndexError(f"buffer {number} of {length} bytes")
        says_size = bool(shape) or length > 0 or bool(table.int8(tables.TENSOR_HAS_RANK)) or type_ in _HANDLES
        is_ranked = says_size or not self._says_ranks
        is_sparse = length > 0 and table.has(tables.TENSOR_SPARSITY)
        value = _small(buffer, counted, type_)
        return Tensor(text, counted, type_, length, open_, number, value, is_ranked, is_sparse, is_variable)


def says_ranks(model: Any) -> bool:
    """Whether a file tells a tensor without dimensions from one of unknown dimensions, as newer converters do.

    Args:
        model: The generated reader's.
    """
    graphs = (model.Subgraphs(index) for index in range(model.SubgraphsLength()))
    return any(graph.Tensors(index).HasRank() for graph in graphs for index in range(graph.TensorsLength()))


_CALLERS = {
    "WHILE": "WhileOptions",
    "STABLEHLO_WHILE": "StablehloWhileOptions",
    "IF": "IfOptions",
    "STABLEHLO_CASE": "StablehloCaseOptions",
    "CALL": "CallOptions",
    "STABLEHLO_COMPOSITE": "StableHLOCompositeOptions",
}
"""ops that run subgraphs → where they name them; CALL_ONCE does so when the model is loaded"""


def _small(buffer: tables.Table, shape: tuple[int, ...], type_: str) -> npt.NDArray[Any] | None:
    dtype, count = DTYPES.get(type_), math.prod(shape)
    if dtype is None or not 0 < count <= MOST_VALUES or buffer.vector(tables.BUFFER_DATA)[1] != count * dtype.itemsize:
        return None
    return np.frombuffer(buffer.bytes(tables.BUFFER_DATA), dtype).reshape(shape)


def _present(indices: Iterable[int]) -> tuple[int, ...]:
    return tuple(index for index in indices if index >= 0)


def _indices(vector: Any) -> tuple[int, ...]:
    # The generated reader returns 0 for a vector that is not there.
    return () if isinstance(vector, int) else _present(int(index) for index in vector)

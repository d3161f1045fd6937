"""Reads a `.tflite` file's graph. Only the schema's generated reader is loaded, no runtime."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.costs.graph import Graph, Op, Step, peak_bytes
from evaluators.costs.tflite_macs import RECURRENT, Call, count_macs, count_pointers
from evaluators.errors import EvaluationError

_BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "BFLOAT16": 16, "FLOAT64": 64, "COMPLEX64": 64, "COMPLEX128": 128,
    "INT64": 64, "INT32": 32, "INT16": 16, "INT8": 8, "INT4": 4, "INT2": 2, "BOOL": 8,
    "UINT64": 64, "UINT32": 32, "UINT16": 16, "UINT8": 8, "UINT4": 4, "FLOAT8_E4M3FN": 8, "FLOAT8_E5M2": 8,
}  # fmt: skip

_VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST"}
"""ops whose output shares the input's memory, as LiteRT's in-place ops do"""

_PARTIAL = {"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "STRIDED_SLICE", "SLICE", "SHAPE"}
"""ops that read of their source no more than they write"""

_WIDENING = {"DEQUANTIZE", "DENSIFY"}
"""ops that, on a constant, run once when the model is loaded"""

_POINTER_BYTES = 8

_MOST_ELEMENTS = 2**40
"""more than this in one tensor is damage, not a model: a float32 tensor of 4 TiB"""

_DAMAGE = (struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
"""what the generated reader and numpy raise when an offset or a length points outside the file"""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a TFLite graph, open dimensions counted as 1."""

    name: str
    shape: tuple[int, ...]
    type: str
    constant_bytes: int
    """bytes of its buffer in the file; 0 for activations"""
    dynamic: bool

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """In memory; a type of no fixed size (text, resources) counts nothing."""
        return (self.elements * _BITS.get(self.type, 0) + 7) // 8


def read_tflite_graph(path: Path) -> Graph:
    """Read a `.tflite` file; see `read_graph`.

    Raises:
        EvaluationError: The file is not a TFLite model, or is cut off or damaged, or ai-edge-litert is not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise EvaluationError(f"{path}: cannot be read: {fault}") from None
    if data[4:8] != b"TFL3":
        raise EvaluationError(f"{path}: not a TFLite model: bytes 4 to 8 are {data[4:8]!r}; right is b'TFL3'")
    try:
        return _Reader(data).graph()
    except _DAMAGE as fault:
        raise EvaluationError(
            f"{path}: damaged TFLite model of {len(data)} bytes: an entry points outside the file or makes no sense "
            f"({type(fault).__name__}: {fault})"
        ) from fault


class _Reader:
    def __init__(self, data: bytes) -> None:
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ImportError as fault:
            raise EvaluationError(
                "reading a .tflite file's graph needs ai-edge-litert; right is: pip install 'testpress[tflite]'"
            ) from fault

        self._data = data
        self._schema = schema
        self._types = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
        self._codes = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        self._model = schema.Model.GetRootAs(data, 0)
        self._entered: set[int] = set()
        self._stored: dict[int, int] = {}
        """buffer → bytes of the constants in it"""
        self._expanded: dict[tuple[int, int], int] = {}
        """subgraph and tensor → bytes of the constants that ops read"""

    def graph(self) -> Graph:
        if self._model.SubgraphsLength() < 1:
            raise ValueError("no subgraph")
        ops, peak = self._subgraph(0)
        return Graph(
            format="tflite",
            ops=tuple(ops),
            weight_bytes=sum(self._stored.values()),
            expanded_weight_bytes=sum(self._expanded.values()),
            peak_activation_bytes=peak,
        )

    def _subgraph(self, index: int) -> tuple[list[Op], int]:
        """Ops and peak of a subgraph and of those it calls."""
        self._entered.add(index)
        graph = self._model.Subgraphs(index)
        tensors = [self._tensor(graph.Tensors(i)) for i in range(graph.TensorsLength())]
        constant = {i for i, tensor in enumerate(tensors) if tensor.constant_bytes}
        stored_as = {i: tensors[i].type.lower() for i in constant}
        ops: list[Op] = []
        steps: list[Step] = []
        below = 0
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            kind = self._kind(operator)
            reads, writes = _indices(operator.InputsAsNumpy()), _indices(operator.OutputsAsNumpy())
            if kind in _WIDENING and reads and reads[0] in constant:
                constant.update(writes)
                stored_as.update(dict.fromkeys(writes, stored_as[reads[0]]))
                continue
            ops.append(
                _op(
                    kind,
                    [tensors[t] for t in reads],
                    [tensors[t] for t in writes],
                    constant={k: stored_as[t] for k, t in enumerate(reads) if t in constant},
                    transposes_first=self._transposes_first(operator, kind),
                )
            )
            view = reads[0] if kind in _VIEWS and reads and reads[0] not in constant else None
            steps.append(Step(reads=tuple(reads), writes=tuple(writes), view_of=view))
            self._expanded.update({(index, t): tensors[t].size_bytes for t in constant.intersection(reads)})
            for called in self._called(operator, kind):
                inner, inner_peak = self._subgraph(called)
                ops += inner
                below = max(below, inner_peak)
        sizes: dict[object, int] = {i: tensor.size_bytes for i, tensor in enumerate(tensors) if i not in constant}
        inputs, outputs = _indices(graph.InputsAsNumpy()), _indices(graph.OutputsAsNumpy())
        # The interpreter keeps the inputs' memory for the app to write the next call's values to.
        return ops, peak_bytes(steps, sizes, inputs=inputs, kept=[*inputs, *outputs]) + below

    def _tensor(self, tensor: Any) -> Tensor:
        shape = _sizes(tensor.ShapeAsNumpy())
        signature = _sizes(tensor.ShapeSignatureAsNumpy())
        open_ = any(size < 0 for size in (*shape, *signature))
        counted = tuple(1 if size < 0 else size for size in shape)
        if math.prod(counted) > _MOST_ELEMENTS:
            raise ValueError(f"tensor of shape {counted}")
        number = tensor.Buffer()
        if number >= self._model.BuffersLength():
            raise IndexError(f"buffer {number} of {self._model.BuffersLength()}")
        buffer = self._model.Buffers(number)
        length = buffer.DataLength() or buffer.Size()
        if length > len(self._data):
            raise IndexError(f"buffer {number} of {length} bytes")
        if length:
            self._stored[number] = length
        name = tensor.Name()
        text = "" if name is None else name.decode("utf-8", errors="replace")
        return Tensor(text, counted, self._types[tensor.Type()], length, open_)

    def _kind(self, operator: Any) -> str:
        index = operator.OpcodeIndex()
        if index >= self._model.OperatorCodesLength():
            raise IndexError(f"operator code {index} of {self._model.OperatorCodesLength()}")
        code = self._model.OperatorCodes(index)
        # Old files hold the code in the one field, newer ones in the other.
        kind = self._codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "UNKNOWN")
        custom = code.CustomCode() if kind == "CUSTOM" else None
        return kind if custom is None else f"CUSTOM {custom.decode('utf-8', errors='replace')}"

    def _transposes_first(self, operator: Any, kind: str) -> bool:
        table = operator.BuiltinOptions() if kind == "BATCH_MATMUL" else None
        if table is None:
            return False
        options = self._schema.BatchMatMulOptions()
        options.Init(table.Bytes, table.Pos)
        return bool(options.AdjX())

    def _called(self, operator: Any, kind: str) -> list[int]:
        """Subgraphs the op runs, each counted once."""
        table = operator.BuiltinOptions()
        if kind not in ("WHILE", "IF", "CALL_ONCE") or table is None:
            return []
        options = {"WHILE": self._schema.WhileOptions, "IF": self._schema.IfOptions}.get(kind)
        if options is None:
            return []  # CALL_ONCE runs when the model is loaded
        read = options()
        read.Init(table.Bytes, table.Pos)
        pair = (
            (read.CondSubgraphIndex(), read.BodySubgraphIndex())
            if kind == "WHILE"
            else (read.ThenSubgraphIndex(), read.ElseSubgraphIndex())
        )
        for index in pair:
            if not 0 <= index < self._model.SubgraphsLength():
                raise IndexError(f"subgraph {index} of {self._model.SubgraphsLength()}")
        return [index for index in dict.fromkeys(pair) if index not in self._entered]


def _sizes(vector: Any) -> list[int]:
    # The generated reader returns 0 for a vector that is not there.
    return [] if isinstance(vector, int) else [int(size) for size in vector]


def _indices(vector: Any) -> list[int]:
    """Tensor indices without the negative ones, which stand for inputs left out."""
    return [index for index in _sizes(vector) if index >= 0]


def _op(
    kind: str,
    reads: list[Tensor],
    writes: list[Tensor],
    *,
    constant: Mapping[int, str],
    transposes_first: bool = False,
) -> Op:
    """An op, counted.

    Args:
        kind: The builtin operator's name.
        reads: Its inputs, in order.
        writes: Its outputs.
        constant: Place of each input that is a constant → the type in which the file holds it.
        transposes_first: BATCH_MATMUL's `adj_x`.
    """
    view = kind in _VIEWS
    written = sum(tensor.size_bytes for tensor in writes)
    limit = written if kind in _PARTIAL else math.inf
    activations = sum(tensor.size_bytes for k, tensor in enumerate(reads) if k not in constant)
    weights = sum(reads[k].size_bytes for k in constant)
    largest = max(constant, key=lambda k: reads[k].size_bytes, default=None)
    call = Call(
        inputs=[tensor.shape for k, tensor in enumerate(reads) if kind not in RECURRENT or k == 0 or k in constant],
        outputs=[tensor.shape for tensor in writes],
        transposes_first=transposes_first,
    )
    return Op(
        name=writes[0].name if writes else "",
        kind=kind,
        macs=count_macs(kind, call),
        read_bytes=0 if view else int(min(activations, limit)),
        written_bytes=0 if view else written,
        weight_bytes=0 if view else int(min(weights, limit)),
        workspace_bytes=_POINTER_BYTES * count_pointers(kind, call),
        dtype=writes[0].type.lower() if writes else "none",
        dynamic=any(tensor.dynamic for tensor in (*reads, *writes)),
        weight_dtype="" if largest is None else reads[largest].type.lower(),
        stored_as="" if largest is None else constant[largest],
    )

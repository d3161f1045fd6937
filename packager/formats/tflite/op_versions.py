"""Which version of each op a TFLite file needs, as its operator codes state it and as its tensors' types demand it.

The two differ: a quantizer may change types and leave the stated versions as they were, and the file then claims to run
where it does not. `tflite_type_versions.csv` holds what types demand, `tflite_op_versions.csv` which runtime brought
which version; each names its source in its header.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packager.errors import PackagingError
from packager.formats.tflite import tables

_FOLDER = Path(__file__).parent

_IDENTIFIER = b"TFL3"


RUNTIME_CUSTOM_OPS = frozenset({"AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess"})
"""custom by name, but the runtime brings their kernels. Source: TensorFlow, `lite/core/kernels/register.cc`"""

DELEGATED_CUSTOM_OPS = frozenset({"Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D"})
"""custom ops of MediaPipe that XNNPACK, LiteRT's default delegate, runs on float32 tensors. Source: TensorFlow,
`lite/delegates/xnnpack/xnnpack_delegate.cc`"""

_COMPILED_FOR = {"edgetpu-custom-op": "an Edge TPU", "DISPATCH_OP": "the one NPU it was compiled for"}
"""custom ops that hold a model compiled for other hardware. Source: google-coral's and LiteRT's compilers"""


def is_brought(custom: str, dtype: str = "float32") -> bool:
    """Whether the runtime holds a custom op, itself or in its default delegate.

    Args:
        custom: The op's name.
        dtype: Of what it makes, for example `float32`.
    """
    return custom in RUNTIME_CUSTOM_OPS or (custom in DELEGATED_CUSTOM_OPS and dtype == "float32")


def describe_need(custom: str, dtype: str = "float32") -> str | None:
    """What an app must bring to run a custom op; none where the runtime holds it; arguments as `is_brought`'s."""
    if is_brought(custom, dtype):
        return None
    if custom.startswith("Flex"):
        return "the Select TensorFlow ops library"
    return f"the kernel of {custom}" + (f" ({_COMPILED_FOR[custom]})" if custom in _COMPILED_FOR else "")


class OpVersion(NamedTuple):
    """One op of a TFLite file, over all its uses."""

    op: str
    """as the TFLite schema names it, for example FULLY_CONNECTED; CUSTOM for ops outside it"""
    version: int
    """what it needs: the larger of the stated version and what the types of its tensors demand"""
    stated: int
    """the version in the file's operator codes"""
    custom: str | None = None
    """the name of a custom op; those that begin with Flex are TensorFlow's own"""


class _TypeRule(NamedTuple):
    types: tuple[str, str, str, str]
    """inputs 0 to 2 and output 0; empty matches any"""
    per_channel: bool
    version: int


def read_op_versions(model_bytes: bytes) -> tuple[OpVersion, ...]:
    """The ops of a TFLite file, one an operator code, in file order.

    Raises:
        PackagingError: The bytes are not a readable TFLite model, or the schema's reader is not installed.
    """
    if model_bytes[4:8] != _IDENTIFIER:
        raise PackagingError(
            f"not a TFLite model: bytes 4 to 8 are {bytes(model_bytes[4:8])!r}; right is {_IDENTIFIER!r}"
        )
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as fault:
        raise PackagingError(
            "reading a .tflite file needs ai-edge-litert; right is: pip install 'testpress[tflite]'"
        ) from fault
    try:
        return _decode(model_bytes, schema)
    except PackagingError:
        raise
    except Exception as fault:  # the generated reader raises whatever the bytes lead it to
        raise PackagingError(f"the TFLite model is damaged: its ops cannot be read: {fault}") from fault


@functools.cache
def runtime_table() -> dict[tuple[str, int], str]:
    """(op, version) → the oldest TFLite runtime that holds it, as a TensorFlow release."""
    return {(row["op"], int(row["version"])): row["minimum_runtime"] for row in _rows("tflite_op_versions.csv")}


def _decode(model_bytes: bytes, schema: Any) -> tuple[OpVersion, ...]:
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    types = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    found: list[OpVersion] = []
    for index, code in enumerate(tables.operator_codes(model_bytes)):
        if code.builtin not in names:
            raise PackagingError(
                f"operator code {index} of the TFLite model is {code.builtin}, which the schema does not know: "
                "the file is damaged, or made for a newer runtime than the one installed"
            )
        custom = None
        if names[code.builtin] == "CUSTOM":
            custom = (code.custom or b"(unnamed)").decode("utf-8", errors="replace")
        found.append(OpVersion(names[code.builtin], code.version, code.version, custom))
    for graph_index, place in enumerate(tables.Table.root(model_bytes).places(tables.MODEL_SUBGRAPHS)):
        graph = tables.Table(model_bytes, place)
        typed = _Types(model_bytes, graph.places(tables.SUBGRAPH_TENSORS), types)
        for op_index, where in enumerate(graph.places(tables.SUBGRAPH_OPERATORS)):
            operator = tables.Table(model_bytes, where)
            index = operator.uint32(tables.OPERATOR_CODE)
            if index >= len(found):
                raise PackagingError(
                    f"the TFLite model is damaged: operator {op_index} of subgraph {graph_index} names "
                    f"operator code {index}; right is 0 to {len(found) - 1}"
                )
            demanded = _demanded_version(found[index].op, operator, typed)
            if demanded > found[index].version:
                found[index] = found[index]._replace(version=demanded)
    return tuple(found)


class _Types:
    """The types of a subgraph's tensors, each read once."""

    def __init__(self, data: bytes, places: list[int], names: dict[int, str]) -> None:
        self._data, self._places, self._names = data, places, names
        self._known: dict[int, tuple[str, bool]] = {-1: ("", False)}

    def find(self, index: int) -> tuple[str, bool]:
        """The type of a tensor, and whether it has several scales; empty of one that is left out."""
        index = max(index, -1)
        if index not in self._known:
            table = tables.Table(self._data, self._places[index])
            quantization = table.table(tables.TENSOR_QUANTIZATION)
            scales = 0 if quantization is None else quantization.vector(tables.QUANTIZATION_SCALE)[1]
            self._known[index] = (self._names.get(table.int8(tables.TENSOR_TYPE), ""), scales > 1)
        return self._known[index]


def _demanded_version(op: str, operator: tables.Table, typed: _Types) -> int:
    if op not in _type_rules():
        return 0
    reads, writes = operator.int32s(tables.OPERATOR_INPUTS), operator.int32s(tables.OPERATOR_OUTPUTS)
    tensors = [*(*reads[:3], -1, -1, -1)[:3], writes[0] if writes else -1]
    actual = tuple(typed.find(t)[0] for t in tensors)
    per_channel = typed.find(tensors[{"DEQUANTIZE": 0, "QUANTIZE": 3}.get(op, 1)])[1]
    return _find_version(op, actual, per_channel)


@functools.cache
def _find_version(op: str, actual: tuple[str, ...], per_channel: bool) -> int:
    fitting = [
        rule.version
        for rule in _type_rules()[op]
        if (per_channel or not rule.per_channel)
        and all(want in ("", have) for want, have in zip(rule.types, actual, strict=True))
    ]
    return max(fitting, default=0)


@functools.cache
def _type_rules() -> dict[str, tuple[_TypeRule, ...]]:
    rules: dict[str, tuple[_TypeRule, ...]] = {}
    for row in _rows("tflite_type_versions.csv"):
        types = (row["input_0"], row["input_1"], row["input_2"], row["output_0"])
        rule = _TypeRule(types, row["per_channel"] == "yes", int(row["version"]))
        rules[row["op"]] = (*rules.get(row["op"], ()), rule)
    return rules


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))

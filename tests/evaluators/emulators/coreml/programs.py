"""Small ML Programs written message by message, without coremltools' converter."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.protobuf import load_schema

ARRAY_CODES = {"float32": 65568, "float16": 65552, "int32": 131104}


def set_type(message: Any, dtype: str, shape: Sequence[int]) -> None:
    tensor = message.tensorType
    tensor.dataType = dtype_named(dtype).code
    tensor.rank = len(shape)
    for size in shape:
        tensor.dimensions.add().constant.size = size
    if not shape:
        tensor.SetInParent()


def set_value(message: Any, value: Any) -> None:
    if isinstance(value, str):
        set_type(message.type, "string", ())
        message.immediateValue.tensor.strings.values.append(value)
        return
    array = np.asarray(value)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    set_type(message.type, array.dtype.name, array.shape)
    tensor = message.immediateValue.tensor
    if array.dtype == np.bool_:
        tensor.bools.values.extend(array.ravel().tolist())
    elif array.dtype == np.int32:
        tensor.ints.values.extend(array.ravel().tolist())
    elif array.dtype == np.float32:
        tensor.floats.values.extend(array.ravel().tolist())
    else:
        tensor.bytes.values = array.tobytes()


@dataclass
class Blob:
    """A constant in a weight file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int = 64
    file: str = "@model_path/weights/weight.bin"


@dataclass
class Op:
    """One operation. A text among the inputs is a name, a list is several arguments, anything else a constant."""

    kind: str
    inputs: Mapping[str, Any]
    output: str
    dtype: str = "float32"
    shape: tuple[int, ...] = ()
    blocks: Sequence[tuple[Sequence[Op], Sequence[str]]] = ()


@dataclass
class Text:
    """A text constant."""

    value: str


@dataclass
class Program:
    """A program with one function."""

    ops: Sequence[Op]
    outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    inputs: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=lambda: {"x": ("float32", (2, 3))})
    opset: str = "CoreML5"
    states: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    def message(self) -> Any:
        schema = load_schema()
        model = schema.model.Model()
        model.specificationVersion = 6
        for name, (dtype, shape) in self.inputs.items():
            add_feature(model.description.input, name, dtype, shape)
        for name, (dtype, shape) in self.outputs.items():
            add_feature(model.description.output, name, dtype, shape)
        function = model.mlProgram.functions["main"]
        function.opset = self.opset
        for name, (dtype, shape) in self.inputs.items():
            named = function.inputs.add()
            named.name = name
            set_type(named.type, dtype, shape)
        for name, (dtype, shape) in self.states.items():
            feature = model.description.state.add()
            feature.name = name
            array = feature.type.stateType.arrayType
            array.shape.extend(shape)
            array.dataType = ARRAY_CODES[dtype]
            named = function.inputs.add()
            named.name = name
            set_type(named.type.stateType.wrappedType, dtype, shape)
        block = function.block_specializations[self.opset]
        block.outputs.extend(self.outputs)
        for op in self.ops:
            add_op(block, op)
        return model


def leave_open(message: Any) -> Any:
    """The model with unknown sizes in the program, and in what its description says of outputs: as of flexible ones."""
    function = message.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    for named in (*function.inputs, *(output for op in block.operations for output in op.outputs)):
        for dimension in named.type.tensorType.dimensions:
            dimension.unknown.SetInParent()
    for feature in message.description.output:
        feature.type.multiArrayType.ClearField("shape")
    return message


def add_feature(features: Any, name: str, dtype: str, shape: Sequence[int]) -> None:
    feature = features.add()
    feature.name = name
    array = feature.type.multiArrayType
    array.shape.extend(shape)
    array.dataType = ARRAY_CODES[dtype]


def add_op(block: Any, op: Op) -> None:
    message = block.operations.add()
    message.type = op.kind
    set_value(message.attributes["name"], f"op_{op.output}")
    for name, value in op.inputs.items():
        if op.kind == "const":
            target = message.attributes[name]
            set_blob(target, value) if isinstance(value, Blob) else set_value(target, value)
            continue
        for item in value if isinstance(value, list) else [value]:
            argument = message.inputs[name].arguments.add()
            if isinstance(item, Text):
                set_value(argument.value, item.value)
            elif isinstance(item, str):
                argument.name = item
            else:
                set_value(argument.value, item)
    if op.output:
        output = message.outputs.add()
        output.name = op.output
        set_type(output.type, op.dtype, op.shape)
    for ops, outputs in op.blocks:
        nested = message.blocks.add()
        nested.outputs.extend(outputs)
        for inner in ops:
            add_op(nested, inner)


def add_loop(
    block: Any,
    variables: Mapping[str, tuple[Any, str, tuple[int, ...]]],
    condition: Sequence[Op],
    body: Sequence[Op],
    outputs: Sequence[str],
    results: Sequence[str],
) -> Any:
    """A while_loop message: `variables` are name in the blocks → (start, dtype, shape)."""
    add_op(block, Op("while_loop", {"loop_vars": [start for start, _, _ in variables.values()]}, ""))
    message = block.operations[-1]
    for name, (_, dtype, shape) in zip(results, variables.values(), strict=True):
        output = message.outputs.add()
        output.name = name
        set_type(output.type, dtype, shape)
    for ops, names in ((condition, [condition[-1].output]), (body, outputs)):
        nested = message.blocks.add()
        nested.outputs.extend(names)
        for name, (_, dtype, shape) in variables.items():
            given = nested.inputs.add()
            given.name = name
            set_type(given.type, dtype, shape)
        for op in ops:
            add_op(nested, op)
    return message


def set_blob(message: Any, blob: Blob) -> None:
    set_type(message.type, blob.dtype, blob.shape)
    message.blobFileValue.fileName = blob.file
    message.blobFileValue.offset = blob.offset


def write_package(folder: Path, model: Any, weights: bytes | None = None, name: str = "model.mlpackage") -> Path:
    """A model as an .mlpackage folder; `model` is a `Program` or its message."""
    message = model.message() if isinstance(model, Program) else model
    package = folder / name
    inner = package / "Data" / "com.apple.CoreML"
    inner.mkdir(parents=True)
    (inner / "model.mlmodel").write_bytes(message if isinstance(message, bytes) else message.SerializeToString())
    if weights is not None:
        (inner / "weights").mkdir()
        (inner / "weights" / "weight.bin").write_bytes(weights)
    entry = {"author": "com.apple.CoreML", "description": "", "name": "model.mlmodel"}
    entry["path"] = "com.apple.CoreML/model.mlmodel"
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": entry}, "rootModelIdentifier": "A"}
    (package / "Manifest.json").write_text(json.dumps(manifest))
    return package


def weight_file(data: bytes, code: int, *, version: int = 2, mark: int = 0xDEADBEEF, size: int | None = None) -> bytes:
    """A weight file with one blob, whose record is at byte 64."""
    header = struct.pack("<II", 1, version).ljust(64, b"\0")
    record = struct.pack("<IIQQQ", mark, code, len(data) if size is None else size, 128, 0).ljust(64, b"\0")
    return header + record + data


def gain(factor: float = 2.0, **changes: Any) -> Program:
    """`y = factor · x`."""
    op = Op("mul", {"x": "x", "y": np.float32(factor)}, "y", shape=(2, 3))
    return Program(**{"ops": [op], "outputs": {"y": ("float32", (2, 3))}, **changes})

"""TFLite files of a few ops, written with the schema's own writer, that LiteRT runs; and bundles around them."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from packager.bundle import (
    AudioContract,
    FileDigest,
    Floor,
    Manifest,
    ModelIdentity,
    SourceIdentity,
    TensorContract,
    dump_manifest,
)
from packager.vector_records import GoldenVector, VectorTensor

WINDOW_SAMPLES = 64
GAIN = 0.5
FEATURES = 16
AUDIO = AudioContract(sample_rate_hz=8000, window_samples=WINDOW_SAMPLES, hop_samples=WINDOW_SAMPLES)


_STORED = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT32": "<i4", "INT8": "i1", "UINT8": "u1", "BOOL": "?"}


class Writer:
    """A model of one subgraph."""

    def __init__(self) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.operatorCodes, self.model.signatureDefs = 3, [], []
        self.model.buffers, self.model.subgraphs = [schema.BufferT()], [self.graph]
        self.graph.tensors, self.graph.operators = [], []
        self._codes: dict[tuple[str, str | None], int] = {}

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        type_: str = "FLOAT32",
        *,
        values: np.ndarray | None = None,
        open_: bool = False,
        scale: float | None = None,
        zero_point: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), getattr(schema.TensorType, type_), 0
        if open_:
            tensor.shapeSignature = [-1 if size == 1 else size for size in shape]
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = list(values.astype(_STORED[type_]).tobytes())
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def op(
        self,
        kind: str,
        reads: list[int],
        writes: list[int],
        *,
        custom: str | None = None,
        options: Any | None = None,
    ) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self._find_code(kind, custom), reads, writes
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            if name.lower().startswith("stablehlo"):
                operator.builtinOptions2, operator.builtinOptions2Type = options, getattr(schema.BuiltinOptions2, name)
            else:
                operator.builtinOptions, operator.builtinOptionsType = options, getattr(schema.BuiltinOptions, name)
        self.graph.operators.append(operator)

    def _find_code(self, kind: str, custom: str | None) -> int:
        """An operator code's place; one stands for all ops of a kind, as converters write them."""
        if (kind, custom) not in self._codes:
            number = getattr(schema.BuiltinOperator, kind)
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
            code.version, code.customCode = 1, custom
            self._codes[kind, custom] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(code)
        return self._codes[kind, custom]

    def begin_subgraph(self, inputs: list[int], outputs: list[int]) -> int:
        """End the subgraph so far, with these inputs and outputs, and begin the next; returns its index."""
        self.graph.inputs, self.graph.outputs = inputs, outputs
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs.append(self.graph)
        return len(self.model.subgraphs) - 1

    def sign(self, key: str, inputs: dict[str, int], outputs: dict[str, int], *, subgraph: int = 0) -> None:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key, subgraph
        signature.inputs, signature.outputs = _entries(inputs), _entries(outputs)
        self.model.signatureDefs.append(signature)

    def write(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def _entries(tensors: dict[str, int]) -> list[Any]:
    entries = []
    for name, index in tensors.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        entries.append(entry)
    return entries


def write_gain(
    path: Path,
    *,
    shape: tuple[int, ...] = (1, WINDOW_SAMPLES),
    signed: bool = True,
    open_: bool = False,
    custom: str | None = None,
) -> Path:
    """`scaled` = `GAIN` × `audio`; with `custom` another op instead, of that name."""
    w = Writer()
    audio, scaled = w.tensor("audio_tensor", shape, open_=open_), w.tensor("scaled_tensor", shape, open_=open_)
    factor = w.tensor("factor", (1,), values=np.array([GAIN]))
    if custom is None:
        w.op("MUL", [audio, factor], [scaled])
    else:
        w.op("CUSTOM", [audio, factor], [scaled], custom=custom)
    if signed:
        w.sign("serving_default", {"audio": audio}, {"scaled": scaled})
    return w.write(path, [audio], [scaled])


def write_double(path: Path, type_: str, *, scale: float, zero_point: int) -> Path:
    """`double` = `audio` + `audio` (1, 64), both integers with a scale; the output's is twice the input's."""
    w = Writer()
    audio = w.tensor("audio", (1, WINDOW_SAMPLES), type_, scale=scale, zero_point=zero_point)
    double = w.tensor("double", (1, WINDOW_SAMPLES), type_, scale=2 * scale, zero_point=zero_point)
    w.op("ADD", [audio, audio], [double])
    w.sign("serving_default", {"audio": audio}, {"double": double})
    return w.write(path, [audio], [double])


def write_features(path: Path) -> Path:
    """`features` (1, 16): sixteenth k is k times the sum of `audio` (1, 64): 1024 multiply-adds; `half` is a MUL."""
    w = Writer()
    audio = w.tensor("audio", (1, WINDOW_SAMPLES))
    features, half = w.tensor("features", (1, FEATURES)), w.tensor("half", (1, FEATURES))
    weight = w.tensor("w", (FEATURES, WINDOW_SAMPLES), values=np.repeat(np.arange(FEATURES), WINDOW_SAMPLES))
    factor = w.tensor("factor", (1,), values=np.array([0.5]))
    w.op("FULLY_CONNECTED", [audio, weight, -1], [features])
    w.op("MUL", [features, factor], [half])
    w.sign("serving_default", {"audio": audio}, {"features": features, "half": half})
    return w.write(path, [audio], [features, half])


def write_loop(
    path: Path, turns: int, *, on_data: bool = False, bound_given: bool = False, start: int = 0, step: int = 1
) -> Path:
    """`h` (1, 8) times a matrix of 8 by 8, `turns` times: 64 multiply-adds a turn, counted by a WHILE.

    Args:
        path: Where to write it.
        turns: The bound of the counter.
        on_data: Whether the loop goes on while `h` is small, instead of counting.
        bound_given: Whether the bound comes from outside, through a value that no turn changes.
        start: What the counter begins with.
        step: What each turn adds to it.
    """
    w = Writer()
    int32 = {"type_": "INT32"}
    h, out = w.tensor("h", (1, 8)), w.tensor("out", (1, 8))
    first = w.tensor("first", (), values=np.array(start), **int32)
    bound = w.tensor("bound", (), values=np.array(turns), **int32)
    ends = [w.tensor(name, (), **int32) for name in ("last", "bound_after")]
    loop = schema.WhileOptionsT()
    loop.condSubgraphIndex, loop.bodySubgraphIndex = 1, 2
    w.op("WHILE", [first, bound, h], [*ends, out], options=loop)
    w.sign("serving_default", {"h": h}, {"out": out})
    w.begin_subgraph([h], [out])
    i, limit, x = w.tensor("i", (), **int32), w.tensor("limit", (), **int32), w.tensor("x", (1, 8))
    constant = w.tensor("constant", (), values=np.array(turns), **int32)
    going_on, row = w.tensor("going_on", (), "BOOL"), w.tensor("row", (1,), "BOOL")
    if on_data:
        largest = w.tensor("largest", ())
        axes = w.tensor("axes", (2,), values=np.array([0, 1]), **int32)
        w.op("REDUCE_MAX", [x, axes], [largest])
        w.op("LESS", [largest, w.tensor("loud", (), values=np.array(0.5))], [going_on])
    else:
        # The truth value as a row, and out of it by a shape of no numbers, as LiteRT's converter writes it.
        w.op("LESS", [i, limit if bound_given else constant], [row])
        w.op("RESHAPE", [row, w.tensor("no_numbers", (0,), "INT32")], [going_on])
    w.begin_subgraph([i, limit, x], [going_on])
    i, limit, x = w.tensor("i", (), **int32), w.tensor("limit", (), **int32), w.tensor("x", (1, 8))
    after, y = w.tensor("after", (), **int32), w.tensor("y", (1, 8))
    w.op("ADD", [i, w.tensor("step", (), values=np.array(step), **int32)], [after])
    w.op("FULLY_CONNECTED", [x, w.tensor("w", (8, 8), values=np.eye(8)), -1], [y])
    return w.write(path, [i, limit, x], [after, limit, y])


def write_blocks(path: Path, *, rows: int, block: int) -> Path:
    """A recurrence over `rows` in blocks, as litert-torch writes long ones: 64 multiply-adds a row.

    The outer WHILE goes from block to block; the last block begins early, to be whole, and its inner WHILE late.
    """
    w = Writer()
    int32 = {"type_": "INT32"}

    def pair() -> tuple[int, int]:
        return w.tensor("i", (1,), **int32), w.tensor("h", (1, 8))

    def loop(reads: list[int], writes: list[int], condition: int) -> None:
        options = schema.WhileOptionsT()
        options.condSubgraphIndex, options.bodySubgraphIndex = condition, condition + 1
        w.op("WHILE", reads, writes, options=options)

    def below(bound: int) -> tuple[list[int], list[int]]:
        i, h = pair()
        on = w.tensor("on", (1,), "BOOL")
        w.op("LESS", [i, w.tensor("bound", (1,), values=np.array([bound]), **int32)], [on])
        return [i, h], [on]

    h, out = w.tensor("h", (1, 8)), w.tensor("out", (1, 8))
    loop([w.tensor("first", (1,), values=np.zeros(1), **int32), h], [w.tensor("last", (1,), **int32), out], 1)
    w.sign("serving_default", {"h": h}, {"out": out})
    w.begin_subgraph([h], [out])
    w.begin_subgraph(*below(rows))
    (i, x), (after, y) = pair(), pair()
    begin, late = w.tensor("begin", (1,), **int32), w.tensor("late", (1,), **int32)
    w.op("MINIMUM", [i, w.tensor("latest", (1,), values=np.array([rows - block]), **int32)], [begin])
    w.op("SUB", [i, begin], [late])
    loop([late, x], [w.tensor("ended", (1,), **int32), y], 3)
    w.op("ADD", [i, w.tensor("block", (1,), values=np.array([block]), **int32)], [after])
    w.begin_subgraph([i, x], [after, y])
    w.begin_subgraph(*below(block))
    (i, x), (after, y) = pair(), pair()
    w.op("ADD", [i, w.tensor("one", (1,), values=np.ones(1), **int32)], [after])
    w.op("FULLY_CONNECTED", [x, w.tensor("w", (8, 8), values=np.eye(8)), -1], [y])
    return w.write(path, [i, x], [after, y])


def write_two(path: Path) -> Path:
    """Two signatures: `encode` sums `audio` (1, 64) to 16 `features`, `decode` sums `code` (1, 16) to 1 `level`."""
    w = Writer()
    w.begin_subgraph(*_write_sum(w, "encode", ("audio", WINDOW_SAMPLES), ("features", FEATURES)))
    return w.write(path, *_write_sum(w, "decode", ("code", FEATURES), ("level", 1)))


def _write_sum(w: Writer, key: str, source: tuple[str, int], made: tuple[str, int]) -> tuple[list[int], list[int]]:
    x, y = (w.tensor(name, (1, size)) for name, size in (source, made))
    weight = w.tensor("w", (made[1], source[1]), values=np.ones(made[1] * source[1]))
    w.op("FULLY_CONNECTED", [x, weight, -1], [y])
    w.sign(key, {source[0]: x}, {made[0]: y}, subgraph=len(w.model.subgraphs) - 1)
    return [x], [y]


def write_chain(path: Path, n_ops: int) -> Path:
    """`n_ops` gains one after another."""
    w = Writer()
    factor = w.tensor("factor", (1,), values=np.array([GAIN]))
    tensors = [w.tensor(f"x{k}", (1, WINDOW_SAMPLES)) for k in range(n_ops + 1)]
    for before, after in itertools.pairwise(tensors):
        w.op("MUL", [before, factor], [after])
    w.sign("serving_default", {"audio": tensors[0]}, {"scaled": tensors[-1]})
    return w.write(path, tensors[:1], tensors[-1:])


def write_bundle(folder: Path, *, audio: AudioContract = AUDIO, output: str = "scaled") -> Path:
    """A bundle of the gain whose every hash holds; the app calls its output `output`, the file `scaled`."""
    (folder / "golden").mkdir(parents=True)
    write_gain(folder / "model.tflite", shape=(1, audio.window_samples))
    zeros = np.zeros(audio.window_samples, "<f4").tobytes()
    for name in ("in.f32", "out.f32"):
        (folder / "golden" / name).write_bytes(zeros)
    names = ("golden/in.f32", "golden/out.f32", "model.tflite")

    def zeros_of(file: str) -> VectorTensor:
        return VectorTensor(file=file, dtype="float32", shape=(1, audio.window_samples))

    manifest = Manifest(
        key="0" * 64,
        variant="tflite-float32",
        model=ModelIdentity(name="gain", version="1", license="Apache-2.0"),
        format="tflite",
        precision="float32",
        file="model.tflite",
        files={name: _digest(folder / name) for name in names},
        source=SourceIdentity(uri="gain", framework="tensorflow", sha256="1" * 64),
        tools={"tensorflow": "2.21.0"},
        audio=audio,
        inputs=(_contract("audio", audio),),
        outputs=(_contract("scaled", audio).model_copy(update={"name": output}),),
        floor=Floor(platform="android", minimum_os=None, minimum_runtime="TFLite 1.5.0", because="MUL"),
        vectors=(
            GoldenVector(name="zeros", inputs={"audio": zeros_of(names[0])}, source={output: zeros_of(names[1])}),
        ),
    )
    (folder / "manifest.json").write_text(dump_manifest(manifest))
    return folder


def _contract(name: str, audio: AudioContract) -> TensorContract:
    shape = (1, audio.window_samples)
    return TensorContract(name=name, native_name=name, shape=shape, dtype="float32", axes=("batch", "sample"))


def _digest(path: Path) -> FileDigest:
    data = path.read_bytes()
    return FileDigest(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

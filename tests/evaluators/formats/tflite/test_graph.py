"""TFLite graphs: tiny models built with the schema's own writer, the Basic Pitch wheel's file, and damaged ones."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.costs.graph import OPEN_SIZES, Graph
from evaluators.errors import EvaluationError
from evaluators.formats import read_graph, read_signatures

pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("flatbuffers")
from ai_edge_litert.interpreter import Interpreter

from tests.testpress.tiny_tflite import Writer, schema  # imports what may be missing

pytestmark = pytest.mark.tflite


def convolution(path: Path, *, weight_type: str = "FLOAT32", open_: bool = False) -> Path:
    """Input 1×6×6×2, a 3×3 convolution to 4 channels, a reshape, a sine."""
    b = Writer()
    x, y = b.tensor("x", (1, 6, 6, 2), open_=open_), b.tensor("y", (1, 4, 4, 4), open_=open_)
    flat, out = b.tensor("flat", (1, 64), open_=open_), b.tensor("out", (1, 64), open_=open_)
    weight = b.tensor("weight", (4, 3, 3, 2), weight_type, values=np.zeros(72))
    if weight_type == "FLOAT16":
        wide = b.tensor("wide", (4, 3, 3, 2))
        b.op("DEQUANTIZE", [weight], [wide])
        weight = wide
    b.op("CONV_2D", [x, weight, -1], [y])
    b.op("RESHAPE", [y, b.tensor("shape", (2,), "INT32", values=np.zeros(2))], [flat])
    b.op("SIN", [flat], [out])
    return b.write(path, [x], [out])


def counted(graph: Graph) -> list[tuple[Any, ...]]:
    return [(op.kind, op.macs, op.read_bytes, op.written_bytes, op.weight_bytes) for op in graph.ops]


@pytest.mark.parametrize("weight_type", ["FLOAT32", "FLOAT16"])
def test_a_small_model_in_closed_form(weight_type: str, tmp_path: Path) -> None:
    graph = read_graph(convolution(tmp_path / "m.tflite", weight_type=weight_type))
    assert counted(graph) == [
        ("CONV_2D", 4 * 4 * 4 * 3 * 3 * 2, 72 * 4, 64 * 4, 72 * 4),
        ("RESHAPE", 0, 0, 0, 0),
        ("SIN", 0, 64 * 4, 64 * 4, 0),
    ]
    assert graph.weight_bytes == 72 * (4 if weight_type == "FLOAT32" else 2) + 8
    assert graph.expanded_weight_bytes == 72 * 4 + 8  # a float16 weight is widened when the model is loaded
    assert graph.peak_activation_bytes == 72 * 4 + 64 * 4 + 64 * 4  # the input is kept, the reshape is a view
    assert not graph.dynamic


def test_open_shapes_are_counted_with_one_and_marked(tmp_path: Path) -> None:
    graph = read_graph(convolution(tmp_path / "m.tflite", open_=True))
    assert graph.dynamic
    assert graph.macs == read_graph(convolution(tmp_path / "fixed.tflite")).macs


def open_rows(path: Path, shape: tuple[int, ...], open_axes: tuple[int, ...]) -> Path:
    """16 multiply-adds for each sample: a matrix of 4 by 4 on rows of 4, after a square."""
    b = Writer()
    x, square, rows, y = (
        b.tensor(name, size) for name, size in zip("xsry", (shape, shape, (1, 4), (1, 4)), strict=True)
    )
    for tensor, axes in ((x, open_axes), (square, open_axes), (rows, (0,)), (y, (0,))):
        told = b.graph.tensors[tensor]
        told.shapeSignature = [-1 if axis in axes else size for axis, size in enumerate(told.shape)]
    b.op("MUL", [x, x], [square])
    b.op("RESHAPE", [square, b.tensor("shape", (2,), "INT32", values=np.array([-1, 4]))], [rows])
    weight = b.tensor("w", (4, 4), values=np.eye(4))
    b.op("FULLY_CONNECTED", [rows, weight, -1], [y], options=schema.FullyConnectedOptionsT())
    return b.write(path, [x], [y])


@pytest.mark.parametrize(("shape", "open_axes"), [((1, 1), (1,)), ((1, 1), (0, 1)), ((1, 1, 1), (0, 1)), ((1,), (0,))])
def test_a_window_closes_what_is_open(tmp_path: Path, shape: tuple[int, ...], open_axes: tuple[int, ...]) -> None:
    """As LiteRT sizes the tensors when the input is given that many samples."""
    path = open_rows(tmp_path / "m.tflite", shape, open_axes)
    assert read_graph(path).unpriced == (OPEN_SIZES,)
    graph = read_graph(path, window=64)
    (assumed,) = graph.assumed
    sizes = [64 if axis == open_axes[-1] else 1 for axis in range(len(shape))]
    assert (assumed, graph.unpriced, graph.dynamic) == (f"x {sizes}", (), False)
    assert graph.macs == 16 * 4 * 4
    interpreter = Interpreter(model_path=str(path))
    interpreter.resize_tensor_input(0, sizes)
    interpreter.allocate_tensors()
    assert list(interpreter.get_output_details()[0]["shape"]) == [16, 4]
    assert graph.ops[-1].written_bytes == 16 * 4 * 4


def test_what_a_window_cannot_close_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no input leaves its length open"):
        read_graph(convolution(tmp_path / "fixed.tflite"), window=64)
    two = open_rows(tmp_path / "two.tflite", (1, 1, 1), (1, 2))
    with pytest.raises(
        EvaluationError, match=r"input 'x' is \[1, open, open\]; a window closes one size beside the batch"
    ):
        read_graph(two, window=64)


def test_an_op_the_counter_does_not_know_counts_its_bytes(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (10,)), b.tensor("y", (10,))
    b.op("CUSTOM", [x], [y], custom="Mystery")
    (op,) = read_graph(b.write(tmp_path / "m.tflite", [x], [y])).ops
    assert (op.kind, op.macs, op.moved_bytes) == ("CUSTOM Mystery", 0, 80)


def odd(change: str, path: Path) -> Path:
    """An op and something beside it that LiteRT does not mind."""
    b = Writer()
    x, y = b.tensor("x", (1, 4)), b.tensor("y", (1, 4))
    b.op("ABS", [x], [y])
    if change == "no buffers":
        b.model.buffers = []
    elif change == "an unused giant":
        b.tensor("giant", (2**20, 2**20, 4))
    elif change == "no shape":
        b.graph.tensors[x].shape = None
    return b.write(path, [x], [y, -1] if change == "an output left out" else [y])


@pytest.mark.parametrize("change", ["no buffers", "an unused giant", "no shape", "an output left out"])
def test_what_the_runtime_loads_is_not_called_damaged(change: str, tmp_path: Path) -> None:
    path = odd(change, tmp_path / "m.tflite")
    assert [op.kind for op in read_graph(path).ops] == ["ABS"]
    assert [port.name for port in read_signatures(path)[0].outputs] == ["y"]


def test_slices_read_only_what_they_write(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (1000,)), b.tensor("y", (10,))
    b.op("SLICE", [x, b.tensor("begin", (1,), "INT32", values=np.zeros(1))], [y])
    (op,) = read_graph(b.write(tmp_path / "m.tflite", [x], [y])).ops
    assert (op.read_bytes, op.written_bytes) == (40, 40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a TFLite model: bytes 4 to 8 are b''; right is b'TFL3'"),
        (b"PK\3\4aaaaaaaa", "not a TFLite model: bytes 4 to 8 are b'aaaa'; right is b'TFL3'"),
        (b"\xff\xff\xff\x7fTFL3" + b"\0" * 40, "damaged TFLite model of 48 bytes: an entry points outside the file"),
    ],
)
def test_what_is_no_model_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    with pytest.raises(EvaluationError) as caught:
        read_graph(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.slow
def test_no_cut_and_no_flipped_byte_escapes_as_another_error(tmp_path: Path) -> None:
    """Any damage gives a graph (of a byte that does not matter) or an EvaluationError, nothing else."""
    good = convolution(tmp_path / "good.tflite").read_bytes()
    path = tmp_path / "bad.tflite"
    rng = random.Random(7)
    damaged = [good[:size] for size in range(0, len(good), 13)]
    for _ in range(600):
        flipped = bytearray(good)
        for _ in range(rng.choice([1, 1, 4])):
            flipped[rng.randrange(len(good))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        damaged.append(bytes(flipped))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            read_graph(path)
        except EvaluationError:
            refused += 1
    assert refused > len(damaged) // 10  # the damage does reach what is read


def wheel_file(name: str) -> Path:
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or spec.origin is None:
        pytest.skip("basic_pitch is not installed")
    path = Path(spec.origin).parent / "saved_models" / "icassp_2022" / name
    if not path.exists():
        pytest.skip(f"the installed basic_pitch holds no {name}")
    return path


def test_basic_pitch() -> None:
    """Its batch is open. Its front end is convolutions with kernels of 256 taps."""
    graph = read_graph(wheel_file("nmp.tflite"))
    assert graph.dynamic
    assert graph.macs == 524_079_648
    largest = max(graph.ops, key=lambda op: op.macs)
    assert largest.macs == 172 * 264 * 8 * 3 * 39 * 8  # the 3×39 convolution of the contour head
    # Nine octaves: a real and an imaginary bank of 36 kernels of 256 taps at 172 places, each octave but the last
    # halved by a filter of 256 taps, whose outputs are 43,671 values in all.
    kernels = {36 * 256 * 4 + 36 * 4, 256 * 4 + 4}
    front_end = [op for op in graph.ops if op.kind == "CONV_2D" and op.weight_bytes in kernels]
    assert sum(op.macs for op in front_end) == 256 * (9 * 2 * 36 * 172 + 43_671)
    # Resident memory of LiteRT 2.3.0 grew by 173 MB between start and the third call; 160 MB of it are tables of where
    # each tap of each pixel is read.
    assert graph.cpu_memory is not None
    assert graph.cpu_memory.tables == pytest.approx(160e6, rel=0.01)


def test_without_the_schema_reader_the_graph_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    path = tmp_path / "x.tflite"
    path.write_bytes(b"\0\0\0\0TFL3" + bytes(64))
    with pytest.raises(EvaluationError, match=r"needs ai-edge-litert; right is: pip install"):
        read_graph(path)


@pytest.mark.parametrize(("time_major", "steps"), [(True, 20), (False, 3)])
def test_a_fused_lstm_reads_its_weights_in_every_step(time_major: bool, steps: int, tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (20, 3, 12)), b.tensor("y", (20, 3, 7))
    weights = [b.tensor(f"w{k}", (7, 12), values=np.zeros((7, 12))) for k in range(4)]
    weights += [b.tensor(f"u{k}", (7, 7), values=np.zeros((7, 7))) for k in range(4)]
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.timeMajor = time_major
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *weights], [y], options=options)
    (op,) = read_graph(b.write(tmp_path / "m.tflite", [x], [y])).ops
    assert (op.macs, op.steps, op.weight_bytes) == (20 * 3 * 4 * 7 * 19, steps, 4 * 4 * 7 * 19)


def test_a_bias_does_not_stand_for_weights_of_fewer_bytes(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (1, 8, 1, 4)), b.tensor("y", (1, 8, 1, 4))
    weight = b.tensor("w", (1, 3, 1, 4), "INT8", values=np.zeros((1, 3, 1, 4)))
    b.op("DEPTHWISE_CONV_2D", [x, weight, b.tensor("b", (4,), values=np.zeros(4))], [y])
    (op,) = read_graph(b.write(tmp_path / "m.tflite", [x], [y])).ops
    assert (op.weight_dtype, op.computes_in) == ("int8", "int8")


def test_an_op_newer_than_the_schema_has_no_price(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (1, 8)), b.tensor("y", (1, 8))
    b.op("ABS", [x], [y])
    b.model.operatorCodes[0].builtinCode = 9999
    graph = read_graph(b.write(tmp_path / "m.tflite", [x], [y]))
    assert graph.unpriced == ("the op of code 9999, which the schema read here does not know",)


def test_a_product_that_is_not_counted_has_no_price(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (8, 8)), b.tensor("y", (8, 8))
    b.op("STABLEHLO_DOT_GENERAL", [x, x], [y])
    graph = read_graph(b.write(tmp_path / "m.tflite", [x], [y]))
    assert graph.unpriced == ("STABLEHLO_DOT_GENERAL, whose multiply-adds are not counted",)

"""LiteRT's plan of memory: small graphs by hand, and the addresses and groups of the real interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.formats.tflite.arena import Arena, Node, Tensors, plan_arena

pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("flatbuffers")
from ai_edge_litert import interpreter as litert

from benchmarks.memory_model import measure_arena
from evaluators.formats.tflite.graph import read_arena, read_tflite_graph
from tests.testpress.tiny_tflite import Writer, schema  # imports what may be missing

KIB = 1024


def plan(*nodes: Node, sizes: dict[int, int], outputs: list[int], variables: dict[int, int] | None = None) -> Arena:
    return plan_arena(nodes, Tensors(sizes, [0], outputs, variables or {}))


def test_inputs_and_outputs_stay_and_the_rest_takes_turns() -> None:
    chain = [Node("CONV_2D", (k,), (k + 1,)) for k in range(4)]
    found = plan(*chain, sizes=dict.fromkeys(range(5), KIB), outputs=[4])
    # The input lives all the time; of 1, 2, 3 and 4 two live at once.
    assert found == Arena(3 * KIB, 0, {0: 0, 1: KIB, 2: 2 * KIB, 3: KIB, 4: 2 * KIB})


@pytest.mark.parametrize(
    ("kind", "expected"), [("ADD", {1: 1024, 2: 1024}), ("SOFTMAX", {1: 1024, 2: 1024}), ("EXP", {1: 1024, 2: 2048})]
)
def test_what_works_in_place(kind: str, expected: dict[int, int]) -> None:
    nodes = [Node("CONV_2D", (0,), (1,)), Node(kind, (1,), (2,)), Node("CONV_2D", (2,), (3,))]
    found = plan(*nodes, sizes=dict.fromkeys(range(4), KIB), outputs=[3])
    assert {k: found.offsets[k] for k in expected} == expected


def test_what_others_read_is_not_written_over_but_may_be_seen_in_another_shape() -> None:
    nodes = [
        Node("CONV_2D", (0,), (1,)), Node("RESHAPE", (1,), (2,)), Node("ADD", (2,), (3,)), Node("MUL", (1, 3), (4,)),
        Node("CONV_2D", (4,), (5,)),
    ]  # fmt: skip
    at = plan(*nodes, sizes=dict.fromkeys(range(6), KIB), outputs=[5]).offsets
    assert at[1] == at[2]
    assert at[3] != at[1]  # the first is read once more
    assert at[4] == at[3]  # the first of MUL's inputs that nobody else reads


def test_variables_have_an_arena_of_their_own_and_scratch_lives_for_its_op() -> None:
    nodes = [Node("CONV_2D", (0,), (1,), scratch=(2 * KIB,), kept=(128,)), Node("CONV_2D", (1, 9), (2,))]
    found = plan(*nodes, sizes=dict.fromkeys(range(3), KIB), outputs=[2], variables={9: 100})
    assert (found.bytes, found.kept_bytes) == (4 * KIB, 256)
    assert found.offsets == {0: 0, 1: 3 * KIB, 2: KIB}  # behind the input the scratch, which the output follows


def test_what_follows_sizes_that_data_decide_is_planned_later() -> None:
    """The second stage's large tensor finds the first stage's small ones in place."""
    nodes = [Node("A", (0,), (1,), is_last_planned=True), Node("A", (1,), (2,))]
    found = plan(*nodes, sizes={0: 64, 1: 64, 2: KIB}, outputs=[2])
    assert found.offsets == {0: 0, 1: 64, 2: 128}


def convolutions(path: Path, *, dilation: int = 1) -> Path:
    """Two 3×3 convolutions, a sum with a skip, a mean and a matrix."""
    b = Writer()
    x, weight = b.tensor("x", (1, 12, 12, 4)), b.tensor("w", (4, 3, 3, 4), values=np.ones(144))
    bias, tensors = b.tensor("b", (4,), values=np.ones(4)), [b.tensor(n, (1, 12, 12, 4)) for n in ("y", "z", "s")]
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = dilation
    b.op("CONV_2D", [x, weight, bias], [tensors[0]], options=options)
    b.op("CONV_2D", [tensors[0], weight, bias], [tensors[1]], options=options)
    b.op("ADD", [tensors[0], tensors[1]], [tensors[2]], options=schema.AddOptionsT())
    mean, axes = b.tensor("mean", (1, 4)), b.tensor("axes", (2,), "INT32", values=np.array([1, 2]))
    b.op("MEAN", [tensors[2], axes], [mean], options=schema.ReducerOptionsT())
    out, matrix = b.tensor("out", (1, 7)), b.tensor("m", (7, 4), values=np.ones(28))
    b.op("FULLY_CONNECTED", [mean, matrix, -1], [out], options=schema.FullyConnectedOptionsT())
    return b.write(path, [x], [out])


def hybrid(path: Path) -> Path:
    """A matrix in 8 bits on floats, and a product of two activations."""
    b = Writer()
    x, matrix = b.tensor("x", (20, 30)), b.tensor("m", (30, 30), "INT8", values=np.ones(900), scale=0.1)
    y, turned, out = b.tensor("y", (20, 30)), b.tensor("t", (30, 20)), b.tensor("out", (20, 20))
    b.op("FULLY_CONNECTED", [x, matrix, -1], [y], options=schema.FullyConnectedOptionsT())
    b.op("TRANSPOSE", [x, b.tensor("p", (2,), "INT32", values=np.array([1, 0]))], [turned])
    b.op("BATCH_MATMUL", [y, turned], [out], options=schema.BatchMatMulOptionsT())
    return b.write(path, [x], [out])


def shaped_by_data(path: Path) -> Path:
    """A reshape by numbers that are packed from an input's shape, which LiteRT knows only when it runs."""
    b = Writer()
    x, size = b.tensor("x", (8, 40)), b.tensor("size", (2,), "INT32")
    rows, begin = b.tensor("rows", (), "INT32"), b.tensor("begin", (1,), "INT32", values=np.array([0]))
    one, end = (
        b.tensor("one", (1,), "INT32", values=np.array([1])),
        b.tensor("end", (1,), "INT32", values=np.array([1])),
    )
    y, flat, out = b.tensor("y", (8, 40)), b.tensor("flat", (8, 40)), b.tensor("out", (8, 40))
    b.op("EXP", [x], [y])
    shape_of = schema.ShapeOptionsT()
    shape_of.outType = schema.TensorType.INT32
    b.op("SHAPE", [y], [size], options=shape_of)
    slice_ = schema.StridedSliceOptionsT()
    slice_.shrinkAxisMask = 1
    b.op("STRIDED_SLICE", [size, begin, end, one], [rows], options=slice_)
    shape, pack = b.tensor("shape", (2,), "INT32"), schema.PackOptionsT()
    pack.valuesCount = 2
    b.op("PACK", [rows, b.tensor("forty", (), "INT32", values=np.array(40))], [shape], options=pack)
    b.op("RESHAPE", [y, shape], [flat])
    b.op("SIN", [flat], [out])
    return b.write(path, [x], [out])


def loop(path: Path) -> Path:
    """Ten turns that double a row; what the loop hands on unread has no memory."""
    b = Writer()
    turn, row = b.tensor("turn", (1,), "INT32", values=np.array([0])), b.tensor("row", (1, 64))
    wide, left, out = b.tensor("wide", (1, 64)), b.tensor("left", (1,), "INT32"), b.tensor("out", (1, 64))
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    b.op("EXP", [row], [wide])
    b.op("WHILE", [turn, row, wide], [left, out, b.tensor("unread", (1, 64))], options=options)
    b.begin_subgraph([row], [left, out])
    i, r, w = b.tensor("i", (1,), "INT32"), b.tensor("r", (1, 64)), b.tensor("w", (1, 64))
    goes_on = b.tensor("goes_on", (1,), "BOOL")
    b.op("LESS", [i, b.tensor("bound", (1,), "INT32", values=np.array([10]))], [goes_on])
    b.begin_subgraph([i, r, w], [goes_on])
    i, r, w = b.tensor("i", (1,), "INT32"), b.tensor("r", (1, 64)), b.tensor("w", (1, 64))
    after, doubled = b.tensor("after", (1,), "INT32"), b.tensor("doubled", (1, 64))
    b.op("ADD", [i, b.tensor("one", (1,), "INT32", values=np.array([1]))], [after], options=schema.AddOptionsT())
    b.op("ADD", [r, w], [doubled], options=schema.AddOptionsT())
    return b.write(path, [i, r, w], [after, doubled, w])


def lstm(path: Path) -> Path:
    """A fused LSTM of 5 steps, its two states variables."""
    b = Writer()
    x, out = b.tensor("x", (5, 1, 8)), b.tensor("out", (5, 1, 12))
    seen = [b.tensor(f"i{k}", (12, 8), values=np.ones(96)) for k in range(4)]
    fed = [b.tensor(f"r{k}", (12, 12), values=np.ones(144)) for k in range(4)]
    biases = [b.tensor(f"b{k}", (12,), values=np.ones(12)) for k in range(4)]
    states = [b.tensor(name, (1, 12)) for name in ("h", "c")]
    for state in states:
        b.graph.tensors[state].isVariable = True
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.timeMajor = True
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *seen, *fed, -1, -1, -1, *biases, -1, -1, *states], [out], options=options)
    return b.write(path, [x], [out])


def spectrum(path: Path) -> Path:
    """The real part of a real FFT of 64 points."""
    b = Writer()
    x, made, out = b.tensor("x", (3, 64)), b.tensor("made", (3, 33), "COMPLEX64"), b.tensor("out", (3, 33))
    wide = b.tensor("wide", (1, 3, 64))
    b.op("RESHAPE", [x, b.tensor("s", (3,), "INT32", values=np.array([1, 3, 64]))], [wide])
    b.graph.tensors[made].shape = [1, 1, 33]
    b.graph.tensors[out].shape = [1, 1, 33]
    b.op("RFFT2D", [wide, b.tensor("n", (2,), "INT32", values=np.array([1, 64]))], [made])
    b.op("REAL", [made], [out])
    return b.write(path, [x], [out])


MODELS = {
    "lstm": lstm,
    "spectrum": spectrum,
    "convolutions": convolutions,
    "hybrid": hybrid,
    "shaped_by_data": shaped_by_data,
    "loop": loop,
}


def in_float16(path: Path) -> Path:
    """A matrix in float16, which an op of its own widens."""
    b = Writer()
    x, out, wide = b.tensor("x", (1, 64)), b.tensor("out", (1, 48)), b.tensor("wide", (48, 64))
    b.op("DEQUANTIZE", [b.tensor("m", (48, 64), "FLOAT16", values=np.ones(48 * 64))], [wide])
    b.op("FULLY_CONNECTED", [x, wide, -1], [out], options=schema.FullyConnectedOptionsT())
    return b.write(path, [x], [out])


def test_weights_in_float16_are_widened_once(tmp_path: Path) -> None:
    """By LiteRT's own kernels into what lives from call to call; by the delegate one after the other, to be packed."""
    graph = read_tflite_graph(in_float16(tmp_path / "m.tflite"))
    assert graph.own_memory is not None
    assert graph.cpu_memory is not None
    wide = 48 * 64 * 4
    assert graph.own_memory.tensors == wide + 256 + 192
    assert (graph.cpu_memory.tensors, graph.cpu_memory.widened) == (256 + 192, wide)
    assert graph.cpu_memory.packed == wide + 48 * 4


@pytest.mark.tflite
@pytest.mark.parametrize("name", MODELS)
def test_the_arena_is_that_of_the_interpreter(name: str, tmp_path: Path) -> None:
    """Measured from the addresses it gives for its tensors."""
    path = MODELS[name](tmp_path / "m.tflite")
    assert read_arena(path).bytes == measure_arena(path)


@pytest.mark.tflite
@pytest.mark.parametrize("name", [name for name in MODELS if name != "loop"])  # the runtime tells of the first graph
def test_the_delegate_is_entered_as_often_as_it_is_there(name: str, tmp_path: Path) -> None:
    path = MODELS[name](tmp_path / "m.tflite")
    model: Any = litert.Interpreter(str(path), num_threads=1)
    model.allocate_tensors()
    real = sum(op["op_name"] == "DELEGATE" for op in model._get_ops_details())
    memory = read_tflite_graph(path).cpu_memory
    assert memory is not None
    assert memory.groups == real


def test_a_graph_lies_between_what_lives_at_once_and_everything(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "m.tflite", dilation=2)
    graph, arena = read_tflite_graph(path), read_arena(path)
    assert graph.own_memory is not None
    image, columns = 12 * 12 * 4 * 4, 4 * 12 * 12 * 9 * 4
    # In the second convolution: what goes in, what is made, what is kept for the sum, and a row of each pixel's taps.
    assert arena.bytes == 3 * image + columns
    assert graph.peak_activation_bytes <= arena.bytes <= graph.own_memory.tensors

"""Sizes that a file leaves open, held against those that LiteRT comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from evaluators.costs.graph import Graph
from evaluators.formats import read_graph

pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("flatbuffers")
import flatbuffers
from ai_edge_litert import schema_py_generated as schema  # these import what may be missing
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from flatbuffers import flexbuffers

from evaluators.formats import read_signatures
from evaluators.formats.tflite.file import TFLiteFile
from evaluators.formats.tflite.scope import Given, Scope
from evaluators.targets import open_model
from tests.testpress.tiny_tflite import Writer

pytestmark = pytest.mark.tflite


class Case(NamedTuple):
    """One op: what it reads (sizes of activations, values of constants), its options, and the ranks of its outputs."""

    kind: str
    reads: tuple[Any, ...]
    options: dict[str, Any] = {}
    ranks: tuple[int, ...] = (4,)
    version: int = 1


def ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


PICTURE = (1, 12, 10, 4)
ROWS = (1, 12, 10)
CASES = [
    Case("ADD", (PICTURE, (1, 1, 10, 1)), {"AddOptions": {}}),
    Case("SELECT_V2", (weights(1, 12, 1) > 0, ROWS, (1, 1, 10)), {"SelectV2Options": {}}, (3,)),
    Case("SOFTMAX", (ROWS,), {"SoftmaxOptions": {"beta": 1.0}}, (3,)),
    Case("RESHAPE", (PICTURE, ints(-1, 40)), {}, (2,)),
    Case("RESHAPE", (PICTURE,), {"ReshapeOptions": {"newShape": [3, -1]}}, (2,)),
    Case("SQUEEZE", ((1, 12, 1, 4),), {"SqueezeOptions": {"squeezeDims": [-2]}}, (3,)),
    Case("SQUEEZE", ((1, 12, 1, 4),), {"SqueezeOptions": {}}, (2,)),
    Case("EXPAND_DIMS", (ROWS, ints(-1)), {"ExpandDimsOptions": {}}),
    Case("TRANSPOSE", (ROWS, ints(2, 0, 1)), {"TransposeOptions": {}}, (3,)),
    Case("PACK", (ROWS, ROWS), {"PackOptions": {"valuesCount": 2, "axis": -1}}),
    Case("UNPACK", ((1, 2, 5),), {"UnpackOptions": {"num": 2, "axis": 1}}, (2, 2)),
    Case("CONCATENATION", (ROWS, (1, 5, 10)), {"ConcatenationOptions": {"axis": 1}}, (3,)),
    Case("SPLIT", (ints(1).reshape(()), ROWS), {"SplitOptions": {"numSplits": 3}}, (3, 3, 3)),
    Case("SPLIT_V", (ROWS, ints(2, 3, -1), ints(1).reshape(())), {"SplitVOptions": {"numSplits": 3}}, (3, 3, 3)),
    Case("STRIDED_SLICE", (ROWS, ints(0, -3, 9), ints(1, 12, 1), ints(1, 2, -2)), {"StridedSliceOptions": {}}, (3,)),
    Case(
        "STRIDED_SLICE",
        (ROWS, ints(0, 2, 4), ints(1, 12, 1), ints(1, 1, 1)),
        {"StridedSliceOptions": {"beginMask": 2, "endMask": 2, "shrinkAxisMask": 4}},
        (2,),
    ),
    Case("SLICE", (ROWS, ints(0, 2, 3), ints(-1, 4, -1)), {"SliceOptions": {}}, (3,)),
    Case("GATHER", (ROWS, ints(1, 2, 3)), {"GatherOptions": {"axis": 1}}, (3,)),
    Case("GATHER", ((2, 5, 3), ints([0, 1], [2, 4])), {"GatherOptions": {"axis": 1, "batchDims": 1}}, (3,)),
    Case("GATHER_ND", (ROWS, ints([0, 1], [0, 2])), {"GatherNdOptions": {}}, (2,)),
    Case("PAD", (ROWS, ints([0, 0], [1, 2], [3, 0])), {"PadOptions": {}}, (3,)),
    Case("TILE", (ROWS, ints(2, 1, 3)), {"TileOptions": {}}, (3,)),
    Case("BROADCAST_TO", ((1, 1, 10), ints(2, 12, 10)), {"BroadcastToOptions": {}}, (3,), 2),
    Case("MEAN", (PICTURE, ints(1, -2)), {"ReducerOptions": {"keepDims": True}}),
    Case("REDUCE_MAX", (PICTURE, ints(1, 2)), {"ReducerOptions": {}}, (2,)),
    Case("ARG_MAX", (ROWS, ints(-1)), {"ArgMaxOptions": {"outputType": schema.TensorType.INT32}}, (2,)),
    Case("TOPK_V2", (ROWS, ints(3).reshape(())), {"TopKV2Options": {}}, (3, 3)),
    Case("CONV_2D", (PICTURE, weights(8, 3, 3, 4), weights(8)), {"Conv2DOptions": {"strideH": 2, "strideW": 3}}),
    Case(
        "CONV_2D",
        (PICTURE, weights(8, 3, 3, 4), weights(8)),
        {"Conv2DOptions": {"padding": 1, "strideH": 2, "strideW": 1, "dilationHFactor": 3, "dilationWFactor": 2}},
    ),
    Case(
        "DEPTHWISE_CONV_2D",
        (PICTURE, weights(1, 3, 5, 8), weights(8)),
        {"DepthwiseConv2DOptions": {"padding": 1, "strideH": 2, "strideW": 2, "depthMultiplier": 2}},
    ),
    Case(
        "MAX_POOL_2D",
        (PICTURE,),
        {"Pool2DOptions": {"padding": 1, "strideH": 2, "strideW": 3, "filterHeight": 3, "filterWidth": 2}},
    ),
    Case("FULLY_CONNECTED", (ROWS, weights(6, 10), weights(6)), {"FullyConnectedOptions": {"keepNumDims": True}}, (3,)),
    Case("FULLY_CONNECTED", (PICTURE, weights(6, 10), weights(6)), {"FullyConnectedOptions": {}}, (2,)),
    Case("BATCH_MATMUL", ((1, 3, 5, 4), (1, 1, 6, 4)), {"BatchMatMulOptions": {"adjY": True}}),
    Case("BATCH_MATMUL", ((1, 3, 4, 5), (1, 3, 4, 6)), {"BatchMatMulOptions": {"adjX": True}}),
    Case("RESIZE_BILINEAR", (PICTURE, ints(24, 5)), {"ResizeBilinearOptions": {}}),
    Case("SPACE_TO_DEPTH", (PICTURE,), {"SpaceToDepthOptions": {"blockSize": 2}}),
    Case("DEPTH_TO_SPACE", (PICTURE,), {"DepthToSpaceOptions": {"blockSize": 2}}),
    Case("SPACE_TO_BATCH_ND", (PICTURE, ints(2, 5), ints([1, 1], [0, 0])), {"SpaceToBatchNDOptions": {}}),
    Case("BATCH_TO_SPACE_ND", ((10, 7, 2, 4), ints(2, 5), ints([1, 1], [0, 0])), {"BatchToSpaceNDOptions": {}}),
    Case(
        "NON_MAX_SUPPRESSION_V4",
        ((10, 4), (10,), ints(3).reshape(()), np.float32(0.5), np.float32(0.1)),
        {"NonMaxSuppressionV4Options": {}},
        (1, 0),
    ),
    Case("REVERSE_V2", (ROWS, ints(1)), {"ReverseV2Options": {}}, (3,)),
    Case("SHAPE", (ROWS,), {"ShapeOptions": {"outType": schema.TensorType.INT32}}, (1,)),
]

_TYPES = {"f": "FLOAT32", "i": "INT32", "b": "BOOL"}
_MADE = {"ARG_MAX": "INT32", "SHAPE": "INT32", "NON_MAX_SUPPRESSION_V4": "INT32"}


def write(case: Case, path: Path) -> Path:
    """A file of the one op, every size of what it makes open, and of what it reads too."""
    b = Writer()
    reads, inputs = [], []
    for number, given in enumerate(case.reads):
        if isinstance(given, np.ndarray | np.float32):
            reads.append(b.tensor(f"c{number}", given.shape, _TYPES[given.dtype.kind], values=given))
        else:
            reads.append(b.tensor(f"x{number}", given, open_=True))
            inputs.append(reads[-1])
    type_ = _MADE.get(case.kind, "FLOAT32")
    types = [type_, "INT32"] if case.kind == "TOPK_V2" else [type_] * len(case.ranks)
    outputs = [b.tensor(f"y{k}", (1,) * rank, types[k], open_=True) for k, rank in enumerate(case.ranks)]
    options = None
    for name, told in case.options.items():
        options = getattr(schema, f"{name}T")()
        for key, value in told.items():
            setattr(options, key, value)
    b.op(case.kind, reads, outputs, options=options)
    b.model.operatorCodes[-1].version = case.version
    return b.write(path, inputs, outputs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_an_op_makes_what_the_runtime_makes_of_it(case: Case, tmp_path: Path) -> None:
    path = write(case, tmp_path / "m.tflite")
    file = TFLiteFile(path.read_bytes())
    scope = Scope(file, 0, Given())
    assert all(scope.resolve(operator, None) for operator in file.operators(0))
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    runtime = Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    for detail, shape in zip(
        runtime.get_input_details(), (given for given in case.reads if isinstance(given, tuple)), strict=True
    ):
        runtime.resize_tensor_input(detail["index"], shape)
    runtime.allocate_tensors()
    runtime.invoke()
    expected = [runtime.get_tensor(detail["index"]).shape for detail in runtime.get_output_details()]
    assert [scope.tensors[index].shape for index in scope.outputs] == expected


def detections(path: Path) -> Path:
    """Ten boxes of three classes, of which the runtime's own op leaves four; its sizes are in its options alone."""
    b = Writer()
    boxes, scores = b.tensor("boxes", (1, 10, 4)), b.tensor("scores", (1, 10, 4))
    anchors = b.tensor("anchors", (10, 4), values=np.random.default_rng(1).random((10, 4)))
    made = [b.tensor(name, ()) for name in ("boxes_out", "classes", "kept", "count")]
    b.graph.tensors[boxes].hasRank = True
    b.op("CUSTOM", [boxes, scores, anchors], made, custom="TFLite_Detection_PostProcess")
    told = {"max_detections": 4, "max_classes_per_detection": 1, "num_classes": 3, "nms_score_threshold": 0.1}
    scales = {"nms_iou_threshold": 0.6, "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
    b.graph.operators[-1].customOptions = list(flexbuffers.Dumps({**told, **scales}))
    return b.write(path, [boxes, scores], made)


def test_detections_are_as_many_as_the_op_is_told(tmp_path: Path) -> None:
    path = detections(tmp_path / "m.tflite")
    graph = read_graph(path)
    made = [
        value.shape
        for value in open_model(path)
        .run({"boxes": np.zeros((1, 10, 4), np.float32), "scores": np.full((1, 10, 4), 0.5, np.float32)})
        .values()
    ]
    assert made == [(1, 4, 4), (1, 4), (1, 4), (1,)]
    assert (graph.unpriced, graph.ops[0].written_bytes) == ((), 4 * sum(int(np.prod(shape)) for shape in made))


@pytest.mark.parametrize("options", [[], [1], [0, 0, 0], [255] * 40])
def test_options_that_are_no_map_leave_sizes_open(options: list[int], tmp_path: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf(detections(tmp_path / "m.tflite").read_bytes())
    model.subgraphs[0].operators[0].customOptions = options
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    (tmp_path / "m.tflite").write_bytes(bytes(builder.Output()))
    assert read_graph(tmp_path / "m.tflite").unpriced == ("open dimensions, whose sizes are not in the file",)


def rows_laid_end_to_end(path: Path, *, batch_in_shape: bool) -> Path:
    """[open, 50, 40] → rows of 40 → 16 units → [open, 50, 16], as a layer over time in Keras becomes.

    Args:
        path: The file.
        batch_in_shape: Whether the last size is computed from the input's, as converters write it.
    """
    b = Writer()
    x, out = b.tensor("x", (1, 50, 40), open_=True), b.tensor("out", (1, 50, 16), open_=True)
    flat, dense = b.tensor("flat", (1, 40), open_=True), b.tensor("dense", (1, 16), open_=True)
    b.op("RESHAPE", [x, b.tensor("rows", (2,), "INT32", values=ints(-1, 40))], [flat])
    linear = schema.FullyConnectedOptionsT()
    b.op("FULLY_CONNECTED", [flat, b.tensor("weight", (16, 40), values=weights(16, 40)), -1], [dense], options=linear)
    if batch_in_shape:
        sizes, batch = b.tensor("sizes", (3,), "INT32"), b.tensor("batch", (), "INT32")
        one = [b.tensor(f"at{k}", (1,), "INT32", values=ints(k)) for k in (0, 1, 1)]
        cut = schema.StridedSliceOptionsT()
        cut.shrinkAxisMask = 1
        shape = b.tensor("shape", (3,), "INT32")
        b.op("SHAPE", [x], [sizes], options=schema.ShapeOptionsT())
        b.op("STRIDED_SLICE", [sizes, *one], [batch], options=cut)
        known = [b.tensor(f"size{size}", (), "INT32", values=ints(size).reshape(())) for size in (50, 16)]
        packed = schema.PackOptionsT()
        packed.valuesCount = 3
        b.op("PACK", [batch, *known], [shape], options=packed)
    else:
        shape = b.tensor("shape", (3,), "INT32", values=ints(-1, 50, 16))
    b.op("RESHAPE", [dense, shape], [out])
    return b.write(path, [x], [out])


@pytest.mark.parametrize("batch_in_shape", [False, True])
def test_rows_of_a_batch_count_as_often_as_they_are(batch_in_shape: bool, tmp_path: Path) -> None:
    graph = read_graph(rows_laid_end_to_end(tmp_path / "m.tflite", batch_in_shape=batch_in_shape))
    assert (graph.macs, graph.batch_only, graph.unpriced) == (50 * 40 * 16, True, ())


def frames(path: Path, *, known: bool) -> Graph:
    """Audio [open, 64] cut to as many samples as a computed size says, and a product with 8 weights."""
    b = Writer()
    x, y = b.tensor("x", (1, 64), open_=True), b.tensor("y", (1, 8), open_=True)
    sizes, first = b.tensor("sizes", (2,), "INT32"), b.tensor("first", (1,), "INT32")
    length = b.tensor("length", (1,), "INT32")
    b.op("SHAPE", [x], [sizes], options=schema.ShapeOptionsT())
    parts = schema.SplitVOptionsT()
    parts.numSplits = 2
    b.op(
        "SPLIT_V",
        [sizes, b.tensor("ones", (2,), "INT32", values=ints(1, 1)), b.tensor("axis", (), "INT32", values=ints(0)[0])],
        [first, length],
        options=parts,
    )
    half = b.tensor("half", (1,), "INT32")
    b.op("FLOOR_DIV" if known else "FLOOR_MOD", [length, b.tensor("two", (1,), "INT32", values=ints(2))], [half])
    shape, cut = b.tensor("shape", (2,), "INT32"), b.tensor("cut", (1, 1), open_=True)
    b.graph.tensors[cut].shapeSignature = [-1, -1]
    joined = schema.ConcatenationOptionsT()
    b.op("CONCATENATION", [first, half if known else b.tensor("given", (1,), "INT32")], [shape], options=joined)
    b.op("SLICE", [x, b.tensor("zeros", (2,), "INT32", values=ints(0, 0)), shape], [cut])
    linear = schema.FullyConnectedOptionsT()
    b.op("FULLY_CONNECTED", [cut, b.tensor("weight", (8, 32), values=weights(8, 32)), -1], [y], options=linear)
    return read_graph(b.write(path, [x], [y]))


def test_sizes_that_are_computed_from_the_batch_are_followed(tmp_path: Path) -> None:
    graph = frames(tmp_path / "m.tflite", known=True)
    assert (graph.macs, graph.batch_only) == (8 * 32, True)
    assert graph.ops[-2].written_bytes == 4 * 32


def test_sizes_that_data_decides_stay_open(tmp_path: Path) -> None:
    graph = frames(tmp_path / "m.tflite", known=False)
    assert not graph.batch_only
    assert graph.unpriced == ("open dimensions, whose sizes are not in the file",)


def test_a_size_that_contradicts_the_file_is_not_taken(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (1, 12), open_=True), b.tensor("y", (1, 5), open_=True)
    b.op("ABS", [x], [y])
    graph = read_graph(b.write(tmp_path / "m.tflite", [x], [y]))
    assert not graph.batch_only
    assert graph.ops[0].written_bytes == 4 * 5


def scan(path: Path, frames: int) -> Path:
    """A loop that writes 16 units a turn into a list: what is before it, the new row, and what is after it."""
    b = Writer()
    number, bound = ints(0).reshape(()), ints(frames).reshape(())
    turn, rows = b.tensor("turn", (), "INT32", values=number), b.tensor("rows", (frames, 16))
    weight = b.tensor("weight", (16, 16), values=weights(16, 16))
    left, made = b.tensor("left", (), "INT32"), b.tensor("made", (frames, 16))
    loop = schema.WhileOptionsT()
    loop.condSubgraphIndex, loop.bodySubgraphIndex = 1, 2
    b.op("WHILE", [turn, rows, weight], [left, made, b.tensor("weight_out", (16, 16))], options=loop)
    b.begin_subgraph([rows], [made])
    i, r, w = b.tensor("i", (), "INT32"), b.tensor("r", (frames, 16)), b.tensor("w", (16, 16))
    goes_on = b.tensor("goes_on", (), "BOOL")
    b.op("LESS", [i, b.tensor("bound", (), "INT32", values=bound)], [goes_on])
    b.begin_subgraph([i, r, w], [goes_on])
    i, r, w = b.tensor("i", (), "INT32"), b.tensor("r", (frames, 16)), b.tensor("w", (16, 16))
    one = b.tensor("one", (), "INT32", values=ints(1).reshape(()))
    after, after_row = b.tensor("after", (), "INT32"), b.tensor("after_row", (2,), "INT32")
    b.op("ADD", [i, one], [after])
    zero = b.tensor("zero", (), "INT32", values=number)
    here, before_size = b.tensor("here", (2,), "INT32"), b.tensor("before_size", (2,), "INT32")
    pack = schema.PackOptionsT()
    pack.valuesCount = 2
    b.op("PACK", [i, zero], [here], options=pack)
    b.op("PACK", [i, b.tensor("width", (), "INT32", values=ints(16).reshape(()))], [before_size], options=pack)
    b.op("PACK", [after, zero], [after_row], options=pack)
    begin = b.tensor("begin", (2,), "INT32", values=ints(0, 0))
    size, rest = (b.tensor(name, (2,), "INT32", values=ints(*given)) for name, given in _SIZES.items())
    parts = [b.tensor(name, (1, 16)) for name in ("before", "row", "new", "behind")]
    before, row, new, behind = parts
    for part in (before, behind):
        b.graph.tensors[part].shapeSignature = [-1, 16]
    b.op("SLICE", [r, begin, before_size], [before])
    b.op("SLICE", [r, here, size], [row])
    b.op("FULLY_CONNECTED", [row, w, -1], [new], options=schema.FullyConnectedOptionsT())
    b.op("SLICE", [r, after_row, rest], [behind])
    joined = b.tensor("joined", (frames, 16))
    b.op("CONCATENATION", [before, new, behind], [joined], options=schema.ConcatenationOptionsT())
    return b.write(path, [i, r, w], [after, joined, w])


_SIZES = {"size": (1, 16), "rest": (-1, 16)}


def test_sizes_that_grow_with_a_loops_turns_have_their_mean(tmp_path: Path) -> None:
    frames = 21
    graph = read_graph(scan(tmp_path / "m.tflite", frames))
    assert (graph.macs, graph.dynamic, graph.unpriced) == (frames * 16 * 16, False, ())
    cut = [op for op in graph.ops if op.kind == "SLICE"]
    rows = [sum(turn for turn in range(frames)), frames, sum(frames - 1 - turn for turn in range(frames))]
    assert [op.written_bytes for op in cut] == [4 * 16 * count for count in rows]


def test_open_sizes_inside_of_a_model_of_fixed_inputs_are_as_good_as_stated(tmp_path: Path) -> None:
    path = rows_laid_end_to_end(tmp_path / "open.tflite", batch_in_shape=True)
    fixed = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    fixed.subgraphs[0].tensors[0].shapeSignature = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(fixed.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    graph = read_graph(path)
    assert (graph.macs, graph.dynamic, graph.unpriced) == (50 * 40 * 16, False, ())


def test_a_widened_constant_has_the_size_of_what_it_is_made_of(tmp_path: Path) -> None:
    """Tools that halve the weights of a finished file say no rank of what they add."""
    b = Writer()
    x, y, wide = b.tensor("x", (1, 4)), b.tensor("y", (1, 4)), b.tensor("wide", ())
    b.graph.tensors[x].hasRank = b.graph.tensors[y].hasRank = True
    b.op("DEQUANTIZE", [b.tensor("half", (), "FLOAT16", values=np.float16(2))], [wide])
    b.op("MUL", [x, wide], [y], options=schema.MulOptionsT())
    graph = read_graph(b.write(tmp_path / "m.tflite", [x], [y]))
    assert (graph.dynamic, graph.unpriced, [op.kind for op in graph.ops]) == (False, (), ["MUL"])


@pytest.mark.parametrize("says_ranks", [True, False])
def test_a_tensor_of_unknown_rank_is_no_single_number(says_ranks: bool, tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", ()), b.tensor("y", ())
    gain = b.tensor("gain", (), values=np.float32(2))
    b.graph.tensors[gain].hasRank = says_ranks
    b.op("MUL", [x, gain], [y], options=schema.MulOptionsT())
    path = b.write(tmp_path / "m.tflite", [x], [y])
    graph, (signature,) = read_graph(path), read_signatures(path)
    assert bool(graph.unpriced) == says_ranks  # an older file says so of no tensor, and then it is one number
    assert [bool(port.note) for port in (*signature.inputs, *signature.outputs)] == [says_ranks] * 2

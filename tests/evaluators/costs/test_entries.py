"""What lies beyond a file's first subgraph: other signatures, composites, branches, ops of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.profile import read_profile
from evaluators.costs.latency import predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.errors import EvaluationError
from evaluators.formats import list_entries, place, read_floor, read_graph, runs_on
from evaluators.targets import open_model
from tests.testpress.tiny_tflite import FEATURES, WINDOW_SAMPLES, Writer, schema, write_gain, write_two

pytestmark = pytest.mark.tflite


def test_each_signature_has_a_graph_and_the_file_one_weight(tmp_path: Path) -> None:
    path = write_two(tmp_path / "m.tflite")
    assert list_entries(path) == ["encode", "decode"]
    graphs = [read_graph(path, name) for name in ("encode", "decode")]
    assert [graph.macs for graph in graphs] == [WINDOW_SAMPLES * FEATURES, FEATURES]
    assert [graph.entry for graph in graphs] == ["encode", "decode"]
    assert {graph.weight_bytes for graph in graphs} == {4 * (WINDOW_SAMPLES * FEATURES + FEATURES)}


def test_one_of_several_is_never_taken_without_being_named(tmp_path: Path) -> None:
    path = write_two(tmp_path / "m.tflite")
    with pytest.raises(EvaluationError, match="has 2 signatures and none is serving_default: encode, decode"):
        read_graph(path)
    with pytest.raises(EvaluationError, match=r"has no signature 'decoder'.*decode"):
        read_graph(path, "decoder")


def test_a_composite_costs_what_is_in_it(tmp_path: Path) -> None:
    w = Writer()
    x, y = w.tensor("x", (1, 64)), w.tensor("y", (1, 8))
    options = schema.StableHLOCompositeOptionsT()
    options.name, options.decompositionSubgraphIndex = "odml.rms_norm", 1
    w.op("STABLEHLO_COMPOSITE", [x], [y], options=options)
    w.begin_subgraph([x], [y])
    x, y = w.tensor("x", (1, 64)), w.tensor("y", (1, 8))
    w.op("FULLY_CONNECTED", [x, w.tensor("w", (8, 64), values=np.ones(512)), -1], [y])
    graph = read_graph(w.write(tmp_path / "m.tflite", [x], [y]))
    assert (graph.macs, graph.weight_bytes, graph.unpriced) == (512, 2048, ())
    assert [(op.kind, op.moved_bytes) for op in graph.ops] == [
        ("STABLEHLO_COMPOSITE", 0), ("FULLY_CONNECTED", 4 * (64 + 8 + 512)),
    ]  # fmt: skip


def test_of_two_branches_the_dearer_counts(tmp_path: Path) -> None:
    w = Writer()
    flag, x, y = w.tensor("flag", (), "BOOL"), w.tensor("x", (1, 64)), w.tensor("y", (1, 8))
    options = schema.IfOptionsT()
    options.thenSubgraphIndex, options.elseSubgraphIndex = 1, 2
    w.op("IF", [flag, x], [y], options=options)
    before = [flag, x], [y]
    for repeats in (1, 3):
        w.begin_subgraph(*before)
        x, y = w.tensor("x", (1, 64)), w.tensor("y", (1, 8))
        weight = w.tensor("w", (8, 64), values=np.ones(512))
        for _ in range(repeats):
            w.op("FULLY_CONNECTED", [x, weight, -1], [y])
        before = [x], [y]
    assert read_graph(w.write(tmp_path / "m.tflite", *before)).macs == 3 * 512


def test_a_subgraph_that_runs_itself_is_damage(tmp_path: Path) -> None:
    w = Writer()
    x, y = w.tensor("x", (1, 64)), w.tensor("y", (1, 64))
    options = schema.StableHLOCompositeOptionsT()
    options.name, options.decompositionSubgraphIndex = "endless", 0
    w.op("STABLEHLO_COMPOSITE", [x], [y], options=options)
    with pytest.raises(EvaluationError, match="subgraph 0 runs itself"):
        read_graph(w.write(tmp_path / "m.tflite", [x], [y]))


@pytest.mark.parametrize(
    ("custom", "need"),
    [
        ("Beamformer", "the kernel of Beamformer"),
        ("edgetpu-custom-op", r"the kernel of edgetpu-custom-op \(an Edge TPU\)"),
        ("DISPATCH_OP", r"the kernel of DISPATCH_OP \(the one NPU it was compiled for\)"),
        ("FlexStft", "the Select TensorFlow ops library"),
    ],
)
def test_an_op_of_others_has_no_price_and_no_yes(custom: str, need: str, tmp_path: Path) -> None:
    path, profile = write_gain(tmp_path / "m.tflite", custom=custom), read_profile("pixel-8")
    graph = read_graph(path)
    runs, reason = runs_on(graph, read_floor(path), profile)
    assert not runs
    assert need.replace("\\", "") in reason
    placement = place(graph, "float32", profile)
    for score in (
        predict_latency(graph, placement, profile).latency_ms, predict_memory(graph, profile, placement)
    ):  # fmt: skip
        assert (score.value, score.low, score.reason) == (
            None, None, f"{custom}, a custom op whose cost is not in the file",
        )  # fmt: skip


@pytest.mark.parametrize(("custom", "macs"), [("AudioSpectrogram", True), ("Mfcc", True), ("NumericVerify", False)])
def test_the_runtimes_own_custom_ops_are_priced_and_run(custom: str, macs: bool, tmp_path: Path) -> None:
    path, profile = write_gain(tmp_path / "m.tflite", shape=(1, 4, 64), custom=custom), read_profile("pixel-8")
    graph = read_graph(path)
    assert runs_on(graph, read_floor(path), profile)[0]
    assert (graph.macs > 0) is macs
    assert predict_latency(graph, place(graph, "float32", profile), profile).latency_ms.value is not None
    assert custom not in read_floor(path).because


def test_several_custom_ops_are_one_reason(tmp_path: Path) -> None:
    b = Writer()
    x, y, z = (b.tensor(name, (1, 4)) for name in "xyz")
    b.op("CUSTOM", [x], [y], custom="FlexErf")
    b.op("CUSTOM", [y], [z], custom="Odd")
    graph = read_graph(b.write(tmp_path / "m.tflite", [x], [z]))
    assert graph.unpriced == ("FlexErf, Odd: custom ops whose cost is not in the file",)
    assert len(graph.needs) == 2


def write_deconvolution(path: Path, type_: str = "FLOAT32") -> Path:
    """MediaPipe's transposed convolution, 2×2 with a stride of 2, whose kernel XNNPACK alone holds."""
    b = Writer()
    x, y = b.tensor("x", (1, 3, 4, 2), type_), b.tensor("y", (1, 6, 8, 1), type_)
    weight = b.tensor("weight", (1, 2, 2, 2), type_, values=np.arange(8))
    b.op("CUSTOM", [x, weight, b.tensor("bias", (1,), type_, values=np.ones(1))], [y],
         custom="Convolution2DTransposeBias")  # fmt: skip
    b.graph.operators[-1].customOptions = list(np.array([1, 2, 2], "<i4").tobytes())  # padding SAME, strides
    return b.write(path, [x], [y])


def test_custom_ops_that_xnnpack_holds_run_and_are_priced(tmp_path: Path) -> None:
    path, profile = write_deconvolution(tmp_path / "m.tflite"), read_profile("pixel-8")
    x = np.arange(24, dtype=np.float32).reshape(1, 3, 4, 2)
    (made,) = open_model(path).run({"x": x}).values()
    kernel = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert np.array_equal(made[0, ..., 0], 1 + np.einsum("hwc,ijc->hiwj", x[0], kernel).reshape(6, 8))
    graph, floor = read_graph(path), read_floor(path)
    assert (graph.macs, graph.unpriced, runs_on(graph, floor, profile)[0]) == (3 * 4 * 2 * 4, (), True)
    assert "Convolution2DTransposeBias: custom, run by XNNPACK" in floor.because
    integers = read_graph(write_deconvolution(tmp_path / "i.tflite", "INT8"))
    assert integers.needs == ("the kernel of Convolution2DTransposeBias",)

"""Predicted memory in closed form, and against what was measured."""

from __future__ import annotations

import pytest

from device_profiles.profile import read_profile
from evaluators.costs.graph import Graph, Memory, Op
from evaluators.costs.memory import predict_memory
from evaluators.costs.placement import Compute, Placement, PlacementRequest
from evaluators.formats import place
from packager.bundle import Format

RUNTIME = 3.3e6
CPU = Memory(tensors=500_000, workspace=1_500_000, packed=2_000_000, widened=100_000, tables=30_000_000, steps=1000)


def graph(format_: Format, *, peak: int = 4_000_000, weights: str = "float32") -> Graph:
    op = Op("x", "CONV_2D", 1, 1, 1, 1, "float16" if format_ == "coreml" else "float32", weight_dtype=weights)
    memory = CPU if format_ == "tflite" else None
    return Graph(format_, (op,), 1_000_000, 2_000_000, peak, cpu_memory=memory)


@pytest.mark.parametrize(
    ("format_", "device", "on", "own", "spread"),
    [
        ("tflite", "pixel-4", None, 1e6 + 0.5e6 + 1.5e6 + 2e6 + 0.1e6 + 30e6 + 2.9e6, 1.08),  # the file, and its plan
        ("tflite", "pixel-4", "gpu", 1e6 + 1e6 + 2e6, 1.63),  # the file, weights and activations in float16
        ("coreml", "iphone-12", None, 2e6 + 4e6, 1.63),
    ],
)
def test_what_counts(format_: Format, device: str, on: object, own: float, spread: float) -> None:
    profile = read_profile(device)
    model = graph(format_)
    score = predict_memory(model, profile, place(model, "float16", profile, PlacementRequest(unit=on)))  # type: ignore[arg-type]
    assert score.value == own + RUNTIME  # the runtime
    assert (score.low, score.high) == (
        pytest.approx(own / spread + RUNTIME / 1.63),
        pytest.approx(own * spread + RUNTIME * 1.63),
    )
    assert (score.unit, score.direction, score.basis, score.confidence) == ("bytes", "lower", "predicted", 0.8)


@pytest.mark.parametrize(("weights", "copy"), [("float16", 2e6), ("int8", 4e6), ("int4", 8e6)])
def test_a_gpu_widens_weights_to_float16(weights: str, copy: float) -> None:
    profile = read_profile("pixel-4")
    model = graph("tflite", weights=weights)
    score = predict_memory(model, profile, place(model, "float16", profile, PlacementRequest(unit="gpu")))
    assert score.value == 1e6 + copy + 2e6 + RUNTIME


@pytest.mark.parametrize(("weights", "number", "copies"), [("float32", "float16", 1e6), ("int8", "int8", 2e6)])
def test_an_npu_holds_weights_in_the_type_it_computes_in(weights: str, number: str, copies: float) -> None:
    there = Placement(Compute("LiteRT", "npu", number), 1, 1.0, "asked for")
    score = predict_memory(graph("tflite", weights=weights), read_profile("pixel-4"), there)
    assert score.value == 30e6 + 1.9 * copies


def test_ops_that_share_a_weight_have_a_copy_each_on_an_accelerator() -> None:
    op = Op("x", "FULLY_CONNECTED", 1, 1, 1, 400_000, "float32", weight_dtype="float32")
    model = Graph("tflite", (op, op, op.times(7)), 400_000, 400_000, 0, cpu_memory=Memory(0))
    profile = read_profile("pixel-4")
    score = predict_memory(model, profile, place(model, "float32", profile, PlacementRequest(unit="gpu")))
    assert score.value == 400_000 + 3 * 200_000 + RUNTIME


def test_two_graphs_that_are_there_at_once_take_turns_in_a_workspace() -> None:
    other = Memory(tensors=1, workspace=9_000_000, packed=2, widened=3, tables=4, steps=5, groups=6)
    assert CPU + other == Memory(500_001, 9_000_000, 2_000_002, 100_000, 30_000_004, 1005, 6)


def test_a_model_larger_than_the_phone_has_no_score() -> None:
    profile = read_profile("iphone-12")
    model = graph("coreml", peak=2**40)
    score = predict_memory(model, profile, place(model, "float32", profile))
    assert score.value is None
    assert score.reason is not None
    assert score.reason.startswith("needs 1.1e+12 bytes; iphone-12 has ")


@pytest.mark.tflite
def test_resident_memory_of_basic_pitch_is_within_the_interval() -> None:
    """Measured: 172 MB from start to the end of the first call, LiteRT 2.3.0 on Linux, x86-64, one thread."""
    import importlib.util
    from pathlib import Path

    from evaluators.formats import read_graph

    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or spec.origin is None:
        pytest.skip("basic_pitch is not installed")
    profile = read_profile("pixel-8")
    model = read_graph(Path(spec.origin).parent / "saved_models" / "icassp_2022" / "nmp.tflite")
    score = predict_memory(model, profile, place(model, "float32", profile))
    assert score.value == pytest.approx(172e6, rel=0.02)

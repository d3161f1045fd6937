"""Predicted memory in closed form."""

from __future__ import annotations

import pytest

from device_profiles.profile import read_profile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.memory import predict_memory
from evaluators.costs.placement import place
from packager.bundle import Format


def graph(format_: Format, *, peak: int = 4_000_000) -> Graph:
    op = Op("x", "CONV_2D", 1, 1, 1, 1, "float16" if format_ == "coreml" else "float32", workspace_bytes=30_000_000)
    return Graph(format_, (op,), 1_000_000, 2_000_000, peak)


@pytest.mark.parametrize(
    ("format_", "device", "on", "expected"),
    [
        ("tflite", "pixel-4", None, 1e6 + 2e6 + 4e6 + 30e6 + 5e6),  # the file, XNNPACK's copy, activations, tables
        ("tflite", "pixel-4", "gpu", 2e6 + 4e6 + 5e6),
        ("coreml", "iphone-12", None, 2e6 + 4e6 + 5e6),
    ],
)
def test_what_counts(format_: Format, device: str, on: object, expected: float) -> None:
    profile = read_profile(device)
    model = graph(format_)
    score = predict_memory(model, profile, place(model, "float16", profile, on=on))  # type: ignore[arg-type]
    assert score.value == expected
    assert (score.low, score.high) == (pytest.approx(expected / 1.63), pytest.approx(expected * 1.63))
    assert (score.unit, score.direction, score.basis, score.confidence) == ("bytes", "lower", "predicted", 0.8)


def test_a_model_larger_than_the_phone_has_no_score() -> None:
    profile = read_profile("pixel-4")
    model = graph("tflite", peak=2**40)
    score = predict_memory(model, profile, place(model, "float32", profile))
    assert score.value is None
    assert score.reason is not None
    assert score.reason.startswith("needs 1.1e+12 bytes; pixel-4 has ")


@pytest.mark.tflite
def test_resident_memory_of_basic_pitch_is_within_the_interval() -> None:
    """Measured: 173 MB from start to the third call, LiteRT 2.3.0 on Linux, x86-64, one thread."""
    import importlib.util
    from pathlib import Path

    from evaluators.costs.graph import read_graph

    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or spec.origin is None:
        pytest.skip("basic_pitch is not installed")
    profile = read_profile("pixel-8")
    model = read_graph(Path(spec.origin).parent / "saved_models" / "icassp_2022" / "nmp.tflite")
    score = predict_memory(model, profile, place(model, "float32", profile))
    assert score.value == pytest.approx(173e6, rel=0.05)

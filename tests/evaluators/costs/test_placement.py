"""Where graphs go, by format, precision and phone."""

from __future__ import annotations

from typing import Any

import pytest

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import Compute, PlacementRequest
from evaluators.errors import EvaluationError
from evaluators.formats import place
from evaluators.formats.coreml import placement as coreml
from evaluators.formats.tflite import placement as tflite
from packager.bundle import Format


def graph(format_: Format, *dtypes: str) -> Graph:
    """One op of a million multiply-adds a type."""
    return Graph(format_, tuple(Op(d, "conv", 10**6, 1, 1, 1, d) for d in dtypes), 1, 1, 1)


@pytest.mark.parametrize(
    ("precision", "dtypes", "device", "expected"),
    [
        ("float32", ["float32"], "pixel-4", ("cpu", tflite.CPU_FLOAT, 4, 1.0)),
        ("float16", ["float32"], "galaxy-a14", ("cpu", tflite.CPU_FLOAT, 4, 1.0)),
        ("weight_only_wi8_afp32", ["float32"], "pixel-8", ("cpu", tflite.CPU_FLOAT, 4, 1.0)),
        ("dynamic_wi8_afp32", ["float32"], "pixel-8", ("cpu", tflite.CPU_INT8, 4, 1.0)),
        ("static_wi8_ai8", ["int8"], "pixel-8", ("cpu", tflite.CPU_INT8, 4, 1.0)),
        ("float32", ["float32"], "iphone-12", ("cpu", coreml.CPU, 2, 1.0)),
        ("float16", ["float16"], "iphone-12", ("npu", coreml.NPU, 1, 1.0)),
        ("palettized_w6", ["float16"], "iphone-15-pro", ("npu", coreml.NPU, 1, 1.0)),
        ("mixed_float16", ["float16", "float16", "float16", "float32"], "iphone-12", ("npu", coreml.NPU, 1, 0.75)),
    ],
)  # fmt: skip
def test_defaults(precision: str, dtypes: list[str], device: str, expected: tuple[str, Compute, int, float]) -> None:
    profile = read_profile(device)
    placement = place(graph("coreml" if profile.platform == "ios" else "tflite", *dtypes), precision, profile)
    assert (placement.unit, placement.compute, placement.threads, placement.share_of_macs) == expected
    assert placement.reason.startswith("Inferred: ")


def test_float32_ops_of_a_mixed_program_leave_the_neural_engine() -> None:
    mixed = graph("coreml", "float16", "float32")
    placement = place(mixed, "mixed_float16", read_profile("iphone-12"))
    assert [placement.compute_of(op) for op in mixed.ops] == [coreml.NPU, coreml.CPU]
    assert "50%" in placement.reason


def without_npu(profile: DeviceProfile) -> DeviceProfile:
    return profile.model_copy(update={"compute_units": tuple(u for u in profile.compute_units if u.kind != "npu")})


def test_float16_without_a_neural_engine_stays_on_the_cpu() -> None:
    placement = place(graph("coreml", "float16"), "float16", without_npu(read_profile("iphone-12")))
    assert placement.compute == coreml.CPU
    assert "has no Neural Engine" in placement.reason


@pytest.mark.parametrize(
    ("format_", "device", "compute"), [("tflite", "pixel-4", tflite.GPU), ("coreml", "iphone-12", coreml.GPU)]
)
def test_a_gpu_is_used_when_asked_for(format_: Format, device: str, compute: Compute) -> None:
    placement = place(graph(format_, "float32"), "float32", read_profile(device), PlacementRequest(unit="gpu"))
    assert (placement.unit, placement.compute) == ("gpu", compute)


@pytest.mark.parametrize(
    ("format_", "dtype", "device", "on", "message"),
    [
        ("coreml", "float32", "pixel-4", None, "apps on pixel-4 carry LiteRT, which do not play Core ML models"),
        ("tflite", "float32", "pixel-4", "npu", "pixel-4: LiteRT uses cpu, gpu there; found npu"),
        ("coreml", "float32", "iphone-12", "npu",
         "iphone-12's Neural Engine computes in float16; this model has no float16 op"),
    ],
)  # fmt: skip
def test_refusals(format_: Format, dtype: str, device: str, on: object, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        place(graph(format_, dtype), dtype, read_profile(device), PlacementRequest(unit=on))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_unit_the_phone_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(EvaluationError, match=r"iphone-12 has no npu a model can use; its units: cpu, gpu"):
        place(
            graph("coreml", "float16"), "float16", without_npu(read_profile("iphone-12")), PlacementRequest(unit="npu")
        )


def test_an_iphones_second_runtime_has_a_place_and_no_price() -> None:
    """LiteRT runs there, but nobody published how fast."""
    placement = place(graph("tflite", "float32"), "float32", read_profile("iphone-12"))
    assert placement.compute == tflite.CPU_FLOAT
    assert "no published time" in placement.unpriced


@pytest.mark.parametrize(
    ("format_", "device", "asked", "expected", "words"),
    [
        ("tflite", "pixel-8", {"threads": 1}, (tflite.CPU_FLOAT, 1), "the fastest core, as many as the app asked for"),
        ("tflite", "pixel-8", {"unit": "cpu", "threads": 9}, (tflite.CPU_FLOAT, 9), "the app asked for the CPU"),
        ("tflite", "pixel-8", {"unit": "gpu", "threads": 2}, (tflite.GPU, 1), "threads are for what stays on the CPU"),
        ("coreml", "iphone-12", {"unit": "cpu"}, (coreml.CPU, 2), "the app asked for CPU_ONLY"),
        ("coreml", "iphone-12", {"unit": "ane"}, (coreml.NPU, 1), "the app asked for CPU_AND_NE"),
        ("coreml", "iphone-12", {"unit": "cpu", "threads": 4}, (coreml.CPU, 2), "no app can ask for a number"),
    ],
)  # fmt: skip
def test_what_is_asked_for_decides_and_is_told(
    format_: Format, device: str, asked: dict[str, Any], expected: tuple[Compute, int], words: str
) -> None:
    dtype = "float16" if format_ == "coreml" else "float32"
    placement = place(graph(format_, dtype), dtype, read_profile(device), PlacementRequest(**asked))
    assert (placement.compute, placement.threads) == expected
    assert words in placement.reason


@pytest.mark.parametrize(
    ("device", "asked", "message"),
    [
        ("pixel-8", {"threads": 10}, "pixel-8 has 9 cores; found 10 threads; right is 1 to 9"),
        ("pixel-8", {"unit": "ane"}, "pixel-8 has no Apple Neural Engine (ane); its units: cpu, gpu, npu"),
        ("iphone-12", {"unit": "ane"}, "iphone-12: TFLite uses cpu, gpu there; found ane"),
    ],
)
def test_what_neither_phone_nor_runtime_has_is_refused(device: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        place(graph("tflite", "float32"), "float32", read_profile(device), PlacementRequest(**asked))
    assert str(caught.value) == message

"""Where graphs go, by format, precision and phone."""

from __future__ import annotations

import pytest

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import place
from evaluators.errors import EvaluationError
from packager.bundle import Format


def graph(format_: Format, *dtypes: str) -> Graph:
    """One op of a million multiply-adds a type."""
    return Graph(format_, tuple(Op(d, "conv", 10**6, 1, 1, 1, d) for d in dtypes), 1, 1, 1)


@pytest.mark.parametrize(
    ("precision", "dtypes", "device", "expected"),
    [
        ("float32", ["float32"], "pixel-4", ("cpu", "tflite_cpu_float", 4, 1.0)),
        ("float16", ["float32"], "galaxy-a14", ("cpu", "tflite_cpu_float", 4, 1.0)),
        ("weight_only_wi8_afp32", ["float32"], "pixel-8", ("cpu", "tflite_cpu_float", 4, 1.0)),
        ("dynamic_wi8_afp32", ["float32"], "pixel-8", ("cpu", "tflite_cpu_int8", 4, 1.0)),
        ("static_wi8_ai8", ["int8"], "pixel-8", ("cpu", "tflite_cpu_int8", 4, 1.0)),
        ("float32", ["float32"], "iphone-12", ("cpu", "coreml_cpu", 2, 1.0)),
        ("float16", ["float16"], "iphone-12", ("npu", "coreml_npu", 1, 1.0)),
        ("palettized_w6", ["float16"], "iphone-15-pro", ("npu", "coreml_npu", 1, 1.0)),
        ("mixed_float16", ["float16", "float16", "float16", "float32"], "iphone-12", ("npu", "coreml_npu", 1, 0.75)),
    ],
)  # fmt: skip
def test_defaults(precision: str, dtypes: list[str], device: str, expected: tuple[str, str, int, float]) -> None:
    profile = read_profile(device)
    placement = place(graph(profile.format, *dtypes), precision, profile)
    assert (placement.unit, placement.compute, placement.threads, placement.share_of_macs) == expected
    assert placement.reason.startswith("Inferred: ")


def test_float32_ops_of_a_mixed_program_leave_the_neural_engine() -> None:
    mixed = graph("coreml", "float16", "float32")
    placement = place(mixed, "mixed_float16", read_profile("iphone-12"))
    assert [placement.compute_of(op) for op in mixed.ops] == ["coreml_npu", "coreml_cpu"]
    assert "50%" in placement.reason


def without_npu(profile: DeviceProfile) -> DeviceProfile:
    return profile.model_copy(update={"compute_units": tuple(u for u in profile.compute_units if u.kind != "npu")})


def test_float16_without_a_neural_engine_stays_on_the_cpu() -> None:
    placement = place(graph("coreml", "float16"), "float16", without_npu(read_profile("iphone-12")))
    assert placement.compute == "coreml_cpu"
    assert "has no Neural Engine" in placement.reason


@pytest.mark.parametrize(
    ("format_", "device", "compute"), [("tflite", "pixel-4", "tflite_gpu"), ("coreml", "iphone-12", "coreml_gpu")]
)
def test_a_gpu_is_used_when_asked_for(format_: Format, device: str, compute: str) -> None:
    placement = place(graph(format_, "float32"), "float32", read_profile(device), on="gpu")
    assert (placement.unit, placement.compute) == ("gpu", compute)


@pytest.mark.parametrize(
    ("format_", "dtype", "device", "on", "message"),
    [
        ("coreml", "float32", "pixel-4", None, "pixel-4 runs tflite models; found a coreml model"),
        ("tflite", "float32", "iphone-12", None, "iphone-12 runs coreml models; found a tflite model"),
        ("tflite", "float32", "pixel-4", "npu", "pixel-4: TFLite on an NPU is not predicted; right is cpu or gpu"),
        ("coreml", "float32", "iphone-12", "npu",
         "iphone-12's Neural Engine computes in float16; this model has no float16 op"),
    ],
)  # fmt: skip
def test_refusals(format_: Format, dtype: str, device: str, on: object, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        place(graph(format_, dtype), dtype, read_profile(device), on=on)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_unit_the_phone_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(EvaluationError, match=r"iphone-12 has no npu a model can use; its units: cpu, gpu"):
        place(graph("coreml", "float16"), "float16", without_npu(read_profile("iphone-12")), on="npu")

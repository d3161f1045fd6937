"""Predicted latency: sums, monotony, intervals, and what is said when a number is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.costs.calibration import calibrate
from evaluators.costs.graph import Graph, Op
from evaluators.costs.latency import predict_latency
from evaluators.costs.placement import place
from packager.bundle import Format


def op(macs: int = 10**8, moved: int = 3 * 10**6, dtype: str = "float32") -> Op:
    return Op("x", "CONV_2D", macs, moved // 3, moved // 3, moved // 3, dtype)


def graph(*ops: Op, format_: Format = "tflite") -> Graph:
    return Graph(format_, ops, 1, 1, 1)


def latency(model: Graph, device: str, precision: str = "float32") -> float:
    profile = read_profile(device)
    value = predict_latency(model, place(model, precision, profile), profile).latency_ms.value
    assert value is not None
    return value


def test_one_op_in_closed_form() -> None:
    """On a Pixel 4's four big cores: peak 80.82 GMAC/s and 34.1 GB/s, times what the fit found of them."""
    k = calibrate("tflite_cpu_float").coefficients
    expected = (
        k.call_ms + k.op_ms + 1e8 / (80.8e6 * k.mac_utilisation)
        + 2e6 / (34.1e6 * k.activation_utilisation) + 1e6 / (34.1e6 * k.weight_utilisation)
    )  # fmt: skip
    assert latency(graph(op()), "pixel-4") == pytest.approx(expected, rel=1e-3)


def test_the_parts_make_up_the_whole() -> None:
    profile = read_profile("pixel-8")
    model = graph(op(), op(0), Op("view", "RESHAPE", 0, 0, 0, 0, "float32"))
    found = predict_latency(model, place(model, "float32", profile), profile)
    parts = [ms for _, ms in found.per_op]
    call = calibrate("tflite_cpu_float").coefficients.call_ms
    assert [o for o, _ in found.per_op] == list(model.ops)
    assert parts[2] == 0  # no kernel runs for a view
    assert found.latency_ms.value == pytest.approx(call + sum(parts))


@given(st.integers(0, 10**10), st.integers(3, 10**8), st.integers(2, 50))
def test_more_work_takes_longer(macs: int, moved: int, factor: int) -> None:
    base = latency(graph(op(macs, moved)), "pixel-4")
    assert latency(graph(op(macs + 10**6, moved)), "pixel-4") > base
    assert latency(graph(op(macs, moved + 10**4)), "pixel-4") > base
    assert base < latency(graph(*[op(macs, moved)] * factor), "pixel-4") <= factor * base


def test_a_slower_phone_takes_longer() -> None:
    assert latency(graph(op()), "galaxy-a14") > latency(graph(op()), "pixel-4") > latency(graph(op()), "galaxy-s24")


@pytest.mark.parametrize(("device", "measured"), [("pixel-4", True), ("galaxy-s24", True), ("galaxy-a14", False)])
def test_the_interval_is_the_calibrations(device: str, measured: bool) -> None:
    profile = read_profile(device)
    found = predict_latency(graph(op()), place(graph(op()), "float32", profile), profile)
    score, p90 = found.latency_ms, found.latency_p90_ms
    ratio = calibrate("tflite_cpu_float").ratio(seen=measured)
    assert score.value is not None
    assert score.low == pytest.approx(score.value / ratio)
    assert score.high == pytest.approx(score.value * ratio)
    assert (score.unit, score.direction, score.basis, score.confidence) == ("ms", "lower", "predicted", 0.8)
    assert p90 == score.model_copy(update={"value": score.high})


def test_dot_products_speed_integers_up_fourfold_and_their_absence_twofold() -> None:
    profile = read_profile("pixel-4")
    plain = profile.model_copy(
        update={
            "cpu": profile.cpu.model_copy(
                update={
                    "clusters": tuple(
                        c.model_copy(update={"isa": c.isa.model_copy(update={"features": ()})})
                        for c in profile.cpu.clusters
                    )
                }
            )
        }
    )
    model = graph(op(10**11, 3, "int8"))  # so much work that nothing else counts
    placement = place(model, "static_wi8_ai8", profile)
    fast, slow = (predict_latency(model, placement, p).latency_ms.value for p in (profile, plain))
    assert fast is not None
    assert slow is not None
    assert slow / fast == pytest.approx(2, rel=0.01)


def test_a_neural_engines_int8_rate_is_halved_for_float16() -> None:
    def with_peak_in(precision: str | None) -> DeviceProfile:
        profile = read_profile("iphone-15-pro")
        units = tuple(
            u.model_copy(update={"peak_precision": precision}) if u.kind == "npu" else u for u in profile.compute_units
        )
        return profile.model_copy(update={"compute_units": units})

    model = graph(op(10**12, 3, "float16"), format_="coreml")
    int8, unknown = (
        predict_latency(model, place(model, "float16", p), p).latency_ms.value
        for p in (with_peak_in("int8"), with_peak_in(None))
    )
    assert int8 is not None
    assert unknown is not None
    assert int8 / unknown == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("bandwidth_gb_s", "pixel-4: the profile gives no bandwidth_gb_s"),
        ("clock_ghz", "pixel-4: the profile gives no peak for cpu.clusters"),
    ],
)
def test_a_missing_number_is_a_reason_and_not_a_guess(missing: str, reason: str) -> None:
    profile = read_profile("pixel-4")
    if missing == "clock_ghz":
        clusters = tuple(c.model_copy(update={"clock_ghz": None}) for c in profile.cpu.clusters)
        profile = profile.model_copy(update={"cpu": profile.cpu.model_copy(update={"clusters": clusters})})
    else:
        profile = profile.model_copy(update={missing: None})
    found = predict_latency(graph(op()), place(graph(op()), "float32", profile), profile)
    assert (found.latency_ms.value, found.latency_ms.reason, found.per_op) == (None, reason, ())
    assert found.latency_p90_ms.reason == reason


def test_a_gpu_without_a_known_peak_is_a_reason() -> None:
    profile = read_profile("iphone-12")
    model = graph(op(), format_="coreml")
    score = predict_latency(model, place(model, "float32", profile, on="gpu"), profile).latency_ms
    assert (score.value, score.reason) == (None, "iphone-12: the profile gives no peak for the gpu")

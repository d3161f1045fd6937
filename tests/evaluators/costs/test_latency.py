"""Predicted latency: sums, monotony, intervals, and what is said when a number is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.profile import read_profile
from evaluators.costs.calibration import calibrations
from evaluators.costs.graph import Graph, Op
from evaluators.costs.hardware import find_hardware
from evaluators.costs.latency import predict_latency
from evaluators.costs.op_times import Hardware, split_times, work_of
from evaluators.costs.placement import PlacementRequest
from evaluators.errors import EvaluationError
from evaluators.formats import place
from evaluators.formats.tflite.placement import CPU_FLOAT
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
    """On a Pixel 4's four big cores, by the formula of one op and what a call costs."""
    k = calibrations()[CPU_FLOAT].coefficients
    hardware = find_hardware(read_profile("pixel-4"), CPU_FLOAT, 4)
    assert isinstance(hardware, Hardware)
    ops = float(split_times(work_of([op()]), hardware, k).total[0])
    assert latency(graph(op()), "pixel-4") == pytest.approx(k.call_ms + ops * k.stretch(ops), rel=1e-6)


def test_the_parts_make_up_the_whole() -> None:
    profile = read_profile("pixel-8")
    model = graph(op(), op(0), Op("view", "RESHAPE", 0, 0, 0, 0, "float32"))
    found = predict_latency(model, place(model, "float32", profile), profile)
    parts = [ms for _, ms in found.per_op]
    call = calibrations()[CPU_FLOAT].coefficients.call_ms
    assert [o for o, _ in found.per_op] == list(model.ops)
    assert parts[2] == 0  # no kernel runs for a view
    assert found.latency_ms.value == pytest.approx(call + sum(parts))
    assert sum(found.parts.values()) == pytest.approx(found.latency_ms.value)
    assert found.parts["call"] == call


@pytest.mark.slow
@given(st.integers(0, 10**10), st.integers(3, 10**8), st.integers(2, 50))
def test_more_ops_take_longer(macs: int, moved: int, factor: int) -> None:
    """What more multiply-adds and bytes of one op do is in test_op_times."""
    assert latency(graph(op(macs, moved)), "pixel-4") < latency(graph(*[op(macs, moved)] * factor), "pixel-4")


def test_a_slower_phone_takes_longer() -> None:
    assert latency(graph(op()), "galaxy-a14") > latency(graph(op()), "pixel-4") > latency(graph(op()), "galaxy-s24")


@pytest.mark.parametrize(("device", "measured"), [("pixel-4", True), ("galaxy-s24", True), ("galaxy-a14", False)])
def test_the_interval_is_the_calibrations(device: str, measured: bool) -> None:
    profile = read_profile(device)
    found = predict_latency(graph(op()), place(graph(op()), "float32", profile), profile)
    score, p90 = found.latency_ms, found.latency_p90_ms
    assert score.value is not None
    ratio = calibrations()[CPU_FLOAT].ratio(score.value, seen=measured)
    assert score.low == pytest.approx(score.value / ratio)
    assert score.high == pytest.approx(score.value * ratio)
    assert (score.unit, score.direction, score.basis, score.confidence) == ("ms", "lower", "predicted", 0.8)
    assert p90 == score.model_copy(update={"value": score.high})


def test_ops_of_a_kind_that_was_not_measured_widen_the_interval() -> None:
    """No published row runs a Fourier transform on a phone's GPU."""
    profile, asked = read_profile("galaxy-s24"), PlacementRequest(unit="gpu")
    known, guessed = (
        predict_latency(graph(one), place(graph(one), "float32", profile, asked), profile).latency_ms
        for one in (op(10**10), replace(op(10**10), kind="RFFT2D"))
    )
    assert known.value and known.low and known.high
    assert guessed.value and guessed.low and guessed.high
    assert guessed.high / guessed.low > 3 * known.high / known.low


def test_a_matrix_unit_that_no_row_shows_widens_the_interval() -> None:
    profile = read_profile("iphone-16-pro")
    model = graph(op(), format_="coreml")
    score = predict_latency(model, place(model, "float32", profile), profile).latency_ms
    assert score.value and score.high
    assert score.high / score.value >= 2 * (1 - 1e-9)


def test_an_npu_is_predicted_where_its_class_was_measured() -> None:
    model, asked = graph(op()), PlacementRequest(unit="npu")
    slower, faster = (
        predict_latency(model, place(model, "float16", profile, asked), profile).latency_ms.value
        for profile in map(read_profile, ("galaxy-s24", "galaxy-s25"))
    )
    assert slower and faster
    assert faster < slower
    for device in ("pixel-8", "pixel-5"):
        with pytest.raises(EvaluationError, match="uses cpu, gpu there"):
            place(model, "float16", read_profile(device), asked)


def test_a_neural_engine_of_ios_13_is_priced_by_its_own_rows() -> None:
    profile = read_profile("iphone-11-pro")
    older = profile.model_copy(update={"os": profile.os.model_copy(update={"value": "13"})})
    model = graph(op(dtype="float16"), format_="coreml")
    early, late = (predict_latency(model, place(model, "float16", p), p).latency_ms.value for p in (older, profile))
    assert early and late
    assert early > 2 * late


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
    units = tuple(unit.model_copy(update={"peak_gmac_s": None}) for unit in profile.compute_units)
    profile = profile.model_copy(update={"compute_units": units})
    model = graph(op(), format_="coreml")
    score = predict_latency(model, place(model, "float32", profile, PlacementRequest(unit="gpu")), profile).latency_ms
    assert (score.value, score.reason) == (None, "iphone-12: the profile gives no peak for the gpu")

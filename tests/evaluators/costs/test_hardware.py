"""What profiles say of units: threads, integers, matrix units, and what is not known."""

from __future__ import annotations

import pytest

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.costs.hardware import find_hardware, has_matrix_unit
from evaluators.costs.op_times import Hardware
from evaluators.costs.published import COMPUTES

CPU, CPU_INT8 = COMPUTES["tflite_cpu_float"], COMPUTES["tflite_cpu_int8"]


def found(device: str | DeviceProfile, kind: str = "tflite_cpu_float", threads: int = 1) -> Hardware:
    profile = read_profile(device) if isinstance(device, str) else device
    hardware = find_hardware(profile, COMPUTES[kind], threads)
    assert isinstance(hardware, Hardware), hardware
    return hardware


def test_threads_take_the_fastest_cores() -> None:
    """Pixel 4: a core at 2.84 GHz and three at 2.42, eight multiply-adds a cycle; then four small ones."""
    assert found("pixel-4").gmac_s == pytest.approx(8 * 2.84)
    assert found("pixel-4", threads=4).gmac_s == pytest.approx(8 * (2.84 + 3 * 2.42))
    assert found("pixel-4", threads=4).one_gmac_s == pytest.approx(8 * 2.84)
    assert found("pixel-4", threads=8).gmac_s > found("pixel-4", threads=4).gmac_s


def test_dot_products_speed_integers_up_fourfold_and_their_absence_twofold() -> None:
    for device, factor in (("pixel-4", 4), ("pixel-3", 2)):
        assert found(device, "tflite_cpu_int8").gmac_s == pytest.approx(factor * found(device).gmac_s)


def test_a_neural_engines_int8_rate_is_halved_for_float16() -> None:
    profile = read_profile("iphone-15-pro")
    units = tuple(
        u.model_copy(update={"peak_precision": None}) if u.kind == "npu" else u for u in profile.compute_units
    )
    unsaid = profile.model_copy(update={"compute_units": units})
    assert found(unsaid, "coreml_npu").gmac_s == 2 * found(profile, "coreml_npu").gmac_s


def test_matrix_units_are_those_that_sme2_reaches() -> None:
    assert has_matrix_unit(read_profile("iphone-16-pro"))
    assert found("iphone-16-pro", "coreml_cpu", 2).matrix_gmac_s > found("iphone-16-pro", "coreml_cpu", 2).gmac_s
    assert not has_matrix_unit(read_profile("iphone-13"))
    assert found("iphone-13", "coreml_cpu", 2).matrix_gmac_s == 0


def test_an_npu_of_unpublished_peak_is_known_by_its_year_in_the_class_that_was_measured() -> None:
    assert found("galaxy-s25", "tflite_npu").gmac_s == pytest.approx(1.5 * found("galaxy-s24", "tflite_npu").gmac_s)
    assert "no published time is known" in str(find_hardware(read_profile("pixel-5"), COMPUTES["tflite_npu"], 1))


@pytest.mark.parametrize(
    ("device", "kind", "reason"),
    [
        ("pixel-8", "tflite_npu", "pixel-8: the profile gives no peak for the npu"),
        ("iphone-8", "coreml_npu", "iphone-8 has no npu a model can use"),
    ],
)
def test_what_is_not_known_is_said(device: str, kind: str, reason: str) -> None:
    assert find_hardware(read_profile(device), COMPUTES[kind], 1) == reason

"""What one op costs, by hand-computed values and by properties that physics asks for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.costs.graph import Op
from evaluators.costs.op_times import Coefficients, Hardware, split_times, work_of

PLAIN = Coefficients(
    call_ms=0.1, op_kilocycles=4.0, light_kilocycles=1.0, conv=0.5, depthwise=0.25, dense=0.4, spectrum=0.2,
    memory_share=0.5, weight_share=0.5, cache_bytes_per_cycle=8.0, half_rows=2.0, half_columns=8.0, half_depth=8.0,
    fork_us=20.0, value_cycles=0.5, window_gain=1.0, growth=1.0,
)  # fmt: skip
CORE = Hardware(20.0, 20.0, 0.0, 1, 2.0, 30.0, 2e6)
FOUR = replace(CORE, gmac_s=80.0, threads=4)


def ms(op: Op, hardware: Hardware = CORE, k: Coefficients = PLAIN) -> float:
    return float(split_times(work_of([op]), hardware, k).total[0])


def conv(pixels: int = 1000, channels: int = 64, depth: int = 64) -> Op:
    return Op(
        "x", "CONV_2D", pixels * channels * depth, 4 * pixels * depth, 4 * pixels * channels, 4 * channels * depth,
        "float32",
    )  # fmt: skip


def test_a_convolution_in_closed_form() -> None:
    """1000 rows, 64 columns, depth 64: utilisation 0.5 · 1000/1002 · 64/72 · 64/72 of 20 GMAC/s."""
    arithmetic = 4.096e6 / (20e6 * 0.5 * 1000 / 1002 * (64 / 72) ** 2)
    moved, weights = 512_000, 16_384
    traffic = moved * (1 / 16e6 + moved / (moved + 2e6) / 15e6) + weights * (
        1 / 16e6 + weights / (weights + 2e6) / 15e6
    )
    assert ms(conv()) == pytest.approx(math.hypot(arithmetic, traffic) + 4.0 / 1e3 / 2.0)


def test_a_view_costs_nothing_and_a_copy_its_bytes_and_values() -> None:
    assert ms(Op("x", "RESHAPE", 0, 0, 0, 0, "float32")) == 0
    light = 1000 * 0.5 / 2e6
    traffic = 8000 * (1 / 16e6 + 8000 / (8000 + 2e6) / 15e6)
    expected = math.hypot(light, traffic) + 1.0 / 1e3 / 2.0
    assert ms(Op("x", "TRANSPOSE", 0, 4000, 4000, 0, "float32")) == pytest.approx(expected)


def test_a_thousand_turns_cost_a_hundred_times_ten() -> None:
    body = conv(4, 16, 16)
    assert ms(body.times(1000)) == pytest.approx(100 * ms(body.times(10)), rel=1e-6)


def test_a_recurrence_reads_its_weights_in_every_step_and_works_row_by_row() -> None:
    dense = Op("x", "FULLY_CONNECTED", 100 * 64 * 256, 25_600, 102_400, 65_536, "float32")
    steps = Op("x", "UNIDIRECTIONAL_SEQUENCE_LSTM", 100 * 64 * 256, 25_600, 102_400, 65_536, "float32", steps=100)
    assert ms(steps) > 2 * ms(dense)


def test_threads_help_large_ops_and_leave_small_ones_alone() -> None:
    large, small = conv(100_000, 128, 128), conv(4, 16, 16)
    assert ms(large) / ms(large, FOUR) == pytest.approx(4, rel=0.35)
    assert ms(small, FOUR) == pytest.approx(ms(small))


def test_a_slow_core_pays_more_for_an_op() -> None:
    slow = replace(CORE, clock_ghz=1.0)
    overheads = [split_times(work_of([conv()]), hardware, PLAIN).overhead[0] for hardware in (CORE, slow)]
    assert overheads[1] == pytest.approx(2 * overheads[0])


def test_a_matrix_unit_helps_products_and_nothing_else() -> None:
    with_unit = replace(CORE, matrix_gmac_s=900.0)
    assert ms(conv(100_000, 512, 512), with_unit) < ms(conv(100_000, 512, 512)) / 5
    depthwise = Op("x", "DEPTHWISE_CONV_2D", 9 * 10**6, 4 * 10**6, 4 * 10**6, 9 * 400, "float32")
    assert ms(depthwise, with_unit) == ms(depthwise)


def test_windows_that_overlap_are_known_by_what_they_read() -> None:
    gain = replace(PLAIN, window_gain=2.0)
    wide = Op("x", "CONV_2D", 10_000 * 64 * 576, 4 * 10_000 * 64, 4 * 10_000 * 64, 4 * 64 * 576, "float32")
    assert ms(wide, k=gain) < 0.7 * ms(wide)
    assert ms(conv(10_000), k=gain) == ms(conv(10_000))


def test_products_of_two_activations_may_reach_less_than_those_with_weights() -> None:
    product = Op("x", "BATCH_MATMUL", 512**3, 2 * 4 * 512**2, 4 * 512**2, 0, "float32")
    dense = Op("x", "FULLY_CONNECTED", 512**3, 4 * 512**2, 4 * 512**2, 4 * 512**2, "float32")
    slow = replace(PLAIN, product=0.25)
    assert ms(dense, k=slow) == ms(dense)
    whole, quarter = (split_times(work_of([product]), CORE, k) for k in (PLAIN, slow))
    assert 3 < quarter.arithmetic[0] / whole.arithmetic[0] < 6


def test_parts_add_up_and_a_unit_that_clocks_up_is_stretched() -> None:
    parts = split_times(work_of([conv(), conv(10)]), CORE, PLAIN)
    assert parts.total == pytest.approx(parts.arithmetic + parts.traffic + parts.overhead)
    assert replace(PLAIN, growth=0.7).stretch(8.0) == pytest.approx(8.0**-0.3)
    assert PLAIN.stretch(8.0) == 1


@given(
    st.integers(1, 10**5), st.integers(1, 2000), st.integers(1, 5000), st.floats(1.01, 10),
    st.sampled_from((CORE, FOUR)),
)  # fmt: skip
def test_more_work_never_takes_less_and_a_faster_unit_never_more(
    pixels: int, channels: int, depth: int, factor: float, hardware: Hardware
) -> None:
    base = ms(conv(pixels, channels, depth), hardware)
    assert ms(conv(math.ceil(pixels * factor), channels, depth), hardware) >= base * (1 - 1e-9)
    faster = replace(hardware, gmac_s=hardware.gmac_s * factor, one_gmac_s=hardware.one_gmac_s * factor)
    assert ms(conv(pixels, channels, depth), faster) <= base * (1 + 1e-9)

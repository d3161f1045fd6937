from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device_profiles.text import clean_text, shorten
from evaluators.evaluation import DeviceResult
from evaluators.score import Score
from reports.notation import describe_place, format_apart, format_exact, format_interval, format_number


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (24.123, "ms", "24.1 ms"),
        (0.1314, "ms", "0.131 ms"),
        (1240.4, "ms", "1240 ms"),
        (204_448, "bytes", "204 kB"),
        (1_234_567, "bytes", "1.23 MB"),
        (812, "bytes", "812 bytes"),
        (0.8123, "ratio", "0.812"),
        (-0.0042, "ratio", "−0.004"),
        (-0.0001, "ratio", "0.000"),
        (71.25, "db", "71.2 dB"),
        (3.1e-6, "dimensionless", "3.10e-6"),
        (0, "dimensionless", "0"),
    ],
)
def test_numbers_carry_their_unit(value: float, unit: str, text: str) -> None:
    assert format_number(value, unit) == text


def test_signed_numbers_show_a_plus() -> None:
    assert format_number(0.5, "ratio", signed=True) == "+0.500"
    assert format_number(0.0, "ratio", signed=True) == "0.000"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (60.0, "ms", "60 ms"),
        (300_000.0, "bytes", "300 kB"),
        (943_718.4, "bytes", "943.7184 kB"),
        (-0.01, "ratio", "−0.01"),
        (1e-5, "dimensionless", "1e-5"),
    ],
)
def test_limits_are_written_as_they_were_meant(value: float, unit: str, text: str) -> None:
    assert format_exact(value, unit) == text


def test_a_value_just_over_its_limit_does_not_look_equal_to_it() -> None:
    assert format_apart(60.0004, 60.0, "ms") == "60.0004 ms"
    assert format_apart(60.0, 60.0, "ms") == "60.0 ms"
    assert format_apart(0.8001, 0.8, "ratio") == "0.8001"


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9))
def test_unequal_numbers_are_written_unequal(value: float, limit: float) -> None:
    text = format_apart(value, limit, "ms")
    assert value == limit or text != format_number(limit, "ms")


def test_an_interval_names_its_unit_once() -> None:
    score = Score(value=24, unit="ms", direction="lower", basis="predicted", low=15.5, high=39.7, confidence=0.8)
    assert format_interval(score) == "80 %: 15.5 to 39.7 ms"
    rate = score.model_copy(update={"unit": "per hour"})
    assert format_interval(rate) == "80 %: 15.5 to 39.7 per hour"
    assert format_interval(score.model_copy(update={"low": None, "high": None, "confidence": None})) == ""


def test_long_names_lose_their_middle() -> None:
    assert shorten("a" * 50) == "a" * 50
    short = shorten("start" + "x" * 4000 + "end")
    assert len(short) == 96
    assert short.startswith("start")
    assert short.endswith("end")


@given(st.text(), st.integers(10, 200))
def test_shortened_names_keep_their_limit(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit


def test_control_characters_and_surrogates_are_made_visible() -> None:
    assert clean_text("a\x00b\x1b[31m\ud800") == "a\ufffdb\ufffd[31m\ufffd"
    assert clean_text("a\n\tb") == "a\n\tb"
    assert clean_text("invoice\u202egpj.exe") == "invoice\ufffdgpj.exe"
    assert clean_text("\u05e9\u05dc\u05d5\u05dd") == "\u05e9\u05dc\u05d5\u05dd"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(("ms", "bytes", "ratio", "dimensionless")))
@example(1.7976931348623157e308, "ratio")
@example(-1.7976931348623157e308, "bytes")
@example(5e-324, "ms")
def test_any_number_is_short(value: float, unit: str) -> None:
    texts = [format_number(value, unit), format_number(value, unit, signed=True), format_exact(value, unit)]
    texts.append(format_apart(value, 0.5, unit))
    assert all(len(text) < 32 for text in texts), texts
    assert not [text for text in texts if re.search("nan|inf", text)]


def test_a_huge_number_has_a_power_of_ten() -> None:
    assert format_number(1.7e308, "ms") == "1.70e308 ms"
    assert format_number(-2e20, "ratio") == "−2.00e20"
    assert format_exact(1e300, "ms") == "1e300 ms"
    assert format_number(123_456_789_012, "ms") == "123456789012 ms"


@pytest.mark.parametrize(
    ("unit", "threads", "words"),
    [("cpu", 1, "CPU, 1 thread"), ("cpu", 4, "CPU, 4 threads"), ("gpu", None, "GPU"), ("tpu", None, "tpu")],
)
def test_where_a_prediction_is_of_names_its_threads(unit: str, threads: int | None, words: str) -> None:
    result = DeviceResult(
        device="x", runs=True, floor_reason="", compute_unit=unit, placement_reason="", threads=threads, scores={}
    )
    assert describe_place(result) == words

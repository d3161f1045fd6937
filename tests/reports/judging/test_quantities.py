from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.judging.quantities import Quantity, parse_quantity


@pytest.mark.parametrize(
    ("written", "unit", "value"),
    [
        (60, "ms", 60.0),
        (0.01, "ratio", 0.01),
        ("60", "ms", 60.0),
        ("25ms", "ms", 25.0),
        ("25 ms", "ms", 25.0),
        ("0.5 s", "ms", 500.0),
        ("2min", "s", 120.0),
        ("1500us", "ms", 1.5),
        ("1500µs", "ms", 1.5),
        ("1500μs", "ms", 1.5),  # the Greek letter in place of the micro sign
        ("7ns", "ns", 7.0),
        ("900kB", "bytes", 900_000.0),
        ("0.9MiB", "bytes", 943_718.4),
        ("1GiB", "bytes", 2.0**30),
        ("3B", "bytes", 3.0),
        ("-40dB", "db", -40.0),
        ("95%", "ratio", 0.95),
        ("-0.5pp", "ratio", -0.005),
        (".5kB", "bytes", 500.0),
        ("1e3 bytes", "bytes", 1000.0),
    ],
)
def test_converts_to_the_scores_unit(written: float | str, unit: str, value: float) -> None:
    assert parse_quantity(written).to_unit(unit, where="x") == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("900KB", "unknown unit 'KB'; did you mean 'kB'?"),
        ("25 msec", "unknown unit 'msec'"),
        ("fast", "is not a number with an optional unit"),
        ("", "is not a number with an optional unit"),
        ("nan", "is not a number with an optional unit"),
        ("1,000 kB", "is not a number with an optional unit"),
        ("5 ms ms", "is not a number with an optional unit"),
        ("1e999 ms", "is not a number with an optional unit"),
        ("1e400kB", "is not a number with an optional unit"),
        ("١٢", "is not a number with an optional unit"),
        ("12١", "is not a number with an optional unit"),
        ("1\n kB", "is not a number with an optional unit"),
        ("9" * 5000, "is not a number with an optional unit"),
        (" " * 1_000_000 + "x", "is not a number with an optional unit"),
    ],
)
def test_refuses_what_is_no_quantity(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        parse_quantity(written)


@pytest.mark.parametrize(
    ("written", "unit", "message"),
    [
        ("25ms", "bytes", "budget x is a time, but the metric's unit is bytes; give it in bytes"),
        ("1kB", "ms", "budget x is a size, but the metric's unit is ms"),
        ("5%", "ms", "budget x is a percentage, but the metric's unit is ms"),
        ("1pp", "bytes", "budget x is a number of percentage points, but the metric's unit is bytes"),
        ("3dB", "dimensionless", "budget x is a level in dB, but the metric's unit is dimensionless"),
    ],
)
def test_refuses_another_dimension(written: str, unit: str, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        parse_quantity(written).to_unit(unit, where="budget x")


@given(st.integers(0, 10**12), st.sampled_from([("B", 1), ("kB", 1000), ("MB", 10**6), ("KiB", 1024), ("MiB", 2**20)]))
def test_whole_sizes_are_exact(count: int, unit: tuple[str, int]) -> None:
    assert parse_quantity(f"{count}{unit[0]}").to_unit("bytes", where="x") == float(count * unit[1])


@given(st.decimals(0, 10**6, places=4), st.sampled_from(["", "+", "-"]))
def test_milliseconds_are_what_was_written(number: object, sign: str) -> None:
    expected = float(f"-{number}") if sign == "-" else float(str(number))
    quantity = parse_quantity(f"{sign}{number} ms")
    assert quantity.to_unit("ms", where="x") == expected
    assert quantity.sign == sign


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(parse_quantity(text), Quantity)
    except ValueError as fault:
        assert "not a number" in str(fault) or "unknown unit" in str(fault)

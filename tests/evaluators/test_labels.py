from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.labels import are_numbers, find_place_fault, is_number, read_rows, show


def _odd(row: Any, earlier: Sequence[Any]) -> str | None:
    return None if row % 2 else f"{row} is even after {list(earlier)}"


def test_good_rows_are_handed_on() -> None:
    assert read_rows([3, 1], _odd, key="k", form="n", where="x:1") == [3, 1]
    assert read_rows([], _odd, key="k", form="n", where="x:1") == []


def test_each_fault_is_a_line_and_knows_the_good_rows_before() -> None:
    with pytest.raises(EvaluationError) as caught:
        read_rows([2, 3, 4], _odd, key="k", form="n", where="x:1")
    assert str(caught.value) == "x:1: k[0]: 2 is even after []\nx:1: k[2]: 4 is even after [3]"


@pytest.mark.parametrize("rows", [{}, "a", None, 1])
def test_what_is_no_list(rows: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        read_rows(rows, _odd, key="k", form="[a, b]", where="x:1")
    assert str(caught.value) == f"x:1: k must be a list of [a, b]; found {rows!r}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, True), (-0.5, True), (True, False), (float("nan"), False), (float("inf"), False), ("1", False), (None, False)],
)
def test_numbers(value: Any, expected: bool) -> None:
    assert is_number(value) is expected
    assert are_numbers([0, value], 2) is expected
    assert not are_numbers([value], 2)


def test_places() -> None:
    assert find_place_fault(0, 2.0, 2.0) is None
    assert find_place_fault(0, 2.1, 2) == "0 s to 2.1 s lies outside the clip, which is 2 s long"
    assert find_place_fault(-1, -1, 2) == "-1 s lies outside the clip, which is 2 s long"


def test_long_values_are_cut() -> None:
    assert show("x" * 100) == "'" + "x" * 59 + "…"

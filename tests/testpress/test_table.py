from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testpress.table import align

CELL = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("right", "indent", "expected"),
    [
        ((), "", "a    1\nbbb  22"),
        ((1,), "", "a     1\nbbb  22"),
        ((0,), "  ", "    a  1\n  bbb  22"),
    ],
)
def test_columns_are_as_wide_as_their_widest_cell(right: tuple[int, ...], indent: str, expected: str) -> None:
    assert align([("a", "1"), ("bbb", "22")], right=right, indent=indent) == expected


def test_no_line_ends_in_blanks() -> None:
    assert align([("a", ""), ("b", "long")]) == "a\nb  long"


def test_no_rows_make_no_text() -> None:
    assert align([]) == ""


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), st.sets(st.integers(0, 2)))
def test_every_cell_is_in_its_row(rows: list[tuple[str, str, str]], right: set[int]) -> None:
    assert [tuple(line.split()) for line in align(rows, right=right).split("\n")] == rows

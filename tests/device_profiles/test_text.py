from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.text import clean_text, defuse, shorten, to_json

ACTS = "\x00\x07\x1b\r\x7f\x9b\u061c\u200e\u202e\u2066\u2028\ufeff\ufffe\ud800\U000e0041"

ANY_TEXT = st.text(st.characters() | st.sampled_from(ACTS + "\n\t :#[v"))


def _acts(text: str) -> list[str]:
    return [
        sign
        for sign in text
        if (unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} and sign not in "\n\t")
        or unicodedata.bidirectional(sign) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]


@pytest.mark.parametrize("sign", ACTS)
def test_what_acts_is_replaced(sign: str) -> None:
    assert clean_text(f"a{sign}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["line\nend\t", "שלום", "naïve 日本", "👩‍🚀", ""])
def test_text_stays(text: str) -> None:
    assert clean_text(text) == text
    assert defuse(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x\n::error title=a::b", "x\n\ufffd:error title=a::b"),
        ("  ::set-output name=a::b", "  \ufffd:set-output name=a::b"),
        ("x ##[group]y", "x \ufffd#[group]y"),
        ("##vso[task.setvariable variable=a]b", "\ufffd#vso[task.setvariable variable=a]b"),
        ("##teamcity[x]", "\ufffd#teamcity[x]"),
        ("std::vector and # ## [x]", "std::vector and # ## [x]"),
        ("\x1b[31m::error", "\ufffd[31m::error"),
    ],
)
def test_what_a_runner_takes_for_a_command_is_none(text: str, shown: str) -> None:
    assert defuse(text) == shown


@given(ANY_TEXT)
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = defuse(text)
    assert _acts(shown) == []
    assert not any(line.strip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown
    shown.encode()


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers()))
def test_json_is_the_same_value_with_nothing_that_acts(value: dict[str, object]) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert _acts(text) == []
    assert "##[" not in text


def test_a_long_name_keeps_both_ends() -> None:
    assert shorten("x" * 100 + "end", 30) == "x" * 20 + "…" + "x" * 6 + "end"
    long = shorten("a" + "b" * 10_000_000 + "c")
    assert (len(long), long[0], long[-1]) == (96, "a", "c")

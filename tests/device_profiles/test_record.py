"""Text from outside as records: whatever it holds, a record comes of it or one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_profiles.errors import ProfileError
from device_profiles.record import MOST_FAULTS, Record, parse_json, parse_record, read_json, read_toml


class Part(Record):
    size: int = 0
    """for example 1"""
    share: float | None = None
    names: dict[str, int] = {}
    either: tuple[int, ...] | str = ""
    anything: dict[str, Any] = {}


class Whole(Record):
    parts: tuple[Part, ...] = ()


def _fault(data: Any) -> str:
    with pytest.raises(ProfileError) as caught:
        parse_record(data, Whole, where="x", error=ProfileError)
    return str(caught.value)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"si[ze": 1}, "x: parts[0].\"si[ze\": unknown key; did you mean 'size'?"),
        ({"[": 1}, 'x: parts[0]."[": unknown key; known keys: size, share, names, either, anything'),
        ({"\n::error::": 1}, 'x: parts[0]."\\n::error::": unknown key; known keys'),
        ({"names": {"a[b]": "x"}}, 'x: parts[0].names."a[b]": Input should be a valid integer; found "x"'),
        ({"names": {"a.b": None}}, 'x: parts[0].names."a.b": Input should be a valid integer; found null'),
        ({"either": [1, "x"]}, "x: parts[0].either[1]: Input should be a valid integer"),
        ({"size": "1"}, 'x: parts[0].size: Input should be a valid integer; found "1" (for example 1)'),
        ({"size": 1.5}, "x: parts[0].size: Input should be a valid integer"),
        ({"share": 10**400}, "x: parts[0].share: Input should be a valid number"),
        ({"share": float("nan")}, "x: parts[0].share: Input should be a finite number"),
        ({"anything": {"a": "\ud800"}}, "x: (the whole file): Invalid JSON: "),
    ],
)
def test_a_fault_is_told_with_its_place(part: dict[str, Any], message: str) -> None:
    assert message in _fault({"parts": [part]})


class Longer(Part):
    """A docstring that is nobody's meaning."""

    extra: int
    """how much
    more"""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "x: extra: missing (how much more)"),
        ({"extra": 1, "size": ""}, 'x: size: Input should be a valid integer; found "" (for example 1)'),
    ],
)
def test_a_meaning_is_read_where_the_field_is_declared(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_record(data, Longer, where="x", error=ProfileError)
    assert str(caught.value) == message


def test_a_record_made_by_code_has_no_meanings() -> None:
    made = type("Made", (Record,), {"__annotations__": {"size": int}, "__module__": __name__})
    with pytest.raises(ProfileError, match=r"^x: size: missing$"):
        parse_record({}, made, where="x", error=ProfileError)


def test_faults_are_listed_up_to_a_number() -> None:
    lines = _fault({"parts": [{"size": str(n)} for n in range(1000)]}).splitlines()
    assert len(lines) == MOST_FAULTS + 1
    assert lines[-1] == f"x: and {1000 - MOST_FAULTS} more"


HUGE, DEEP = "9" * 5000, 200_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"parts": ', "not valid JSON: line 1, column 11"),
        (HUGE, "not valid JSON: Exceeds the limit"),
        ("[" * DEEP + "]" * DEEP, "nested too deeply"),
        ('{"a":' * DEEP, "nested too deeply"),
        ('{"parts": [], "parts": [1]}', 'the key "parts" is there twice'),
        ('{"parts": [{"names": {"a": 1, "b": 1, "a": 2}}]}', 'the key "a" is there twice'),
        ("\ufeff{}", "not valid JSON"),
        ("[" * 600 + "]" * 600, "(the whole file): "),
        ('{"parts": [{"anything": ' + '{"a":' * 600 + "1" + "}" * 601 + "]}", "recursion limit exceeded"),
    ],
)
def test_json_that_is_none_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        read_json(path, Whole, error=ProfileError)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "not valid TOML"),
        (f"x = {HUGE}", "not valid TOML: Exceeds the limit"),
        ("x = " + "[" * DEEP, "nested too deeply"),
        ("x = " + "[" * 900 + "]" * 900, ": "),
        ("x = 1979-05-27", "holds what is neither text, number"),
        ("[parts]\nx = nan", "parts: Input should be a valid"),
    ],
)
def test_toml_that_is_none_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        read_toml(path, Whole, error=ProfileError)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_json_is_read_as_it_stands() -> None:
    assert parse_json('{"a": [1, 2.5, null, {"a": "b"}]}', where="x", error=ProfileError) == {
        "a": [1, 2.5, None, {"a": "b"}]
    }

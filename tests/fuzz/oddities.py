"""Texts, numbers and values that programs trip over, and hypothesis' own."""

from __future__ import annotations

import copy
import functools
import random
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.sandbox import PLANTED

SECRET_PATH, VICTIM_PATH = "@secret@", "@victim@"
"""stand for the canaries' paths, which are known only when a case is written"""


@dataclass(frozen=True)
class Raw:
    """What stands in a JSON or TOML file as it is, where no value of the language writes it."""

    token: str


TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\n",
    "\r",
    "\t",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x7f",
    "\u202etxt",
    "\u2066\u2069",
    "\u2028line\u2029",
    "\ud800",
    "\udcff",
    "\ufeff",
    "\n::error title=x::y",
    "::error title=x::y",
    "  ::add-mask::x",
    "##[error]x",
    "##vso[task.complete result=Failed;]",
    "%0A::error::x",
    "<script>alert(1)</script>",
    "]]>",
    "-->",
    "{{7*7}}",
    "${HOME}",
    "$(id)",
    "%s%n%d",
    "{0}",
    "{recipe.__class__}",
    "[bold]x[/bold]",
    "[x](javascript:alert(1))",
    "../",
    "../../../../../victim.txt",
    "../x",
    "..",
    ".",
    "/",
    "//",
    "a/../../b",
    "a\\..\\b",
    "C:\\x",
    "~",
    "~root",
    "-",
    "--help",
    "-o",
    "x" * 300,
    "x/" * 3000 + "x",
    "é" * 200,
    "e\u0301" * 50,
    "\U0001f3b5",
    "ﷺ" * 100,
    "CON",
    "nul",
    "pkg://",
    "pkg://basic_pitch/../../../x",
    "pkg://basic_pitch",
    "python:",
    "python::",
    "python:no_such:thing",
    "file:///etc/hostname",
    "http://127.0.0.1:9/x",
    SECRET_PATH,
    VICTIM_PATH,
    str(PLANTED),
    f"{PLANTED}/x",
    "/dev/zero",
    "/dev/full",
    "/dev/stdin",
    "/dev/tty",
    "/proc/self/mem",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/nowhere/x",
    "fifo",
    "loop",
    "folder",
    "link-out",
    "true",
    "null",
    "NaN",
    "1e999",
    "0x10",
    "1_000",
    "٣",
    "1e400 ms",
    "9" * 5000,
    "9" * 400 + "kB",
    "-5ms",
    "5e-324s",
)

TOKENS = (
    *("0", "1", "-1", "2", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483648", "4294967295"),
    *("4000000000", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615"),
    *("1000000000000000000", "1e18", "1e19", "1.7e308", "-1.7e308", "1.7976931348623157e308", "5e-324", "1e-300"),
    *("0.0", "-0.0", "0.5", "1e-9", "1e16", "1e400", "-1e400", "1" + "0" * 400, "9" * 5000, "-" + "9" * 5000),
    "1." + "0" * 5000 + "1",
)
"""numbers as JSON and TOML write them"""

JSON_TOKENS = (*TOKENS, "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x10", "1e", "tru", '"\\ud800"')
TOML_TOKENS = (
    *TOKENS,
    *("nan", "inf", "-inf", "0x7fffffffffffffff", "1_000", "1979-05-27T07:32:00Z", "07:32:00", "'a\nb'", '"""x"""'),
    *('"\\ud800"', '"\\u0000"', "[[1]]", "{a = 1}", "{a.b.c = 1}"),
)
DEEP = 100_000


def odd_text(chance: random.Random) -> str:
    """One of the texts, at times within another."""
    text = chance.choice(TEXTS)
    return chance.choice((text, text, text, f"a{text}b", text * 2, f"{text}{chance.choice(TEXTS)}"))


def odd_value(chance: random.Random, tokens: tuple[str, ...]) -> Any:
    """Any value for a JSON or TOML file."""
    way = chance.randrange(12)
    if way < 4:
        return odd_text(chance)
    if way < 8:
        return Raw(chance.choice(tokens))
    if way == 8:
        return chance.choice((None, True, False, [], {}, [[]], [None], {"": None}, [1, "x"], {"x": {"y": []}}))
    if way == 9 and chance.random() < 0.1:
        return Raw(nested(chance, DEEP))
    if way == 9:
        return Raw(nested(chance, chance.choice((50, 200, 990, 2000))))
    return foreign_value(chance)


def nested(chance: random.Random, depth: int) -> str:
    """Brackets in brackets."""
    begin, end = chance.choice((("[", "]"), ('{"a":', "}"), ("[", ""), ("{a=", "}")))
    return begin * depth + chance.choice(("1", "")) + end * depth


@functools.cache
def _values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )


def foreign_value(chance: random.Random) -> Any:
    """What hypothesis thinks of: a tree of JSON's values."""
    return copy.deepcopy(chance.choice(_draw("values", chance.randrange(32))))


def foreign_arguments(chance: random.Random) -> list[str]:
    """Words for a command line, as hypothesis thinks of them."""
    return list(chance.choice(_draw("arguments", chance.randrange(32))))


@functools.cache
def _draw(what: str, seed: int) -> list[Any]:
    """Fifty examples of a strategy; the same seed gives the same."""
    words = st.text(st.characters(exclude_characters="\x00", codec=None), max_size=12)
    strategy = _values() if what == "values" else st.lists(words, max_size=4)
    drawn: list[Any] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=50, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    collect()
    return drawn

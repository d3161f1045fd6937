"""Pieces of GitHub-flavoured Markdown in which a name from outside stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from device_profiles.text import shorten

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
# what would begin a heading, a list, a rule, a line below a heading, or a command to GitLab where a line begins with it
_START = re.compile(r"^([#+\-=/]|[0-9]+(?=[.)](?:\s|$)))")
_END = re.compile(r"(?<=\s)#(?=#*$)")
"""where a heading would end, and drop the signs"""
_APART = "\u200b"
"""a sign without width: viewers see one text, and what looks for links two"""
_LINKED = re.compile(
    r"""
      (?<=@)                                      # a person, a team, an address
    | (?<=[\#!$%&~^*[])(?=\w)                       # an issue; in GitLab !1, $1, %v1, &1, ~bug, [issue:1]
    | (?<=:)(?=//)                                # https://
    | (?<=www)(?=\.)
    | (?<=GH-)(?=\d)                              # an issue
    | (?<=:)(?!(?<=\d\d:)\d\d:)(?=[\w+-]+:)       # :shipit:, a picture; not the minutes of a time
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COMMIT = re.compile(r"(?<![^\W_])[0-9a-f]{7,}(?![^\W_])", re.IGNORECASE)
_HASH_STEP = 6
"""digits that are no commit yet: GitHub links 7 to 40"""


def escape(text: str, limit: int = 96) -> str:
    """Text that Markdown, HTML and a table leave as it is, and that links and calls nobody.

    Source: GitHub Flavored Markdown 0.29, "Autolinks (extension)"; GitHub docs, "Autolinked references and URLs" and
    "Writing mathematical expressions", which shows a dollar within <span>; GitLab docs, "GitLab-specific references".
    """
    text = _LINKED.sub(_APART, shorten(text, limit))
    text = _COMMIT.sub(lambda found: _APART.join(_cut(found[0])), text)
    text = _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
    text = _END.sub(r"\\#", _START.sub(_escape_start, text))
    return text.replace("$", "<span>$</span>")


def _cut(digits: str) -> list[str]:
    return [digits[start : start + _HASH_STEP] for start in range(0, len(digits), _HASH_STEP)]


def _escape_start(found: re.Match[str]) -> str:
    sign = found[0]
    return f"{sign}\\" if sign.isdigit() else f"\\{sign}"


def code(text: str) -> str:
    """The text as a code span."""
    return f"`{shorten(text, 1000).replace('`', chr(39)).replace('<', '‹').replace('|', '¦')}`"


def row(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], rows: Sequence[str]) -> str:
    """A table of rows made by `row`."""
    return "\n".join([row(head), row(["---"] * len(head)), *rows])


def bullet(text: str) -> str:
    """One line of a list."""
    return f"- {escape(text, 600)}"


def note_rest(lines: Sequence[str], kept: int, word: str) -> str:
    """What stands below the first `kept` lines, where that is not all of them."""
    left = len(lines) - kept
    return f"\n\n{left} more {word}: see report.html." if left > 0 else ""


def cut(groups: Sequence[Sequence[str]], kept: Sequence[int]) -> tuple[list[Sequence[str]], list[str]]:
    """The first `kept` lines of each group, and the note on the others; the first group's are reasons."""
    shown = [lines[:count] for lines, count in zip(groups, kept, strict=True)]
    words = ("reasons", *["rows"] * (len(groups) - 1))
    return shown, [note_rest(*each) for each in zip(groups, kept, words, strict=True)]


def fit(groups: Sequence[Sequence[str]], room: int) -> list[int]:
    """How many lines of each group fit into `room` bytes, all of a group before any of the next."""
    kept = []
    for lines in groups:
        count = 0
        for line in lines:
            room -= len(line.encode()) + 1
            if room < 0:
                break
            count += 1
        kept.append(count)
    return kept

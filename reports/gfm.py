"""Pieces of GitHub-flavoured Markdown in which a name from outside stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from device_profiles.text import shorten

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
# "@name" would call a person, "#1" would link another issue: a sign without width between the two keeps either a text
_MENTION = re.compile(r"(?<=[@#])(?=\w)")


def escape(text: str, limit: int = 96) -> str:
    """Text that Markdown, HTML and a table leave as it is, and that calls nobody."""
    return _SPECIAL.sub(r"\\\1", html.escape(_MENTION.sub("\u200b", shorten(text, limit)), quote=False))


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

"""Text from outside made fit for a terminal, a CI log or a page: nothing in it is a command to any of them."""

from __future__ import annotations

import json
import re
from typing import Any

_NAME_LIMIT = 96
_LOOKED_AT = 64

# Control characters but line end and tab; lone surrogates; the marks that turn the writing direction or embed in it
# (Unicode's Bidi_Control); line and paragraph separators, which some viewers take for line ends; the byte order mark,
# interlinear annotation and tag characters, which are not drawn and can hide text; and U+FFFE, U+FFFF, which are none.
_UNSEEN_SIGNS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
)
_UNSEEN = re.compile(f"[{_UNSEEN_SIGNS}]")

# What runners of CI take for commands: GitHub a line that begins with "::" and, anywhere, "##["; Azure "##vso[";
# TeamCity "##teamcity[". Source: actions/runner, ActionCommand.cs; Azure Pipelines, "Logging commands".
_COMMANDS = re.compile(r"(?m)^(?P<before>[^\S\n]*):(?=:)|#(?=#\w{0,16}\[)")
_IN_JSON = re.compile(rf"[{_UNSEEN_SIGNS}]|#(?=#\w{{0,16}}\[)")


def clean_text(text: str) -> str:
    """Text with U+FFFD for every sign that is not seen but acts.

    Line ends and tabs stay, and so does text that is written from right to left by nature.
    """
    return _UNSEEN.sub("\ufffd", text)


def shorten(text: str, limit: int = _NAME_LIMIT) -> str:
    """A name for a table: cleaned, on one line, with its middle left out where it is longer than `limit` characters."""
    if len(text) > _LOOKED_AT * limit:  # a name of megabytes is not gone through
        text = f"{text[: _LOOKED_AT * limit // 2]}{text[-_LOOKED_AT * limit // 2 :]}"
    text = " ".join(clean_text(text).split())
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]}…{text[-(limit - head - 1) :]}"


def defuse(text: str) -> str:
    """Text for a terminal or a CI log: cleaned, and with U+FFFD in what a CI runner would take for a command."""
    return _COMMANDS.sub(lambda found: f"{found['before'] or ''}\ufffd", clean_text(text))


def to_json(value: Any) -> str:
    """JSON for a terminal or a CI log: the same value, what acts written as an escape."""
    return _IN_JSON.sub(_escape, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return "\\u0023" if found[0] == "#" else json.dumps(found[0])[1:-1]

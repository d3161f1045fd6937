"""What the command promises of any input, and whether it was kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.fuzz.cases import Case
from tests.fuzz.sandbox import SECRET
from tests.fuzz.watching import MOST_MEMORY_BYTES, Ended

CHECKS = {
    "traceback": "tracebacks",
    "signal": "signals",
    "hang": "hangs",
    "memory": "above 4 GiB",
    "outside": "files outside",
    "control": "control characters",
    "command": "CI commands",
    "temporary": "temporary folders",
    "process": "processes left",
    "exit": "other exit codes",
    "message": "not one message",
    "json": "not JSON",
    "secret": "secrets told",
}
"""check → what the table calls it"""

_CODES = {0, 1, 2, 3}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""C0 but tab and newline, DEL, C1, what turns the direction of writing, and what ends a line elsewhere"""
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|Exception ignored in|Fatal Python error|^Error in atexit")
_COMMAND = re.compile(r"^[ \t]*(::.*)|##\[|##vso\[", re.MULTILINE)
_ANNOTATION = re.compile(r"::(error|warning|notice) (file=[^:,\n]*,)?title=[^:,\n]*::[^\n]*")
_USAGE = re.compile(r"^Error: ", re.MULTILINE)
_MESSAGE = re.compile(r"^testpress: ", re.MULTILINE)


class Fault(NamedTuple):
    """A promise that was not kept, and by what."""

    check: str
    detail: str


def find_faults(case: Case, ended: Ended, out: bytes, err: bytes) -> list[Fault]:
    """All that is wrong with how a case ended and with what it printed."""
    return [*_find_bad_end(ended), *_find_bad_text(case, out, err), *_find_bad_answer(case, ended, out, err)]


def _find_bad_end(ended: Ended) -> Iterator[Fault]:
    if ended.hung:
        yield Fault("hang", f"still ran after {ended.seconds:.0f} s")
    elif ended.code < 0 or ended.code > 128:
        yield Fault("signal", f"ended with {ended.code}")
    elif ended.code not in _CODES:
        yield Fault("exit", f"exit code {ended.code}")
    if ended.memory_bytes > MOST_MEMORY_BYTES:
        yield Fault("memory", f"{ended.memory_bytes / 2**30:.1f} GiB")
    for name in ended.left:
        yield Fault("process", name)


def _find_bad_text(case: Case, out: bytes, err: bytes) -> Iterator[Fault]:
    for stream, data in (("stdout", out), ("stderr", err)):
        try:
            text = data.decode(case.encoding)
        except UnicodeDecodeError as fault:
            yield Fault("control", f"{stream}: {fault}")
            text = data.decode(case.encoding, "replace")
        if found := _TRACEBACK.search(text):
            yield Fault("traceback", f"{stream}: {_last_line(text[found.start() :])}")
        if found := _CONTROL.search(text):
            around = text[max(0, found.start() - 40) : found.start() + 20]
            yield Fault("control", f"{stream}: {around!r}")
        if SECRET in text:
            yield Fault("secret", stream)
        for found in _COMMAND.finditer(text):
            if not ("GITHUB_ACTIONS" in case.environment and found[1] and _ANNOTATION.fullmatch(found[1])):
                yield Fault("command", f"{stream}: {found[0][:100]!r}")
                break


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line and not line.startswith((" ", "(log"))), "")[:300]


def _find_bad_answer(case: Case, ended: Ended, out: bytes, err: bytes) -> Iterator[Fault]:
    if ended.hung or "full" in {case.stdout, case.stderr}:
        return
    text = err.decode(case.encoding, "replace")
    if ended.code == 1 and case.stderr == case.stdout == "file" and not _tells_otherwise(case, text):
        count = len(_MESSAGE.findall(text))
        if count != 1:
            yield Fault("message", f"exit code 1 with {count} messages: {text[-200:]!r}")
    if ended.code == 2 and case.stderr == "file" and len(_USAGE.findall(text)) != 1:
        yield Fault("message", f"exit code 2 without one error of usage: {text[-200:]!r}")
    if case.wants_json and case.stdout == "file" and (ended.code in {0, 3} or (ended.code == 1 and out.strip())):
        yield from _find_bad_json(out)


def _tells_otherwise(case: Case, text: str) -> bool:
    """`package` answers with a row a bundle and `doctor` with what is missing; and a traceback is fault enough."""
    return case.arguments[:1] in {("package",), ("doctor",)} or _TRACEBACK.search(text) is not None


def _find_bad_json(out: bytes) -> Iterator[Fault]:
    try:
        json.loads(out, parse_constant=_refuse)
    except (ValueError, RecursionError) as fault:
        yield Fault("json", f"{fault}: {out[:100]!r}")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

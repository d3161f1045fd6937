"""What a TFLite runtime says of an op that it cannot run, as data."""

from __future__ import annotations

import re

from evaluators.target_records import Refusal
from packager.versions import version_key

_MESSAGES = (
    re.compile(r"(?P<reason>Encountered unresolved custom op: (?P<op>[\w:.-]*\w))"),
    re.compile(r"(?P<reason>Didn't find op for builtin opcode '(?P<op>\w+)' version '\d+')"),
    re.compile(r"(?P<reason>[^\n]*)\n?[^\n]*Node number \d+ \((?P<op>[\w:.-]+)\) failed to (?:prepare|invoke)"),
)
"""Source: TensorFlow, `lite/core/subgraph.cc` and `lite/core/interpreter_builder.cc`"""


_UNKNOWN_VERSION = re.compile(r"Didn't find op for builtin opcode '(?P<op>\w+)' version '(?P<version>\d{1,4})'")


def tell_lowest(message: str) -> str:
    """The lowest runtimes that have the op that a runtime's message misses; empty where it misses none."""
    from packager.formats.tflite.floor import TFLITE_OF_LITERT
    from packager.formats.tflite.op_versions import runtime_table

    found = _UNKNOWN_VERSION.search(message)
    if found is None:
        return ""
    needed = f"{found['op']} version {found['version']}"
    lowest = runtime_table().get((found["op"], int(found["version"])))
    if lowest is None:
        return f"{needed} is in no runtime that is known here"
    litert = (f" or LiteRT {name}" for name, tflite in TFLITE_OF_LITERT if version_key(tflite) >= version_key(lowest))
    return f"{needed} needs TFLite {lowest}{next(litert, '')}"


def explain(message: str) -> Refusal | None:
    """The op that a runtime's message complains of, and what it says; None where it names none."""
    for pattern in _MESSAGES:
        found = pattern.search(message)
        if found is not None:
            return Refusal(op=found["op"], reason=found["reason"].strip() or found[0].strip())
    return None

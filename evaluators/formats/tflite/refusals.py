"""What a TFLite runtime says of an op that it cannot run, as data."""

from __future__ import annotations

import re

from evaluators.target_records import Refusal

_MESSAGES = (
    re.compile(r"(?P<reason>Encountered unresolved custom op: (?P<op>[\w:.-]*\w))"),
    re.compile(r"(?P<reason>Didn't find op for builtin opcode '(?P<op>\w+)' version '\d+')"),
    re.compile(r"(?P<reason>[^\n]*)\n?[^\n]*Node number \d+ \((?P<op>[\w:.-]+)\) failed to (?:prepare|invoke)"),
)
"""Source: TensorFlow, `lite/core/subgraph.cc` and `lite/core/interpreter_builder.cc`"""


def explain(message: str) -> Refusal | None:
    """The op that a runtime's message complains of, and what it says; None where it names none."""
    for pattern in _MESSAGES:
        found = pattern.search(message)
        if found is not None:
            return Refusal(op=found["op"], reason=found["reason"].strip() or found[0].strip())
    return None

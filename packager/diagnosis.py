"""Why a model could not be converted, in one line: the converter's reason, the op, and where the user wrote it."""

from __future__ import annotations

import contextlib
import re
import site
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from device_profiles.errors import TestpressError

_LONGEST = 300
_EXECUTING = re.compile(r"While executing %\S+ :.*?target=(?P<op>[\w.:]+)\]")
_OPS = (
    re.compile(r"Lowering not found: (?P<op>[\w.:]+)"),
    re.compile(r"[Cc]onvert function for op '(?P<op>[\w.:]+)' not implemented"),
    re.compile(r"failed to legalize operation '(?P<op>[\w.]+)'"),
    re.compile(r"Unsupported (?:fx node|op)s?:? \W*(?P<op>[\w.:]+)"),
    re.compile(r"(?P<op>(?:aten|testpress|prims)[.:]+\w+(?:\.\w+)?)"),
)
_REFUSED = re.compile(r"(Node number \d+ \(|Didn't find op for builtin opcode ')(?P<op>\w+)")
_MADE_OF = {
    "stablehlo_convolution": ("conv",),
    "stablehlo_scatter": ("scatter", "index_put", "index_add", "index_copy", "put"),
}
"""TFLite's ops, and words in the names of what they are made of, where these are other than their own"""
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\s*\n\s*(?P<code>[^\n]*)')
_EMPTY = re.compile(r"^[\W_]*$")


def explain(fault: BaseException, program: Any = None) -> str:
    """An exception of a framework as one line.

    Args:
        fault: What was raised.
        program: The `torch.export.ExportedProgram` that was being converted, where there is one: its nodes know the
            lines they came from.

    Returns:
        The class and the first telling line of the message, then, as far as they can be told, the op and the user's
        file, line, function and text.
    """
    text = read_message(fault)
    parts = []
    op = _find_op(text)
    if op is not None:
        parts.append(f"op {op}")
    place = (
        _place_in_program(program, op) or _place_in_text(text) or find_place(traceback.extract_tb(fault.__traceback__))
    )
    if place is not None:
        parts.append(f"at {place}")
    reason = describe_fault(fault)
    return f"{reason} ({', '.join(parts)})" if parts else reason


def explain_refusal(fault: BaseException, program: Any) -> str:
    """What LiteRT says of an op that it refuses, with the PyTorch op that this was made of, and the user's line.

    Args:
        fault: What was raised.
        program: The `torch.export.ExportedProgram` that was converted.

    Returns:
        One line: the fault's message; what is not known is left out.
    """
    text = " ".join(read_message(fault).split())
    refused = _REFUSED.search(text)
    if refused is None:
        return text
    kind = refused["op"].lower()
    words = _MADE_OF.get(kind, (kind, kind.replace("_", "")))
    for node in program.graph.nodes:
        name = _base_name(str(node.target)) if node.op == "call_function" else ""
        if name and any(word in name for word in words):
            place = find_place_of_node(node)
            return f"{text} (op {node.target}{'' if place is None else f', at {place}'})"
    return text


def report_fault(fault: BaseException) -> str:
    """What ended a worker's job as one line; the whole of it goes to the worker's log.

    Frameworks' faults are explained; the line of a fault of our own is its message, and only what caused it is news.
    """
    ours = isinstance(fault, TestpressError)
    if not ours or fault.__cause__ is not None:
        with contextlib.suppress(OSError, ValueError):  # a full disk; a log that the job closed
            traceback.print_exception(fault)
    return read_message(fault) if ours else explain(fault)


def read_message(fault: BaseException) -> str:
    """An exception's text, whatever its class makes of being asked."""
    try:
        return str(fault)
    except Exception:  # noqa: BLE001  a stranger's class may raise anything there
        return "its message cannot be printed"


def describe_fault(fault: BaseException) -> str:
    """An exception's class and the first line of its message that says anything."""
    lines = [line.strip() for line in read_message(fault).splitlines() if not _EMPTY.match(line)]
    return f"{type(fault).__name__}: {(lines or ['no message'])[0][:_LONGEST]}"


def _find_op(text: str) -> str | None:
    executing = _EXECUTING.search(text)
    if executing is not None:
        return executing["op"].removeprefix("torch.ops.")
    found = next((match for pattern in _OPS if (match := pattern.search(text))), None)
    return None if found is None else found["op"].rstrip(".:")


def _place_in_program(program: Any, op: str | None) -> str | None:
    """Where the first node of an op stands in the user's code."""
    if program is None or op is None:
        return None
    name = _base_name(op)
    for node in program.graph.nodes:
        if node.op == "call_function" and _base_name(str(node.target)) == name:
            place = find_place_of_node(node)
            if place is not None:
                return place
    return None


def find_place_of_node(node: Any) -> str | None:
    """Where a node of an exported program stands in the user's code, as `find_place` says it."""
    return _place_in_text(node.meta.get("stack_trace") or "")


def _base_name(op: str) -> str:
    """`aten.stft.center`, `aten::stft` and `stft` are one op; `_` before or after it makes no other."""
    parts = re.split(r"[.:]+", op)
    return (parts[1] if len(parts) > 1 and parts[0] in {"aten", "prims", "testpress"} else parts[-1]).strip("_")


def _place_in_text(text: str) -> str | None:
    frames = [match for match in _FRAME.finditer(text) if _is_users(match["file"])]
    return None if not frames else _word(**frames[-1].groupdict())


def find_place(stack: traceback.StackSummary) -> str | None:
    """The innermost line of a stack that is the user's, as `file:line in function: code`; None where there is none."""
    frames = [frame for frame in stack if _is_users(frame.filename)]
    if not frames:
        return None
    last = frames[-1]
    return _word(last.filename, str(last.lineno), last.name, last.line or "")


def _is_users(file: str) -> bool:
    """Whether a file is neither a library's nor ours nor made up (`<eval_with_key>`)."""
    libraries = [*site.getsitepackages(), sysconfig.get_path("stdlib"), str(Path(__file__).parent)]
    return not file.startswith("<") and not any(file.startswith(library) for library in libraries)


def _word(file: str, line: str, function: str, code: str) -> str:
    return f"{Path(file).name}:{line} in {function}: {code.strip()[:120]}"

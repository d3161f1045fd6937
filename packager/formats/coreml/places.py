"""Where ops of a Core ML program stand in the user's PyTorch code.

coremltools numbers the values of a traced module, and calls value 205 `var_205`. What was traced is the code of an
exported program, one line a node, and the nodes know the lines of the user that they came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packager.diagnosis import find_place_of_node

_LINE = re.compile(r"^(?P<file><eval_with_key>\.\d+)\((?P<line>\d+)\)")
_HALF = "_cast_fp16"
"""what coremltools appends to the name of an op that it has compute in float16"""


def find_places(traced: Any, program: Any) -> Mapping[str, str]:
    """Op name in the Core ML program → `file:line in function: code`, of all ops of which it is known.

    Args:
        traced: What coremltools converts: a traced module that calls `program`.
        program: The `torch.export.ExportedProgram`.
    """
    from coremltools.converters.mil.frontend.torch.internal_graph import _expand_and_optimize_ir

    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    lines = program.module().code.splitlines()
    graph, *_ = _expand_and_optimize_ir(traced)  # as coremltools does it, so that values have the same numbers
    places: dict[str, str] = {}
    for raw in _all_nodes(graph):
        made = next((match for line in raw.sourceRange().splitlines() if (match := _LINE.match(line))), None)
        number = 0 if made is None else int(made["line"])
        node = nodes.get(lines[number - 1].partition("=")[0].strip()) if 0 < number <= len(lines) else None
        place = None if node is None else find_place_of_node(node)
        if place is not None:
            places |= {_sanitize(output.debugName()): place for output in raw.outputs()}
    return places


def find_in(places: Mapping[str, str], op: str) -> str | None:
    """The place of an op, whatever precision its name stands for."""
    return places.get(op) or places.get(op.removesuffix(_HALF))


def _all_nodes(graph: Any) -> Iterator[Any]:
    for node in graph.nodes():
        yield node
        for block in node.blocks():
            yield from _all_nodes(block)


def _sanitize(name: str) -> str:
    """As coremltools' `NameSanitizer` for variables."""
    clean = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"var_{clean}" if clean[:1].isdigit() else clean

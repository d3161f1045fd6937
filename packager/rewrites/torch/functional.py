"""Programs whose ops write to no tensor that another one reads."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.masked import is_open

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Graph, Node


WRITERS = {
    "fill_diagonal_", "index_add_", "index_copy_", "index_fill_", "index_put_", "index_reduce_", "masked_scatter_",
    "put_", "scatter_", "scatter_add_", "scatter_reduce_",
}  # fmt: skip
"""ops that write into part of what they are given"""


def remove_writes(program: ExportedProgram) -> ExportedProgram:
    """Make new tensors of what is written into parts of others, or into ones that begin as constants.

    So is what is written in a program where sizes depend on the data: there a tensor stands for part of another.

    Other writing ops, like activations in place, change nothing that could not be seen without this.

    Args:
        program: As exported; it is not changed.

    Returns:
        A program without writing ops, or `program` itself where it has none of those kinds.
    """
    parts = any(_is_view(node) or _is_made_from_nothing(node) for node in written_nodes(program.graph))
    if not parts and not any(_writes_part(node) or is_open(node.meta.get("val")) for node in program.graph.nodes):
        return program
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its internals
        try:
            functional: ExportedProgram = program.run_decompositions({})
        except Exception:  # noqa: BLE001  torch cannot for all programs, and converters may take it as it is
            return program
    return functional


def written_nodes(graph: Graph) -> set[Node]:
    """Nodes whose storage a later op writes to, back to where that storage comes from."""
    import torch

    written: set[Node] = set()
    for node in graph.nodes:
        target = node.target
        # What detach_ writes is only that there is no gradient.
        if not isinstance(target, torch._ops.OpOverload) or target is torch.ops.aten.detach_.default:
            continue
        for position, argument in enumerate(target._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value: Any = node.args[position] if position < len(node.args) else node.kwargs.get(argument.name)
                waiting = [value] if hasattr(value, "op") else []
                while waiting:
                    source: Any = waiting.pop()
                    if source not in written:
                        written.add(source)
                        waiting.extend(source.all_input_nodes if _shares_storage(source) else [])
    return written


def _shares_storage(node: Node) -> bool:
    import torch

    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return node.op == "call_function"
    return any(result.alias_info is not None for result in node.target._schema.returns)


def _is_view(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and _shares_storage(node) and not (schema is not None and schema.is_mutable)


def _writes_part(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.name.rpartition("::")[2] in WRITERS


def _is_made_from_nothing(node: Node) -> bool:
    return node.op == "call_function" and not node.all_input_nodes

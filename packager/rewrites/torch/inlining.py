"""Regions that only switch gradients or autocast are dissolved: at inference they are what is in them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Graph, GraphModule, Node


def inline_regions(program: ExportedProgram) -> ExportedProgram:
    """Put what is inside `torch.no_grad()`, `enable_grad` and disabled `autocast` where the region stands.

    Args:
        program: As exported; it is not changed.

    Returns:
        A program without such regions, or `program` itself where it has none.
    """
    from packager.rewrites.torch.surgery import rebuild

    if not any(region_arguments(node) for node in program.graph.nodes):
        return program
    return rebuild(program, _copied(program.graph_module))


def region_arguments(node: Node) -> tuple[Any, tuple[Any, ...]] | None:
    """Read what a region runs on what, or None where the node is no such region.

    Returns:
        The node that names the region's graph, and the region's arguments.
    """
    import torch

    operators = torch.ops.higher_order
    if node.op != "call_function":
        return None
    if node.target is operators.wrap_with_set_grad_enabled:
        return node.args[1], tuple(node.args[2:])
    if node.target is operators.wrap_with_autocast and node.args[2] is False:
        return node.args[4], tuple(node.args[5:])
    return None


def _copied(module: GraphModule) -> Graph:
    import torch

    graph = torch.fx.Graph()
    _copy_into(graph, module, None)
    return graph


def _copy_into(graph: Graph, module: GraphModule, bound: dict[Node, Any] | None) -> Any:
    """Copy all nodes but the placeholders that are bound; gives what the graph returns.

    The outermost graph binds None, and its output node is copied too; a region that takes nothing binds none.
    """
    from torch.fx import map_arg

    from packager.rewrites.torch.surgery import copy_node

    outermost, values = bound is None, dict(bound or {})
    for node in module.graph.nodes:
        if node in values:
            continue
        if node.op == "output":
            if outermost:
                copy_node(graph, node, values)
            return map_arg(node.args[0], lambda n: values[n])
        region = region_arguments(node)
        if region is not None:
            inner: Any = module.get_submodule(str(region[0].target))
            placeholders = [n for n in inner.graph.nodes if n.op == "placeholder"]
            arguments = map_arg(region[1], lambda n: values[n])
            values[node] = _copy_into(graph, inner, dict(zip(placeholders, arguments, strict=True)))
        elif node.target is operator.getitem and isinstance(values[node.args[0]], tuple | list):
            values[node] = values[node.args[0]][node.args[1]]
        else:
            values[node] = copy_node(graph, node, values)
    return None

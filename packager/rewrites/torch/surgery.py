"""An exported program with another graph or other constants, made without tracing it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import Graph, Node


def copy_node(graph: Graph, node: Node, values: Mapping[Node, Any]) -> Node:
    """Copy a node to the end of another graph.

    Args:
        graph: Where to.
        node: What.
        values: What stands there for the nodes that it takes.

    Returns:
        The copy. A placeholder keeps its name, by which the program knows it, though fx would change some (`input`).
    """
    copied = graph.node_copy(node, values.__getitem__)
    if node.op == "placeholder":
        copied.name = copied.target = node.name
    return copied


def settle_constants(program: ExportedProgram) -> None:
    """Give a program's parameters, buffers and constants the layout in memory that their shapes say.

    litert-torch 0.10 knows a constant by its address: it takes the next strided one for the last, whose contiguous copy
    lay at the same place. coremltools 9.0 refuses values that are stored with the other sign.

    Args:
        program: Its tensors are replaced by equal ones where they are views of another layout; what is one tensor stays
            one.
    """
    import torch

    settled: dict[int, Any] = {}
    for held in (program.state_dict, program.constants):
        for name, value in held.items():
            if isinstance(value, torch.Tensor) and id(value) not in settled:
                plain = materialize(value.detach())
                is_parameter = isinstance(value, torch.nn.Parameter)
                new: Any = torch.nn.Parameter(plain, requires_grad=value.requires_grad) if is_parameter else plain
                settled[id(value)] = value if plain.data_ptr() == value.data_ptr() else new
            held[name] = settled.get(id(value), value)


def materialize(tensor: torch.Tensor) -> torch.Tensor:
    """Give a tensor's values in the order of its shape, with the signs that they have."""
    return tensor.resolve_conj().resolve_neg().contiguous()


def rebuild(
    program: ExportedProgram, graph: Graph, constants: Mapping[str, torch.Tensor] | None = None
) -> ExportedProgram:
    """Give a program another graph.

    Parameters, buffers and constants that the graph does not use are dropped from it and from the program.

    Args:
        program: Where everything else comes from; it is not changed.
        graph: The new graph. Its placeholders are the program's own, and one for each of `constants`, which stand
            before the first that is an input of the user's.
        constants: New constants, by the name of their placeholder.

    Returns:
        The new program, verified.
    """
    import torch
    from torch.export.graph_signature import ExportGraphSignature

    constants = constants or {}
    kept = _kept_specs(program, graph)
    targets = {spec.target for spec in kept if spec.target is not None}
    signature = ExportGraphSignature(kept, _output_specs(program, graph))
    graph.eliminate_dead_code()
    for node in reversed(graph.nodes):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
    graph.lint()
    return torch.export.ExportedProgram(
        root=program.graph_module,
        graph=graph,
        graph_signature=signature,
        state_dict={name: value for name, value in program.state_dict.items() if name in targets},
        range_constraints=program.range_constraints,
        module_call_graph=program.module_call_graph,
        example_inputs=program.example_inputs,
        constants={
            **{name: value for name, value in program.constants.items() if name in targets},
            **{name: value for name, value in constants.items() if name in targets},
        },
        verifiers=program.verifiers,
    )


def _kept_specs(program: ExportedProgram, graph: Graph) -> list[Any]:
    from torch.export.graph_signature import InputKind, InputSpec, TensorArgument

    known = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    droppable = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    mutated = set(program.graph_signature.buffers_to_mutate.values())
    graph.eliminate_dead_code()
    specs = []
    for node in [node for node in graph.nodes if node.op == "placeholder"]:
        spec = known.get(node.name)
        if spec is None:
            specs.append(InputSpec(InputKind.CONSTANT_TENSOR, TensorArgument(node.name), node.name, None))
        elif spec.kind in droppable and not node.users and spec.target not in mutated:
            graph.erase_node(node)
        else:
            specs.append(spec)
    return specs


def _output_specs(program: ExportedProgram, graph: Graph) -> list[Any]:
    from dataclasses import replace

    (output,) = (node for node in graph.nodes if node.op == "output")
    specs = []
    for spec, value in zip(program.graph_signature.output_specs, output.args[0], strict=True):
        name = getattr(value, "name", None)
        specs.append(spec if name is None else replace(spec, arg=type(spec.arg)(name)))
    return specs

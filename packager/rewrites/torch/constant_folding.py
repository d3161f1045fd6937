"""What is known before the first sample comes is computed now.

Replaces: ops whose arguments are all constants, buffers that never change, parameters, or numbers: windows, mel
    filterbanks, masks, position tables, filters computed from parameters (weight norm, sinc filters).
Why: converters have no lowering for many of them (`hann_window`, `linspace`, `tril`, `_weight_norm` …), a phone would
    compute them anew at every call, and only a constant can be quantised as a weight.
Given: such ops. Result: constants of the program; one that is the same value throughout stays a `full`.
Equal because: torch itself computes them, by the same ops, on the same values.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.functional import written_nodes

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

NAME = "constant_folding"

MOST_BYTES = 64 * 2**20
"""of one folded constant"""
FEW_BYTES = 2**20
"""a constant up to this size may be larger than what it was computed from"""
MOST_GROWTH = 4
"""how much larger, beyond that"""
UNIFORM_BYTES = 2**10
"""a constant of one value is stored up to this size; a larger one stays a `full`"""

TRIVIAL = """
zeros ones full arange scalar_tensor empty new_zeros new_ones new_full zeros_like ones_like full_like empty_like
new_empty lift_fresh_copy clone detach detach_ alias contiguous to _to_copy view reshape unsqueeze squeeze expand
permute transpose t select slice numpy_T flatten expand_as chunk split split_with_sizes
"""
"""ops that every converter takes: alone they are no reason to touch a program"""
COPIES = frozenset({"lift_fresh_copy", "clone", "detach", "detach_", "alias", "contiguous"})
SPREADING = frozenset({"expand", "expand_as", "broadcast_to", "repeat", "tile"})
UNKNOWABLE = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})

_TRIVIAL = frozenset(TRIVIAL.split())

Values = dict["Node", Any]


def fold_constants(program: ExportedProgram, *, thorough: bool = False) -> ExportedProgram:
    """Compute what depends on no input.

    Args:
        program: As exported, without regions; it is not changed.
        thorough: Also where all that is computed are ops that every converter takes.

    Returns:
        A program with the computed constants, or `program` itself where there is nothing worth computing.
    """
    values = known_values(program)
    frontier = [node for node in values if any(user not in values for user in node.users)]
    stored: Values = {}
    for node in frontier:
        _store(node, values, stored)
    idle = [node for node in values if node.op != "placeholder" and not node.users]
    if not any(thorough or _has_reason(node, values) for node in [*stored, *idle]):
        return program
    return _with_constants(program, stored, values)


def known_values(program: ExportedProgram) -> Values:
    """What depends on no input, by node: tensors, numbers, tuples of them.

    Args:
        program: As exported, without regions.
    """
    values: Values = {}
    written = written_nodes(program.graph)
    constants = _constants(program)
    for node in program.graph.nodes:
        if node in written:
            continue
        if node.op == "placeholder":
            if node.name in constants:
                values[node] = constants[node.name].detach()
        elif _is_foldable(node) and all(argument in values for argument in node.all_input_nodes):
            value = _computed(node, values)
            if value is not NotImplemented:
                values[node] = value
    return values


def _constants(program: ExportedProgram) -> dict[str, Any]:
    """Values of parameters, constants and the buffers that nothing writes to, by the placeholder's name."""
    signature = program.graph_signature
    mutated = set(signature.buffers_to_mutate.values())
    targets = {
        **signature.inputs_to_parameters,
        **{name: target for name, target in signature.inputs_to_buffers.items() if target not in mutated},
        **signature.inputs_to_lifted_tensor_constants,
    }
    held = {**program.constants, **program.state_dict}
    return {name: held[target] for name, target in targets.items() if target in held}


def op_name(node: Node) -> str:
    """Name a node's op without namespace and overload: `aten.add.Tensor` is `add`."""
    schema = getattr(node.target, "_schema", None)
    return schema.name.rpartition("::")[2] if schema is not None else getattr(node.target, "__name__", str(node.target))


def _is_foldable(node: Node) -> bool:
    import torch

    if node.op != "call_function":
        return False
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    random = torch.Tag.nondeterministic_seeded in node.target.tags
    known_library = node.target.namespace in {"aten", "prims", "torchaudio", "torchvision"}
    return known_library and not random and _keeps_arguments(node) and op_name(node) not in UNKNOWABLE


def _keeps_arguments(node: Node) -> bool:
    target: Any = node.target
    return op_name(node) == "detach_" or not target._schema.is_mutable


def _computed(node: Node, values: Values) -> Any:
    """A node's value, or NotImplemented where torch refuses or it is too large."""
    import torch
    from torch.fx import map_arg

    meta = node.meta.get("val")
    if isinstance(meta, torch.Tensor) and _is_static(meta) and meta.numel() * meta.element_size() > MOST_BYTES:
        views = all(value.op == "placeholder" for value in node.all_input_nodes) and node.all_input_nodes
        if not views:
            return NotImplemented
    target: Any = node.target
    try:
        with torch.no_grad():
            return target(*map_arg(node.args, values.__getitem__), **map_arg(node.kwargs, values.__getitem__))
    except Exception:  # noqa: BLE001  what torch cannot compute alone stays in the program, where it is traced
        return NotImplemented


def _is_static(value: Any) -> bool:
    return all(isinstance(size, int) for size in value.shape)


def _store(node: Node, values: Values, stored: Values) -> None:
    """Decide whether a needed value is stored, or its op stays and what it is computed from is stored."""
    import torch

    if node.op == "placeholder" or node in stored:
        return
    value = values[node]
    if isinstance(value, torch.Tensor) and not _is_worth_storing(node, value, values):
        for source in node.all_input_nodes:
            _store(source, values, stored)
    elif isinstance(value, torch.Tensor | int | float | bool):
        stored[node] = value


def _is_worth_storing(node: Node, value: Any, values: Values) -> bool:
    size = value.numel() * value.element_size()
    inputs = [values[source] for source in node.all_input_nodes if hasattr(values[source], "numel")]
    if op_name(node) in SPREADING and inputs and value.numel() > max(source.numel() for source in inputs):
        return False
    if is_uniform(value):
        return True
    chain = _chain(node)
    sources = sum(values[n].numel() * values[n].element_size() for n in chain if n.op == "placeholder")
    if not any(op_name(n) not in _TRIVIAL for n in chain if n.op != "placeholder") and sources:
        return bool(size < sources)
    return bool(size <= MOST_BYTES and (not sources or size <= max(FEW_BYTES, MOST_GROWTH * sources)))


def is_uniform(value: Any) -> bool:
    """Say whether a tensor holds one value only, and that value is finite or infinite but no NaN."""
    if value.numel() < 2 or value.is_complex():
        return False
    first = value.reshape(-1)[0]
    return bool((value == first).all())


def _chain(node: Node) -> list[Node]:
    """A node and all that it is computed from."""
    found: dict[Node, None] = {}
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = None
            waiting.extend(current.all_input_nodes)
    return list(found)


def _has_reason(node: Node, values: Values) -> bool:
    if not hasattr(values[node], "numel"):
        return True
    return any(n.op == "call_function" and op_name(n) not in _TRIVIAL for n in _chain(node))


def _with_constants(program: ExportedProgram, stored: Mapping[Node, Any], values: Values) -> ExportedProgram:
    import torch

    from packager.rewrites.torch.surgery import copy_node, materialize, rebuild

    signature = program.graph_signature
    fake_mode = next(n.meta["val"].fake_mode for n in program.graph.nodes if hasattr(n.meta.get("val"), "fake_mode"))
    tensors = {node: value for node, value in stored.items() if isinstance(value, torch.Tensor)}
    uniform = {node for node, value in tensors.items() if is_uniform(value) and value.nbytes > UNIFORM_BYTES}
    lifted = {
        *signature.inputs_to_parameters,
        *signature.inputs_to_buffers,
        *signature.inputs_to_lifted_tensor_constants,
    }
    graph = torch.fx.Graph()
    copied: dict[Node, Any] = {}
    constants: dict[str, Any] = {}
    twins: dict[Any, Node] = {}

    written = written_nodes(program.graph)
    waiting = [node for node in tensors if node not in uniform]
    taken = {node.name for node in program.graph.nodes} | {*program.constants} | {*program.state_dict}
    for node in program.graph.nodes:
        while waiting and not (node.op == "placeholder" and node.name in lifted):
            computed = waiting.pop(0)
            value = materialize(tensors[computed])
            twin = (value.shape, value.dtype, value.view(-1).view(torch.uint8).numpy().tobytes())
            if twin in twins:
                copied[computed] = twins[twin]
                continue
            placeholder = graph.placeholder(_free_name(taken))
            placeholder.meta["val"] = fake_mode.from_tensor(value, static_shapes=True)
            constants[placeholder.name] = value.clone()
            copied[computed] = twins[twin] = placeholder
        if node in copied:
            continue
        if node in uniform:
            value = stored[node]
            arguments = (list(value.shape), value.reshape(-1)[0].item())
            copied[node] = graph.call_function(torch.ops.aten.full.default, arguments, {"dtype": value.dtype})
            copied[node].meta = dict(node.meta)
        elif node in stored and node not in tensors:
            copied[node] = stored[node]
        elif node.op == "call_function" and node not in written and _is_copy(node, lifted):
            copied[node] = copied[node.args[0]]
        elif _is_check(node) and all(n in values for n in node.all_input_nodes):
            continue
        else:
            copied[node] = copy_node(graph, node, copied)
    return rebuild(program, graph, constants)


def _is_copy(node: Node, lifted: set[str]) -> bool:
    """Whether a node only copies a parameter, buffer or constant, which nothing writes to."""
    source: Any = node.args[0] if node.args else None
    return op_name(node) in COPIES and getattr(source, "op", "") == "placeholder" and source.name in lifted


def _free_name(taken: set[str]) -> str:
    number = 0
    while (name := f"c_folded_{number}") in taken:
        number += 1
    taken.add(name)
    return name


def _is_check(node: Node) -> bool:
    """Ops that only assert something of what is now known, or mark it as free of gradients."""
    names = {"_assert_scalar", "_assert_tensor_metadata", "sym_constrain_range", "sym_constrain_range_for_size"}
    return op_name(node) in names or (op_name(node) == "detach_" and not node.users)

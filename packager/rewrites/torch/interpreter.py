"""Runs a program's graph with replacements in place of ops, and exports what ran.

A value is a tensor, or a `Complex` pair of tensors where the program has a complex one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError
from packager.rewrites.torch import masked_values
from packager.rewrites.torch.arguments import KNOWN, TAKES_PHASE
from packager.rewrites.torch.complex_numbers import Complex, is_complex
from packager.rewrites.torch.constant_folding import known_values
from packager.rewrites.torch.masked import Masked
from packager.rewrites.torch.source_lines import source_line

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

    from packager.rewrites.torch.replacements import Replacement, Replacements


def trace(program: ExportedProgram, replacements: Replacements) -> tuple[ExportedProgram, set[str]]:
    """Export a program anew, with replacements in place of its ops.

    Args:
        program: As exported, without regions; it is not changed.
        replacements: What is called instead of which op.

    Returns:
        The new program, and the names of the rewrites that took part.

    Raises:
        PackagingError: Complex numbers meet an op that has no real counterpart here.
    """
    import torch

    applied: set[str] = set()
    module = _module(program, replacements, applied)
    arguments, keywords = _example_inputs(program)
    with torch.no_grad(), torch.fx.traceback.preserve_node_meta(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its internals
        traced = torch.export.export(
            module, arguments, keywords, dynamic_shapes=_dynamic_shapes(program, arguments, keywords), strict=False
        )
    return traced, applied


def _module(program: ExportedProgram, replacements: Replacements, applied: set[str]) -> torch.nn.Module:
    """A module of the program's own parameters and buffers, by their names, that runs its graph."""
    import torch

    aten = torch.ops.aten
    signature = program.graph_signature
    arrays = _known_arrays(program)
    takes_phase = any(node.target in (aten.angle.default, aten.atan2.default) for node in program.graph.nodes)

    class Interpreted(torch.nn.Module):
        def forward(self, *arguments: Any, **keywords: Any) -> Any:
            flat = _flat_inputs(program, arguments, keywords)
            values = [self._value(spec, flat) for spec in signature.input_specs]
            KNOWN.set({})
            TAKES_PHASE.set(takes_phase)
            results = _interpreter(program.graph_module, replacements, applied, arrays).run(*values)
            return self._finish(values, results)

        def _value(self, spec: Any, flat: list[Any]) -> Any:
            if spec.target is None:
                value = flat.pop(0)
                return Complex(value[..., 0], value[..., 1]) if spec.arg.name in complex_inputs else value
            if spec.target in complex_targets:
                return Complex(_held(self, f"{spec.target}_real"), _held(self, f"{spec.target}_imag"))
            return _held(self, spec.target)

        def _finish(self, values: list[Any], results: Any) -> Any:
            names = [spec.arg.name for spec in signature.input_specs]
            by_target = {spec.target: value for spec, value in zip(signature.input_specs, values, strict=True)}
            given = []
            for spec, result in zip(signature.output_specs, results, strict=True):
                if spec.kind.name == "BUFFER_MUTATION":
                    by_target[spec.target].copy_(result)
                elif spec.kind.name == "USER_INPUT_MUTATION":
                    values[names.index(str(spec.target))].copy_(result)
                elif isinstance(result, Masked):
                    raise PackagingError(masked_values.explain_open(result.maker, "it is an output"))
                else:
                    given.append(torch.stack([result.real, result.imag], -1) if is_complex(result) else result)
            out_spec = program.call_spec.out_spec
            return given if out_spec is None else torch.utils._pytree.tree_unflatten(given, out_spec)

    complex_inputs = {
        node.name
        for node in program.graph.nodes
        if node.op == "placeholder" and isinstance(node.meta.get("val"), torch.Tensor) and node.meta["val"].is_complex()
    }
    vars(Interpreted)["forward"].__signature__ = _signature(program)
    module = Interpreted()
    complex_targets = set(_hold_constants(module, program))
    return module.eval()


def _known_arrays(program: ExportedProgram) -> dict[Node, Any]:
    """Values of the whole numbers and truth values that are constants, or computed from constants alone.

    They are computed before the trace begins, within which no tensor has values.
    """
    import torch

    return {
        node: value.numpy()
        for node, value in known_values(program).items()
        if isinstance(value, torch.Tensor) and not (value.is_floating_point() or value.is_complex())
    }


def _signature(program: ExportedProgram) -> Signature:
    """What the module is called with, so that inputs keep their names."""
    arguments, keywords = program.example_inputs or ((), {})
    signature = program.module_call_graph[0].signature
    known = list(getattr(signature, "forward_arg_names", None) or [])
    inputs = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    names = known if len(known) == len(arguments) + len(keywords) else [*inputs[: len(arguments)], *keywords]
    if len(set(names)) != len(arguments) + len(keywords):
        names = [*(f"input_{index}" for index in range(len(arguments))), *keywords]
    positional = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names[: len(arguments)]]
    named = [Parameter(name, Parameter.KEYWORD_ONLY) for name in keywords]
    return Signature([Parameter("self", Parameter.POSITIONAL_ONLY), *positional, *named])


def _hold_constants(module: torch.nn.Module, program: ExportedProgram) -> Iterable[str]:
    """Register what a program holds under its own names, complex ones as pairs; gives the targets of those."""
    import torch

    persistent = {
        spec.target for spec in program.graph_signature.input_specs if spec.persistent or spec.kind.name == "PARAMETER"
    }
    for target in [spec.target for spec in program.graph_signature.input_specs if spec.target is not None]:
        value = program.state_dict.get(target, program.constants.get(target))
        assert isinstance(value, torch.Tensor), f"{target} is no tensor"
        owner, _, name = target.rpartition(".")
        holder = _descend(module, owner)
        if value.is_complex():
            for part, tensor in zip(("real", "imag"), torch.view_as_real(value.detach()).unbind(-1), strict=True):
                holder.register_buffer(f"{name}_{part}", tensor.clone(), persistent=target in persistent)
            yield target
        elif isinstance(value, torch.nn.Parameter):
            holder.register_parameter(name, value)
        else:
            holder.register_buffer(name, value, persistent=target in persistent)


def _descend(module: torch.nn.Module, path: str) -> torch.nn.Module:
    import torch

    for name in filter(None, path.split(".")):
        if name not in module._modules:
            module.add_module(name, torch.nn.Module())
        module = getattr(module, name)
    return module


def _held(module: torch.nn.Module, target: str) -> Any:
    owner, _, name = target.rpartition(".")
    return getattr(_descend(module, owner), name)


def _flat_inputs(program: ExportedProgram, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
    from torch.export._tree_utils import reorder_kwargs
    from torch.utils._pytree import tree_flatten

    in_spec = program.call_spec.in_spec
    if in_spec is not None:
        keywords = reorder_kwargs(keywords, in_spec)
    return list(tree_flatten((arguments, keywords))[0])


def _example_inputs(program: ExportedProgram) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs to trace with; complex ones with a last dimension of 2."""
    import torch
    from torch.utils._pytree import tree_map

    if program.example_inputs is None:
        raise PackagingError("the exported program holds no example inputs, export it again with torch 2.4 or later")

    def real(value: Any) -> Any:
        return torch.view_as_real(value) if isinstance(value, torch.Tensor) and value.is_complex() else value

    arguments, keywords = program.example_inputs
    return tree_map(real, tuple(arguments)), tree_map(real, dict(keywords))


def _dynamic_shapes(program: ExportedProgram, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Which dimensions of the inputs may vary, as `torch.export.export` takes it; None where none may."""
    import torch
    from torch.utils._pytree import tree_flatten, tree_unflatten

    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    dimensions: dict[Any, Any] = {}
    found = []
    for name in program.graph_signature.user_inputs:
        value = placeholders[name].meta.get("val") if isinstance(name, str) and name in placeholders else None
        sizes: dict[int, Any] = {}
        for index, size in enumerate(value.shape if isinstance(value, torch.Tensor) else ()):
            if isinstance(size, torch.SymInt):
                sizes[index] = _dimension(size, program, dimensions)
        found.append(sizes if isinstance(value, torch.Tensor) else None)
    if not dimensions:
        return None
    leaves, spec = tree_flatten((arguments, keywords))
    assert len(leaves) == len(found)
    positional, named = tree_unflatten(found, spec)
    names = list(_signature(program).parameters)[1:]
    return {**dict(zip(names, positional, strict=False)), **named}


def _dimension(size: Any, program: ExportedProgram, dimensions: dict[Any, Any]) -> Any:
    import torch

    symbol = size.node.expr
    if symbol not in dimensions:
        bounds = program.range_constraints.get(symbol) if symbol.is_Symbol else None
        least, most = (int(bounds.lower), bounds.upper) if bounds is not None else (0, None)
        limits = {"min": max(least, 1), **({"max": int(most)} if most is not None and most < 2**31 else {})}
        named = torch.export.Dim(f"d_{symbol}", **limits) if symbol.is_Symbol else torch.export.Dim.AUTO
        dimensions[symbol] = named
    return dimensions[symbol]


def _interpreter(module: GraphModule, replacements: Replacements, applied: set[str], arrays: Mapping[Node, Any]) -> Any:
    import torch

    kept: list[Any] = []

    class Interpreter(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            self.node = n
            with torch.fx.traceback.set_current_meta(n):
                result = super().run_node(n)
            if n in arrays:
                KNOWN.get()[id(result)] = arrays[n]
                kept.append(result)  # or another could get its identity
            return result

        def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            concerned = _meets_complex(self.node, args, kwargs)
            table = replacements.complex if concerned else replacements.real
            replacement = None if masked_values.find_masked((args, kwargs)) else table.get(target)
            if replacement is not None and (concerned or replacement.wanted(self.node)):
                result = _call(replacement, self.node, args, kwargs)
                if result is not NotImplemented:
                    applied.add(replacement.name)
                    return result
            if concerned and isinstance(target, torch._ops.OpOverload):
                raise _unknown(self.node)
            if not concerned:
                result = _follow_masked(self.node, target, args, kwargs)
                if result is not NotImplemented:
                    applied.add(masked_values.NAME)
                    return result
            if target is torch.ops.aten.view.default:
                # What a replacement gives may lie in memory otherwise than what the op gave.
                target = torch.ops.aten.reshape.default
            return super().call_function(target, args, kwargs)

    interpreter = Interpreter(module, garbage_collect_values=True)
    interpreter.extra_traceback = False  # faults say where they are
    return interpreter


def _call(replacement: Replacement, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    call: Callable[..., Any] = replacement.call
    try:
        return call(*args, **kwargs)
    except PackagingError as error:
        raise PackagingError(f"{node.target} at {source_line(node)}: {error}") from error


def _follow_masked(node: Node, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return masked_values.follow(node, target, args, kwargs)
    except masked_values.UnfollowedError as fault:
        makers = [one.maker for one in masked_values.find_masked((args, kwargs))]
        raise PackagingError(masked_values.explain_open(makers[0], str(fault))) from fault


def _meets_complex(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    from torch.utils._pytree import tree_leaves

    value: Any = node.meta.get("val")
    given = value.is_complex() if hasattr(value, "is_complex") else False
    return given or any(is_complex(leaf) for leaf in tree_leaves((args, kwargs)))


def _unknown(node: Node) -> PackagingError:
    return PackagingError(
        f"{node.target} takes or gives complex numbers and has no counterpart on real ones, at {source_line(node)}; "
        "compute it from real and imaginary part, or from magnitude and phase"
    )

"""Ops that coremltools does not know, taken apart into ops that it does, by torch's own definitions.

Only those: its own translation of a whole op (`softmax`, `layer_norm`, `gelu`) is better than that of the parts.
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 6
"""definitions within definitions"""


def decompose(program: Any) -> Any:
    """An exported program with every op taken apart that the frontend does not know and torch can define.

    Args:
        program: `torch.export.ExportedProgram`; given back as it is where all its ops are known.
    """
    from torch.export import default_decompositions

    definitions: Any = None
    for _ in range(_DEEPEST):
        unknown = _unknown_ops(program)
        if not unknown:
            break
        definitions = definitions or default_decompositions()
        chosen = {op: definitions[op] if op in definitions else _define(op) for op in unknown}
        chosen = {op: definition for op, definition in chosen.items() if definition is not None}
        if not chosen:
            break
        program = program.run_decompositions(chosen)
    return program


def _define(op: Any) -> Any:
    """What torch makes of an op that it has no kernel for, but only a composition of others (`movedim`)."""
    from torch._C import DispatchKey

    return op.decompose if op.has_kernel_for_dispatch_key(DispatchKey.CompositeImplicitAutograd) else None


def _unknown_ops(program: Any) -> set[Any]:
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY as REGISTRY
    from torch._ops import OpOverload

    targets = {node.target for node in program.graph.nodes if node.op == "call_function"}
    return {
        target
        for target in targets
        if isinstance(target, OpOverload)
        and target.namespace == "aten"
        and REGISTRY.get_func(target.overloadpacket.__name__) is None
    }

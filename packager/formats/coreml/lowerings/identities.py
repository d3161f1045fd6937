"""Ops that hand their input on, which coremltools 9.0 does not know: views of tensors that nobody writes to."""

from __future__ import annotations

from typing import Any

NAME = "identities"
OPS = ("alias", "alias_copy", "lift_fresh", "lift_fresh_copy", "detach_copy", "resolve_conj", "resolve_neg")


def register() -> None:
    """Tell coremltools' torch frontend."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(_pass_on, torch_alias=list(OPS), override=True)


def _pass_on(context: Any, node: Any) -> None:
    context.add(context[node.inputs[0]], torch_name=node.name)

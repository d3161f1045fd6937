"""The arguments of an op's call, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

KNOWN: ContextVar[dict[int, Any]] = ContextVar("KNOWN")
"""while a program is traced: the values of its constants, by the identity of what stands for them"""

TAKES_PHASE: ContextVar[bool] = ContextVar("TAKES_PHASE", default=False)
"""while a program is traced: whether it takes angles, so that the sign of an imaginary part near 0 matters"""


def known_value(tensor: Any) -> Any:
    """The value of a tensor of whole numbers that is a constant of the program being traced, as numpy; else None."""
    return KNOWN.get({}).get(id(tensor))


def named(op: Any, call: Callable[[Any], Any]) -> Callable[..., Any]:
    """Let a replacement of an op with many arguments read them by name.

    Args:
        op: The overload whose schema names the arguments and their defaults.
        call: Takes a namespace of all arguments.

    Returns:
        A replacement, which takes the op's arguments as they stand in a graph.
    """
    schema = op._schema.arguments

    def run(*arguments: Any, **keywords: Any) -> Any:
        values = {argument.name: argument.default_value for argument in schema}
        values |= {argument.name: value for argument, value in zip(schema, arguments, strict=False)}
        return call(SimpleNamespace(**values | keywords))

    return run


def of_node(node: Any) -> SimpleNamespace:
    """The arguments of a graph's node by name, tensors as the nodes that make them."""
    schema = node.target._schema.arguments
    values = {argument.name: argument.default_value for argument in schema}
    values |= {argument.name: value for argument, value in zip(schema, node.args, strict=False)}
    return SimpleNamespace(**values | dict(node.kwargs))

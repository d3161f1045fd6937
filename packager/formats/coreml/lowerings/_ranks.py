"""Tensors of more than five dimensions, which Core ML does not have, carried without their batch of one.

Given: a tensor (1, a, b, c, d, e). Result: the ops between where it comes to be and where it is small enough again work
on (a, b, c, d, e), their axes counted one less. Equal because: a dimension of size 1 holds no values of its own.
An op that is not known here gets the whole tensor, and coremltools says what it thinks of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from packager.rewrites.torch.told_shapes import tell_shapes

NAME = "ranks"
MOST = 5
"""dimensions of a tensor in Core ML"""


@dataclass(frozen=True)
class Squeezed:
    """A tensor without its first dimension, which has size 1."""

    tensor: Any


def lower_ranks(program: Any) -> tuple[Any, bool]:
    """A program whose large tensors have one dimension less; whether anything was changed.

    Args:
        program: `torch.export.ExportedProgram` with a dictionary of outputs.
    """
    import torch

    if not any(_is_large(node) for node in program.graph.nodes):
        return program, False
    inner = program.module()

    class Ranked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *tensors: Any) -> Any:
            return _interpreter(self.inner).run(*tensors)

    ranked = Ranked()
    ranked.training = False  # eval() would reach into the program's module, which refuses it
    with tell_shapes(), torch.no_grad(), torch.fx.traceback.preserve_node_meta():
        return torch.export.export(ranked, program.example_inputs[0], strict=False), True


def _is_large(node: Any) -> bool:
    shape = getattr(node.meta.get("val"), "shape", ())
    return node.op == "call_function" and len(shape) > MOST


def _interpreter(module: Any) -> Any:
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    handlers = _handlers()

    class Interpreter(torch.fx.Interpreter):
        def run_node(self, n: Any) -> Any:
            self.node = n
            with torch.fx.traceback.set_current_meta(n):
                return super().run_node(n)

        def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            met = any(isinstance(leaf, Squeezed) for leaf in tree_leaves((args, kwargs)))
            if isinstance(target, torch._ops.OpOverload) and (met or _is_large(self.node)):
                handler = handlers.get(target.overloadpacket.__name__)
                if handler is None and torch.Tag.pointwise in target.tags:
                    handler = _pointwise
                result = NotImplemented if handler is None else handler(target, self.node, args, kwargs)
                if result is not NotImplemented:
                    return result
                args, kwargs = tree_map(_whole, (args, kwargs))
            return super().call_function(target, args, kwargs)

        def output(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return super().output(target, tree_map(_whole, args), kwargs)

    return Interpreter(module)


def _whole(value: Any) -> Any:
    return value.tensor.unsqueeze(0) if isinstance(value, Squeezed) else value


def _inner(value: Any) -> Any:
    return value.tensor if isinstance(value, Squeezed) else value


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _given_back(tensor: Any, node: Any) -> Any:
    """A result without its first dimension, as the op's own result."""
    return Squeezed(tensor) if _is_large(node) else tensor.reshape(_shape(node))


def _pointwise(target: Any, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Smaller operands line up from the right, so that they fit as they are."""
    from torch.utils._pytree import tree_map

    if _shape(node)[0] != 1:
        return NotImplemented
    return _given_back(target(*tree_map(_inner, args), **tree_map(_inner, kwargs)), node)


def _reshape(_: Any, node: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
    shape = _shape(node)
    if _is_large(node):
        return Squeezed(_inner(args[0]).reshape(shape[1:])) if shape[0] == 1 else NotImplemented
    return _inner(args[0]).reshape(shape)


def _expand(_: Any, node: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
    shape = _shape(node)
    x = args[0]
    if shape[0] != 1 or (not isinstance(x, Squeezed) and x.ndim == len(shape)):
        return NotImplemented
    return Squeezed(_inner(x).expand(shape[1:]))


def _permute(_: Any, node: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
    x, axes = args[0], [axis % len(_shape(node)) for axis in args[1]]
    if not isinstance(x, Squeezed) or axes[0] != 0:
        return NotImplemented
    return Squeezed(x.tensor.permute([axis - 1 for axis in axes[1:]]))


def _transpose(_: Any, node: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
    rank = len(_shape(node))
    axes = [axis % rank for axis in args[1:3]]
    if not isinstance(args[0], Squeezed) or 0 in axes:
        return NotImplemented
    return Squeezed(args[0].tensor.transpose(axes[0] - 1, axes[1] - 1))


def _along(axis_at: int, default: int = 0) -> Callable[..., Any]:
    """Ops of one tensor and one axis: the axis is counted one less."""

    def handle(target: Any, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        x = args[0]
        if not isinstance(x, Squeezed):
            return NotImplemented
        axis = (args[axis_at] if len(args) > axis_at else kwargs.get("dim", default)) % (x.tensor.ndim + 1)
        if axis == 0:
            return NotImplemented
        changed = list(args) + [default] * (axis_at + 1 - len(args))
        changed[0], changed[axis_at] = x.tensor, axis - 1
        result = target(*changed, **{key: value for key, value in kwargs.items() if key != "dim"})
        value = node.meta["val"]
        if isinstance(value, Sequence):
            large = len(value[0].shape) > MOST
            return [Squeezed(each) if large else each.unsqueeze(0) for each in result]
        return _given_back(result, node)

    return handle


def _reduce(target: Any, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, axes = args[0], args[1] if len(args) > 1 else None
    if not isinstance(x, Squeezed) or not axes:
        return NotImplemented
    counted = [axis % (x.tensor.ndim + 1) for axis in ([axes] if isinstance(axes, int) else axes)]
    if 0 in counted:
        return NotImplemented
    return _given_back(target(x.tensor, [axis - 1 for axis in counted], *args[2:], **kwargs), node)


def _unsqueeze(_: Any, node: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
    shape = _shape(node)
    return Squeezed(_inner(args[0]).reshape(shape[1:])) if shape[0] == 1 else NotImplemented


def _join(new_axis: bool) -> Callable[..., Any]:
    """`cat` and `stack`."""

    def handle(target: Any, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        shape = _shape(node)
        axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % len(shape)
        if axis == 0 or shape[0] != 1:
            return NotImplemented
        inner = shape[1:] if not new_axis else tuple(size for at, size in enumerate(shape) if at not in (0, axis))
        parts = [_inner(part) for part in args[0]]
        if new_axis:
            parts = [part.reshape(inner) for part in parts]
        else:
            rest = math.prod(size for at, size in enumerate(inner) if at != axis - 1)
            parts = [part.reshape([*inner[: axis - 1], part.numel() // rest, *inner[axis:]]) for part in parts]
        return _given_back(target(parts, axis - 1), node)

    return handle


def _handlers() -> dict[str, Callable[..., Any]]:
    reshapes = ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze")
    kept = ("clone", "contiguous", "alias", "detach", "_to_copy", "to", "lift_fresh_copy", "dropout")
    one_axis = ("select", "slice", "narrow", "softmax", "_softmax", "log_softmax", "unbind", "cumsum")
    return {
        **dict.fromkeys(reshapes, _reshape),
        **dict.fromkeys(kept, _pointwise),
        **dict.fromkeys(one_axis, _along(1)),
        **dict.fromkeys(("split", "split_with_sizes", "chunk", "unsafe_split"), _along(2)),
        **dict.fromkeys(("sum", "mean", "amax", "amin", "var", "std", "prod", "logsumexp"), _reduce),
        "matmul": _pointwise,
        "permute": _permute,
        "transpose": _transpose,
        "expand": _expand,
        "unsqueeze": _unsqueeze,
        "cat": _join(new_axis=False),
        "stack": _join(new_axis=True),
    }

"""Ops on values that a mask picked: what is done row by row, and what is gathered over the values that count.

Each rule takes the graph's node and the op's arguments, and gives `NotImplemented` where it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.masked import Masked, is_open

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node


def list_rules() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    along = (
        *(aten.select.int, aten.slice.Tensor, aten.unbind.int, aten.squeeze.dim, aten.split.Tensor),
        *(aten.chunk.default, aten.softmax.int, aten._softmax.default, aten.log_softmax.int, aten.cumsum.default),
        *(aten.narrow.default, aten.split_with_sizes.default, aten.glu.default, aten.topk.default, aten.flip.default),
    )
    whole = (
        *(aten.clone.default, aten.contiguous.default, aten.alias.default, aten.detach.default, aten.to.dtype),
        *(aten._to_copy.default, aten.lift_fresh_copy.default, aten.dropout.default, aten.to.dtype_layout),
    )
    shaped = (aten.view.default, aten.reshape.default, aten._unsafe_view.default)
    moved = (aten.unsqueeze.default, aten.permute.default, aten.transpose.int, aten.t.default, aten.squeeze.default)
    rows = (aten.linear.default, aten.matmul.default, aten.mm.default)
    return {
        **dict.fromkeys(along, _along),
        **dict.fromkeys((*whole, *moved), _kept),
        **dict.fromkeys(shaped, _view),
        **dict.fromkeys(rows, _rows),
        aten.addmm.default: _addmm,
        aten.layer_norm.default: _layer_norm,
        aten.sum.default: lambda _, x, **kwargs: _total(x, None, **kwargs),
        aten.sum.dim_IntList: lambda _, x, dim=None, keepdim=False, **kwargs: _total(x, dim, keepdim, **kwargs),
        aten.mean.default: lambda _, x, **kwargs: _mean(x, None, **kwargs),
        aten.mean.dim: lambda _, x, dim=None, keepdim=False, **kwargs: _mean(x, dim, keepdim, **kwargs),
        aten.std.correction: _std,
        aten.var.correction: _var,
        aten.std.default: lambda _, x, unbiased=True: _spread(x, None, int(unbiased)).sqrt(),
        aten.var.default: lambda _, x, unbiased=True: _spread(x, None, int(unbiased)),
        aten.std.dim: lambda _, x, dim, unbiased=True, keepdim=False: _spread(x, dim, int(unbiased), keepdim).sqrt(),
        aten.var.dim: lambda _, x, dim, unbiased=True, keepdim=False: _spread(x, dim, int(unbiased), keepdim),
        aten.max.default: lambda _, x: _extreme(x, None, False, "amax"),
        aten.min.default: lambda _, x: _extreme(x, None, False, "amin"),
        aten.amax.default: lambda _, x, dim=(), keepdim=False: _extreme(x, dim, keepdim, "amax"),
        aten.amin.default: lambda _, x, dim=(), keepdim=False: _extreme(x, dim, keepdim, "amin"),
        aten.prod.default: lambda _, x, **kwargs: x.fill(1).prod(**kwargs),
        aten.any.default: lambda _, x: x.fill(False).any(),
        aten.all.default: lambda _, x: x.fill(True).all(),
    }


def _result_axis(node: Node) -> int | None:
    """Where among the axes of what a node gives the one stands whose size depends on the data."""
    value: Any = node.meta.get("val")
    first = value[0] if isinstance(value, list | tuple) else value
    open_axes = [axis for axis, size in enumerate(first.shape) if is_open(size)]
    return open_axes[0] if len(open_axes) == 1 else None


def _wrap(node: Node, x: Masked, result: Any) -> Any:
    axis = _result_axis(node)
    if axis is None:
        return NotImplemented
    if isinstance(result, list | tuple):
        return [x.of(one, axis) for one in result]
    return x.of(result, axis)


def _kept(node: Node, x: Any, *args: Any, **kwargs: Any) -> Any:
    target: Any = node.target
    result = _wrap(node, x, target(x.values, *args, **kwargs))
    if x.coordinate is None or not isinstance(result, Masked) or result.values.numel() != x.values.numel():
        return result
    return replace(x, values=result.values, axis=result.axis)


def _along(node: Node, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Ops along an axis that is none of the values' own."""
    if not isinstance(x, Masked):
        return NotImplemented
    target: Any = node.target
    schema = target._schema.arguments
    values = {one.name: one.default_value for one in schema}
    values |= {one.name: value for one, value in zip(schema[1:], args, strict=False)} | kwargs
    dims = values.get("dim", values.get("dims"))
    dims = [dims] if isinstance(dims, int) else dims or []
    if any(dim % x.values.ndim == x.axis for dim in dims):
        name = target._schema.name.rpartition("::")[2]
        if name == "cumsum":
            return x.of(target(x.fill(0), *args, **kwargs), x.axis)
        if name in ("softmax", "_softmax", "log_softmax"):
            return x.of(target(x.fill(_lowest(x.values)), *args, **kwargs), x.axis)
        return NotImplemented
    result = _wrap(node, x, target(x.values, *args, **kwargs))
    unbound = isinstance(result, list) and name_of(target) == "unbind" and x.values.ndim == 2
    places = unbound and len(result) == len(x.grid)
    return [_place(one, number) for number, one in enumerate(result)] if places else result


def name_of(target: Any) -> str:
    """An op's name without namespace and overload."""
    return str(target._schema.name.rpartition("::")[2])


def _place(one: Masked, number: int) -> Masked:
    return replace(one, coordinate=number)


def _view(node: Node, x: Any, *_: Any) -> Any:
    axis = _result_axis(node)
    if axis is None or not isinstance(x, Masked):
        return NotImplemented
    value: Any = node.meta["val"]
    shape = [x.values.shape[x.axis] if at == axis else size for at, size in enumerate(value.shape)]
    if is_open(shape) or math.prod(shape[:axis]) != math.prod(x.values.shape[: x.axis]):
        return NotImplemented
    result = x.of(x.values.reshape(shape), axis)
    return _place(result, x.coordinate) if x.coordinate is not None and result.values.ndim == 1 else result


def _rows(node: Node, x: Any, *args: Any) -> Any:
    """Products of rows, each of which is a value that counts or does not."""
    if not isinstance(x, Masked) or x.axis == x.values.ndim - 1 or any(isinstance(one, Masked) for one in args):
        return NotImplemented
    target: Any = node.target
    return _wrap(node, x, target(x.values, *args))


def _addmm(node: Node, bias: Any, x: Any, weight: Any, **kwargs: Any) -> Any:
    import torch

    if (
        not isinstance(x, Masked)
        or x.axis != 0
        or isinstance(bias, Masked)
        or isinstance(weight, Masked)
        or bias.ndim > 1
    ):
        return NotImplemented
    return _wrap(node, x, torch.ops.aten.addmm.default(bias, x.values, weight, **kwargs))


def _layer_norm(node: Node, x: Masked, shape: Sequence[int], *args: Any) -> Any:
    import torch

    if not isinstance(x, Masked) or x.axis >= x.values.ndim - len(shape):
        return NotImplemented
    return _wrap(node, x, torch.ops.aten.layer_norm.default(x.values, shape, *args))


def _axes(x: Masked, dim: Any) -> list[int]:
    every = list(range(x.values.ndim))
    if dim is None or dim == [] or dim == ():
        return every
    return [one % x.values.ndim for one in ([dim] if isinstance(dim, int) else dim)]


def _finish(x: Masked, axes: Sequence[int], keepdim: bool, result: Tensor) -> Any:
    """A result as it is where the values' own axis was gathered, else with what remains of that axis."""
    if x.axis in axes:
        return result
    return x.of(result, x.axis if keepdim else x.axis - sum(axis < x.axis for axis in axes))


def _total(x: Masked, dim: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axes = _axes(x, dim)
    return _finish(x, axes, keepdim, x.fill(0).sum(axes, keepdim, **kwargs))


def _counted(x: Masked, axes: Sequence[int]) -> Tensor:
    """How many values are gathered into one, as a float."""
    others = math.prod(x.values.shape[axis] for axis in axes if axis != x.axis)
    return x.count().to(x.values.dtype) * others


def _mean(x: Masked, dim: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axes = _axes(x, dim)
    if x.axis not in axes:
        return _finish(x, axes, keepdim, x.values.mean(axes, keepdim, **kwargs))
    return x.fill(0).sum(axes, keepdim, **kwargs) / _counted(x, axes)


def _std(_: Node, x: Masked, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    found = _spread(x, dim, 1 if correction is None else correction, keepdim)
    return found.of(found.values.sqrt(), found.axis) if isinstance(found, Masked) else found.sqrt()


def _var(_: Node, x: Masked, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    return _spread(x, dim, 1 if correction is None else correction, keepdim)


def _spread(x: Masked, dim: Any, correction: Any, keepdim: bool = False) -> Any:
    axes = _axes(x, dim)
    if x.axis not in axes:
        return _finish(x, axes, keepdim, x.values.var(axes, correction=correction, keepdim=keepdim))
    off = x.of(x.values - x.fill(0).sum(axes, True) / _counted(x, axes), x.axis)
    squares = x.of(off.values * off.values, x.axis)
    return squares.fill(0).sum(axes, keepdim) / (_counted(x, axes) - correction)


def _extreme(x: Masked, dim: Any, keepdim: bool, kind: str) -> Any:
    axes = _axes(x, dim)
    neutral = _lowest(x.values) if kind == "amax" else _highest(x.values)
    values = x.fill(neutral) if x.axis in axes else x.values
    return _finish(x, axes, keepdim, getattr(values, kind)(axes, keepdim))


def _lowest(values: Tensor) -> Any:
    import torch

    return torch.finfo(values.dtype).min if values.is_floating_point() else torch.iinfo(values.dtype).min


def _highest(values: Tensor) -> Any:
    import torch

    return torch.finfo(values.dtype).max if values.is_floating_point() else torch.iinfo(values.dtype).max

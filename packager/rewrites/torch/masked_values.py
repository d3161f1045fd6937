"""Values that a mask picks, as all values and the mask.

Replaces: `x[mask]`, `masked_select` and `nonzero`, and every op listed below that takes what they gave.
Why: how many values there are depends on the data, and both formats have fixed sizes.
Given: such an op. Result: a `Masked`: all values and which of them count. Ops that treat each value, or each row, by
    itself run on all of them; sums, means, extremes and running sums leave out what does not count; what is written
    back through the same mask is chosen by `where`.
Equal because: what is computed of a value that does not count is never used, and the others are computed as ever. A sum
    adds zeros more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError
from packager.rewrites.torch.masked import Masked
from packager.rewrites.torch.masked_ops import list_rules
from packager.rewrites.torch.open_numbers import follow_number
from packager.rewrites.torch.source_lines import source_line

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "masked_values"


class UnfollowedError(PackagingError):
    """An op needs to know how many values there are."""


def find_masked(values: Any) -> list[Masked]:
    """All that are somewhere in an op's arguments."""
    from torch.utils._pytree import tree_leaves

    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Masked)]


def follow(node: Node, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a node gives whose result, or one of whose arguments, is as large as the data say.

    Returns:
        A tensor, a `Masked`, or several; `NotImplemented` where the node is none of those.

    Raises:
        UnfollowedError: No form of fixed size is known here.
    """
    import torch

    aten = torch.ops.aten
    masked = find_masked((args, kwargs))
    if not masked:
        makers: dict[Any, Callable[..., Any]] = {
            aten.index.Tensor: _index,
            aten.masked_select.default: _masked_select,
            aten.nonzero.default: _nonzero,
            aten.nonzero_numpy.default: _nonzero_numpy,
            aten.where.default: _nonzero_numpy,
        }
        maker = makers.get(target)
        made = NotImplemented if maker is None else maker(node, *args, **kwargs)
        return follow_number(target, args, kwargs) if made is NotImplemented else made
    rule = _rules().get(target)
    if rule is not None:
        result = rule(node, *args, **kwargs)
        if result is not NotImplemented:
            return result
    elif torch.Tag.pointwise in getattr(target, "tags", ()) and not target._schema.is_mutable:
        return _each(target, masked, args, kwargs)
    raise UnfollowedError(f"{target} has no form here that leaves their number open")


def _is_mask(index: Any) -> bool:
    import torch

    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


def _index(node: Node, x: Tensor, indices: Sequence[Any]) -> Any:
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    if len(axes) != 1 or not _is_mask(indices[axes[0]]):
        return NotImplemented
    axis, mask = axes[0], indices[axes[0]].bool()
    source: Any = node.args[1]
    values = x.flatten(axis, axis + mask.ndim - 1) if mask.ndim else x.unsqueeze(axis)
    return Masked(values, mask.reshape(-1), axis, source[axis], tuple(mask.shape), node)


def _masked_select(node: Node, x: Tensor, mask: Tensor) -> Masked:
    import torch

    spread: Callable[..., Any] = torch.broadcast_tensors
    values, wide = spread(x, mask)
    source: Any = node.args[1]
    return Masked(values.reshape(-1), wide.reshape(-1), 0, source, tuple(wide.shape), node)


def _nonzero(node: Node, x: Tensor) -> Masked:
    import torch

    mask = x if x.dtype == torch.bool else x != 0
    places = torch.from_numpy(_places(tuple(x.shape)).copy())
    source: Any = node.args[0]
    return Masked(places, mask.reshape(-1), 0, source, tuple(x.shape), node, 0 if x.ndim == 1 else None)


def _nonzero_numpy(node: Node, x: Tensor) -> list[Masked]:
    found = _nonzero(node, x)
    return [replace(found, values=found.values[:, axis], coordinate=axis) for axis in range(max(1, x.ndim))]


def _places(shape: tuple[int, ...]) -> Any:
    """(n, axis): the places along each axis of all cells of a grid, row by row."""
    import numpy as np

    return np.indices(shape).reshape(len(shape), -1).T.astype(np.int64)


def _same_mask(a: Masked, b: Masked) -> bool:
    return a.grid == b.grid and (a.mask is b.mask or same_node(a.source, b.source))


def same_node(a: Any, b: Any) -> bool:
    """Whether two nodes of a graph without writes compute the same of the same."""
    from torch.fx import Node

    if a is b:
        return True
    if isinstance(a, Node) and isinstance(b, Node):
        alike = a.op == b.op == "call_function" and a.target is b.target
        return alike and same_node(a.args, b.args) and same_node(dict(a.kwargs), dict(b.kwargs))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same_node, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_node(a[key], b[key]) for key in a)
    return type(a) is type(b) and not isinstance(a, Node) and bool(a == b)


def _each(target: Any, masked: Sequence[Masked], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Masked:
    """An op that treats each value by itself."""
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    first = masked[0]
    behind = first.values.ndim - first.axis
    for one in masked[1:]:
        if not _same_mask(first, one) or one.values.ndim - one.axis != behind:
            raise UnfollowedError(f"{target} takes values that different masks picked")
    for leaf in tree_leaves((args, kwargs)):
        if isinstance(leaf, torch.Tensor) and leaf.ndim >= behind and leaf.shape[-behind] != 1:
            raise UnfollowedError(f"{target} lays values that a mask picked beside others")
    bare = tree_map(lambda leaf: leaf.values if isinstance(leaf, Masked) else leaf, (args, kwargs))
    result = target(*bare[0], **bare[1])
    return first.of(result, result.ndim - behind)


def _rules() -> dict[Any, Callable[..., Any]]:
    """What is done instead of ops that take values which a mask picked, by op."""
    import torch

    aten = torch.ops.aten
    return {
        **list_rules(),
        aten.index.Tensor: _gather,
        aten.index_select.default: _index_select,
        aten.index_put.default: _put,
        aten.index_add.default: _index_add,
        aten.embedding.default: lambda node, table, index, *_: _gather(node, table, [index]),
        aten.sym_size.int: lambda _, x, dim: x.count() if dim % x.values.ndim == x.axis else x.values.shape[dim],
        aten.sym_numel.default: lambda _, x: x.count() * (x.values.numel() // x.values.shape[x.axis]),
        aten._assert_tensor_metadata.default: lambda *_, **__: None,
        operator.getitem: lambda _, several, index: several[index],
    }


def _gather(_: Node, x: Any, indices: Sequence[Any]) -> Any:
    """Values at places of which only some count: all places are within the tensor, so all are read."""
    import torch

    if isinstance(x, Masked):
        return NotImplemented
    masked = find_masked(indices)
    first = masked[0]
    if any(not _same_mask(first, one) or one.values.ndim != 1 for one in masked) or any(map(_is_mask, indices)):
        return NotImplemented
    plain = [index.values if isinstance(index, Masked) else index for index in indices]
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    if len(axes) == 1:
        return first.of(x.index_select(axes[0], plain[axes[0]]), axes[0])
    side_by_side = axes == list(range(axes[0], axes[0] + len(axes)))
    if any(one is not None and one.numel() != 1 and one.shape != first.values.shape for one in plain):
        return NotImplemented
    return first.of(torch.ops.aten.index.Tensor(x, plain), axes[0] if side_by_side else 0)


def _index_select(node: Node, x: Any, dim: int, index: Any) -> Any:
    if isinstance(x, Masked):
        return NotImplemented
    return _gather(node, x, [*[None] * (dim % x.ndim), index])


def _put(node: Node, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """What is written through a mask: to all places that it lets through, and to no others."""
    import torch

    if isinstance(x, Masked):
        return NotImplemented
    places = find_masked(indices)
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    if not places:
        if len(axes) != 1 or not _is_mask(indices[axes[0]]) or not isinstance(values, Masked):
            return NotImplemented
        source: Any = node.args[1]
        mask = indices[axes[0]].bool()
        whole = Masked(values.values, mask.reshape(-1), axes[0], source[axes[0]], tuple(mask.shape), node)
        return _choose(x, whole, values, accumulate)
    first = places[0]
    if any(not _same_mask(first, one) for one in places) or len(places) != len(axes):
        return NotImplemented
    covered = [one.coordinate for one in places] == list(range(len(first.grid)))
    within = tuple(x.shape[axes[0] : axes[0] + len(first.grid)]) == first.grid
    if covered and within and axes == list(range(axes[0], axes[0] + len(axes))):
        return _choose(x, replace(first, axis=axes[0]), values, accumulate)
    if not accumulate or not isinstance(values, Masked) or not _same_mask(first, values):
        return NotImplemented
    added = torch.where(values.weigh(), values.values, torch.zeros((), dtype=values.values.dtype))
    return torch.ops.aten.index_put.default(x, [_bare(index) for index in indices], added, True)


def _choose(x: Tensor, places: Masked, values: Any, accumulate: bool) -> Any:
    import torch

    axis, count = places.axis, len(places.grid)
    mask = places.mask.reshape(*places.grid, *[1] * (x.ndim - axis - count))
    if isinstance(values, Masked):
        if not _same_mask(places, values) or values.values.ndim - values.axis != x.ndim - axis - count + 1:
            return NotImplemented
        new = values.values.reshape(
            *values.values.shape[: values.axis], *places.grid, *values.values.shape[values.axis + 1 :]
        )
    else:
        new = spread_values(values, x.ndim - axis - count, count)
    new = new.to(x.dtype)
    return torch.where(mask, x + new if accumulate else new, x)


def spread_values(values: Tensor, behind: int, count: int) -> Tensor:
    """What is written to every place that a mask lets through, in a shape that can be laid over the tensor.

    Args:
        values: Numbers of which the axes `behind` the mask's may differ, and none along it.
        behind: How many axes of the tensor come after those of the mask.
        count: How many axes the mask has.

    Raises:
        UnfollowedError: There is one for each place, and how many places there are depends on the data.
    """
    if values.ndim <= behind:
        return values
    if values.shape[-behind - 1] != 1:
        raise UnfollowedError("one value a place is written to places whose number depends on the data")
    shape = values.shape
    return values.reshape(*shape[: values.ndim - behind - 1], *[1] * count, *shape[values.ndim - behind :])


def _index_add(_: Node, x: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    import torch

    if isinstance(x, Masked) or not isinstance(index, Masked) or not isinstance(source, Masked):
        return NotImplemented
    if not _same_mask(index, source) or source.axis != dim % x.ndim:
        return NotImplemented
    return torch.ops.aten.index_add.default(x, dim, index.values, source.fill(0), alpha=alpha)


def _bare(value: Any) -> Any:
    return value.values if isinstance(value, Masked) else value


def explain_open(maker: Node, reason: str = "") -> str:
    """One line on a size that depends on the data: which op made it so, where, and what to write instead.

    Args:
        maker: The op's node.
        reason: What needs a fixed size, where that is known.
    """
    needed = f", and {reason}" if reason else ""
    return (
        f"how large a result is depends on the data ({maker.target} at {source_line(maker)}){needed}: {_advice(maker)}"
    )


def _advice(node: Node) -> str:
    """What has a fixed size instead."""
    if "repeat_interleave" in str(node.target):
        return "say output_size, a fixed number of frames, and mask those that are too many"
    if any(word in str(node.target) for word in ("item", "_local_scalar_dense")):
        return "leave it a tensor; sizes can depend on shapes alone"
    if any(word in str(node.target) for word in ("nonzero", "where", "index", "masked_select")):
        return "keep all values and choose by torch.where, or multiply with the mask"
    if "bincount" in str(node.target):
        return "say minlength, how many bins there are at most"
    return "give it a fixed size, and mask what is too much"

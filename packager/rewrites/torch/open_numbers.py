"""Numbers that are known at run time only: taken out of a tensor by `item()`, or how many values a mask picks.

A graph has them as symbols. Here each is a tensor without dimensions, with which most ops compute alike; where one says
which part of a tensor is taken (`x[n]`), that is a gather.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def follow_number(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an op gives of such numbers, or `NotImplemented` where it takes and gives none.

    Args:
        target: The op.
        args: Its arguments.
        kwargs: Likewise, by name.
    """
    import torch

    aten = torch.ops.aten
    if target in (aten._assert_scalar.default, aten.sym_constrain_range_for_size.default):
        return None
    if target in (aten.sym_constrain_range.default, aten._assert_async.msg):
        return None
    if target in (aten.item.default, aten._local_scalar_dense.default):
        return args[0].reshape(()) if args[0].ndim else args[0]
    given = [isinstance(one, torch.Tensor) and not one.ndim for one in args]
    if target is torch.sym_float and any(given):
        return args[0].to(torch.float32)
    if any(given[1:]) and isinstance(target, torch._ops.OpOverload):
        if target is aten.select.int:
            return _select(*args)
        if target._overloadname == "Scalar":
            return getattr(aten, target._schema.name.rpartition("::")[2]).Tensor(*args, **kwargs)
    return NotImplemented


def _place(x: Tensor, dim: int, index: Any) -> Any:
    import torch

    return torch.where(index < 0, index + x.shape[dim], index)


def _select(x: Tensor, dim: int, index: Any) -> Tensor:
    return x.index_select(dim, _place(x, dim, index.reshape(1))).squeeze(dim)

"""Variance, deviation, range and product of a whole tensor or an axis, by ops that both formats have right.

Replaces: `std` and `var` of all elements, `var_mean` and `std_mean`, `aminmax`, `prod` along an axis, `nansum`, and
    `sum` of truth values.
Why: coremltools 9.0 divides by n where torch divides by n - 1 if no axis is named, without a word,
    counts truth values in floats, by which nothing can be indexed, and lacks the rest.
Given: such an op. Result: the same op along one axis of the flattened tensor; the parts apart; products by halves; a
    sum of whole numbers.
Equal because: flattening moves no value; a product by halves is rounded in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "statistics"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.std.default: lambda x, unbiased=True: torch.std(x.reshape(-1), 0, correction=int(unbiased)),
        aten.var.default: lambda x, unbiased=True: torch.var(x.reshape(-1), 0, correction=int(unbiased)),
        aten.std.correction: lambda x, dim=None, **k: _flat(torch.std, x, dim, k),
        aten.var.correction: lambda x, dim=None, **k: _flat(torch.var, x, dim, k),
        aten.var_mean.dim: lambda x, dim, unbiased=True, keepdim=False: _with_mean(
            torch.var, x, dim, {"correction": int(unbiased), "keepdim": keepdim}
        ),
        aten.std_mean.dim: lambda x, dim, unbiased=True, keepdim=False: _with_mean(
            torch.std, x, dim, {"correction": int(unbiased), "keepdim": keepdim}
        ),
        aten.var_mean.default: lambda x, unbiased=True: _with_mean(torch.var, x, None, {"correction": int(unbiased)}),
        aten.std_mean.default: lambda x, unbiased=True: _with_mean(torch.std, x, None, {"correction": int(unbiased)}),
        aten.var_mean.correction: lambda x, dim=None, **k: _with_mean(torch.var, x, dim, k),
        aten.std_mean.correction: lambda x, dim=None, **k: _with_mean(torch.std, x, dim, k),
        aten.aminmax.default: _aminmax,
        aten.prod.dim_int: _prod,
        aten.prod.default: lambda x, **k: _prod(x.reshape(-1), 0, **k),
        aten.nansum.default: _nansum,
        aten.sum.default: lambda x, **_: x.to(torch.int64).sum(),
        aten.sum.dim_IntList: lambda x, dim, keepdim=False, **_: x.to(torch.int64).sum(dim, keepdim),
    }


def wanted(node: Node) -> bool:
    """All of them but deviations along named axes, and sums of anything but truth values."""
    name = str(node.target)
    if name.startswith("aten.sum."):
        x: Any = node.args[0]
        return str(x.meta["val"].dtype) == "torch.bool" and node.kwargs.get("dtype") is None
    if name in ("aten.std.correction", "aten.var.correction"):
        dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        return dim is None or dim == []
    return True


def _flat(call: Callable[..., Any], x: Tensor, dim: Any, keywords: dict[str, Any]) -> Any:
    if dim is not None and dim != []:
        return NotImplemented
    keepdim = keywords.pop("keepdim", False)
    result = call(x.reshape(-1), 0, **keywords)
    return result.reshape([1] * x.ndim) if keepdim else result


def _with_mean(call: Callable[..., Any], x: Tensor, dim: Any, keywords: dict[str, Any]) -> Any:
    if (dim is None or dim == []) and not keywords.get("keepdim"):
        x, dim = x.reshape(-1), [0]
    dim = list(range(x.ndim)) if dim is None or dim == [] else dim
    return call(x, dim, **keywords), x.mean(dim, keepdim=keywords.get("keepdim", False))


def _aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    import torch

    if dim is None and not keepdim:
        return x.reshape(-1).amin(0), x.reshape(-1).amax(0)
    axes: Any = dim if dim is not None else list(range(x.ndim))
    return torch.amin(x, axes, keepdim), torch.amax(x, axes, keepdim)


def _prod(x: Tensor, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    rest: list[Tensor] = []
    while x.shape[dim] > 1:
        half = x.shape[dim] // 2
        if x.shape[dim] % 2:
            rest.append(x.narrow(dim, 2 * half, 1))
        x = x.narrow(dim, 0, half) * x.narrow(dim, half, half)
    for part in rest:
        x = x * part
    return x if keepdim else x.squeeze(dim)


def _nansum(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    import torch

    known = torch.where(torch.isnan(x), torch.zeros((), dtype=x.dtype), x)
    return torch.sum(known, list(range(x.ndim)) if dim is None else dim, keepdim, dtype=dtype)

"""How many values there are of each kind, and shifts of whole numbers.

Replaces: `bincount` with `minlength`, `histc`, shifts by a number or a tensor, and `vander`.
Why: neither converter has them; how many bins `bincount` gives depends on the data.
Given: such an op. Result: values compared with each bin and added up; products with and quotients by powers of two.
Equal because: it is the definition. `bincount` gives `minlength` bins: torch gives more where a value is beyond them,
    and so does not the bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "counting"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    left = (aten.__lshift__.Scalar, aten.__lshift__.Tensor, aten.bitwise_left_shift.Tensor)
    right = (aten.__rshift__.Scalar, aten.__rshift__.Tensor, aten.bitwise_right_shift.Tensor)
    return {
        aten.bincount.default: _bincount,
        aten.histc.default: _histc,
        **dict.fromkeys((*left, aten.bitwise_left_shift.Tensor_Scalar), lambda x, n: x * _power(x, n)),
        **dict.fromkeys(
            (*right, aten.bitwise_right_shift.Tensor_Scalar),
            lambda x, n: torch.div(x, _power(x, n), rounding_mode="floor"),
        ),
        aten.linalg_vander.default: _vander,
        aten.vander.default: _falling,
    }


def _power(x: Tensor, n: Any) -> Any:
    """2 to the n."""
    import torch

    if isinstance(n, int | float):
        return 2 ** int(n)
    return torch.where(n == 0, 1, torch.exp2(n.to(torch.float32)).round().to(x.dtype)).to(x.dtype)


def _bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Any:
    import torch

    if not minlength:
        return NotImplemented
    hits = x[:, None] == torch.arange(minlength, dtype=x.dtype)
    if weights is None:
        return hits.to(torch.int64).sum(0)
    return torch.where(hits, weights[:, None], torch.zeros((), dtype=weights.dtype)).sum(0)


def _histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:  # noqa: A002  torch's names
    import torch

    x = x.reshape(-1)
    least, most = torch.tensor(float(min), dtype=x.dtype), torch.tensor(float(max), dtype=x.dtype)
    if min == max == 0:
        least, most = x.min(), x.max()
    equal = least == most
    least, most = torch.where(equal, least - 1, least), torch.where(equal, most + 1, most)
    place = torch.floor((x - least) * bins / (most - least))
    place = torch.minimum(place, torch.tensor(bins - 1, dtype=x.dtype))
    inside = (x >= least) & (x <= most)
    hits = (place[:, None] == torch.arange(bins, dtype=x.dtype)) & inside[:, None]
    return hits.to(x.dtype).sum(0)


def _falling(x: Tensor, count: int | None = None, increasing: bool = False) -> Tensor:
    found = _vander(x, N=x.shape[-1] if count is None else count)
    return found if increasing else found.flip(-1)


def _vander(x: Tensor, *, N: int | None = None) -> Tensor:  # noqa: N803  torch's name
    import torch

    count = x.shape[-1] if N is None else N
    rows = [torch.ones_like(x)]
    for _ in range(1, count):
        rows.append(rows[-1] * x)
    return torch.stack(rows[:count], -1)

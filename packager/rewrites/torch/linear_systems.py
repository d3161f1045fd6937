"""Systems of linear equations by elimination, as beamformers need them.

Replaces: `torch.linalg.solve`, `inv`, `det`, `cholesky` and the ops they decompose to, of real and complex matrices up
    to 32 rows.
Why: neither converter has them.
Given: A x = b. Result: Gauss and Jordan's elimination, unrolled, with the largest pivot of each column moved up; a
    complex system as a real one of twice the rows, [[real, -imag], [imag, real]].
Equal because: it solves the same system. Rounding differs from LAPACK's by a factor near the matrix's condition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError
from packager.rewrites.torch.complex_numbers import Complex, is_complex

if TYPE_CHECKING:
    from torch import Tensor

NAME = "linear_systems"

MOST_ROWS = 32
"""more would be thousands of ops"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.linalg_solve.default: _solve,
        aten.linalg_solve_ex.default: lambda a, b, *, left=True, check_errors=False: (_solve(a, b, left=left), None),  # noqa: ARG005
        aten._linalg_solve_ex.default: lambda a, b, **k: (_solve(a, b, left=k.get("left", True)), None, None, None),
        aten.linalg_inv.default: _inverse,
        aten.inverse.default: _inverse,
        aten.linalg_inv_ex.default: lambda a, **_: (_inverse(a), None),
        aten.linalg_det.default: _determinant,
        aten.det.default: _determinant,
        aten.linalg_cholesky.default: _cholesky,
        aten.cholesky.default: _cholesky,
        aten.linalg_cholesky_ex.default: lambda a, **k: (_cholesky(a, k.get("upper", False)), None),
    }


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """All but determinants and Cholesky's factors."""
    import torch

    aten = torch.ops.aten
    real_only = {aten.linalg_cholesky.default, aten.cholesky.default, aten.linalg_cholesky_ex.default}
    return {op: call for op, call in replacements().items() if call is not _determinant and op not in real_only}


def _cholesky(a: Tensor, upper: bool = False) -> Any:
    """The factor of a symmetric positive matrix, column by column."""
    import torch

    rows = a.shape[-1]
    if rows > MOST_ROWS or a.is_complex():
        return NotImplemented
    a = a.mT if upper else a
    columns: list[Tensor] = []
    for at in range(rows):
        column = a[..., at:, at]
        if columns:
            done = torch.stack(columns, -1)[..., at:, :]
            column = column - (done * done[..., :1, :]).sum(-1)
        column = column / torch.sqrt(column[..., :1])
        columns.append(torch.nn.functional.pad(column, (at, 0)))
    found = torch.stack(columns, -1)
    return found.mT if upper else found


def _solve(a: Any, b: Any, *, left: bool = True) -> Any:
    if not left:
        return _swapped(_solve(_swapped(a), _swapped(b)))
    vector = len(b.shape) == 1 or (len(b.shape) == len(a.shape) - 1 and tuple(b.shape) == tuple(a.shape[:-1]))
    if vector:
        return _each(lambda part: part.squeeze(-1), _solve(a, _each(lambda part: part.unsqueeze(-1), b)))
    if not is_complex(a) and not is_complex(b):
        return _eliminate(a, b)[0]
    rows = a.shape[-1]
    found = _eliminate(_as_blocks(a), _stacked(b))[0]
    return Complex(found[..., :rows, :], found[..., rows:, :])


def _inverse(a: Any) -> Any:
    import torch

    unit = torch.eye(a.shape[-1], dtype=a.real.dtype if is_complex(a) else a.dtype)
    return _solve(a, unit.expand(a.shape) if not is_complex(a) else Complex(unit, torch.zeros_like(unit)))


def _determinant(a: Tensor) -> Tensor:
    return _eliminate(a, a[..., :0])[1]


def _each(call: Callable[[Any], Any], value: Any) -> Any:
    return Complex(call(value.real), call(value.imag)) if is_complex(value) else call(value)


def _swapped(value: Any) -> Any:
    return _each(lambda part: part.transpose(-1, -2), value)


def _as_blocks(a: Any) -> Tensor:
    import torch

    real, imag = (a.real, a.imag) if is_complex(a) else (a, torch.zeros_like(a))
    return torch.cat([torch.cat([real, -imag], -1), torch.cat([imag, real], -1)], -2)


def _stacked(b: Any) -> Tensor:
    import torch

    return torch.cat([b.real, b.imag] if is_complex(b) else [b, torch.zeros_like(b)], -2)


def _eliminate(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The solution and the determinant."""
    import torch

    rows = a.shape[-1]
    if rows > MOST_ROWS:
        raise PackagingError(f"a system of {rows} equations; up to {MOST_ROWS} are solved")
    if b.shape[:-2] != a.shape[:-2]:
        b = b.expand(*a.shape[:-2], *b.shape[-2:])
    both = torch.cat([a, b], -1)
    determinant = torch.ones((), dtype=a.dtype)
    for row in range(rows):
        both, pivot, sign = _with_largest_pivot(both, row)
        value = pivot[..., row : row + 1]
        determinant = determinant * value.squeeze(-1) * sign
        pivot = (pivot / value).unsqueeze(-2)
        above, below = both[..., :row, :], both[..., row + 1 :, :]
        parts = [part - part[..., row : row + 1] * pivot for part in (above, below) if part.shape[-2]]
        parts.insert(1 if row else 0, pivot)
        both = torch.cat(parts, -2) if len(parts) > 1 else pivot
    return both[..., rows:], determinant


def _with_largest_pivot(both: Tensor, row: int) -> tuple[Tensor, Tensor, Any]:
    """Exchange a row with the one below that has the largest value in its column; gives that row, and the sign."""
    import torch

    rows = both.shape[-2]
    if row == rows - 1:
        return both, both[..., row, :], 1.0
    rest = both[..., row:, :]
    largest = rest[..., row].abs().argmax(-1, keepdim=True)
    chosen = (torch.arange(rows - row) == largest).unsqueeze(-1)  # (…, rows left, 1)
    pivot = torch.where(chosen, rest, torch.zeros((), dtype=both.dtype)).sum(-2)
    exchanged = torch.where(chosen, rest[..., :1, :], rest)[..., 1:, :]
    sign = torch.where(largest.squeeze(-1) == 0, 1.0, -1.0).to(both.dtype)
    return torch.cat([both[..., :row, :], pivot.unsqueeze(-2), exchanged], -2), pivot, sign

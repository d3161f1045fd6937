"""Fourier transforms of whole axes as products of real matrices.

Replaces: `aten.fft_*` (all of `torch.fft`) and the ops they decompose to, `_fft_r2c`, `_fft_c2r`, `_fft_c2c`.
Why: litert-torch 0.10 lowers only `_fft_r2c` of the last axis, to an op no delegate takes, and coremltools 9.0 only
    part of them.
Given: a transform along one or more axes. Result: one axis after the other by the matrices of `fourier.py`, with the
    axis cut or padded to the wanted length, and the scale that `norm` names.
Equal because: it is the definition; the sums are float32 as torch's are, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.axes import move_axis
from packager.rewrites.torch.complex_numbers import Complex, conjugate, is_complex
from packager.rewrites.torch.fourier import analyse, synthesise, transform

if TYPE_CHECKING:
    from torch import Tensor

NAME = "fft"

POWERS = {0: 0.0, 1: 0.5, 2: 1.0}
"""of 1 / n, by ATen's number of a normalisation"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """Those that take and give real tensors; transforms back to real ones may also be of real tensors."""
    import torch

    aten = torch.ops.aten
    shifts: dict[Any, Callable[..., Any]] = {
        aten.fft_fftshift.default: _shift,
        aten.fft_ifftshift.default: partial(_shift, back=True),
    }
    back = (aten.fft_irfft, aten.fft_hfft, aten.fft_irfft2, aten.fft_irfftn)
    return {**shifts, **{op.default: complex_replacements()[op.default] for op in back}}


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten._fft_r2c.default: _r2c,
        aten._fft_c2r.default: _c2r,
        aten._fft_c2c.default: _c2c,
        aten.fft_rfft.default: partial(_one, _rfft),
        aten.fft_irfft.default: partial(_one, _irfft),
        aten.fft_fft.default: partial(_one, _fft),
        aten.fft_ifft.default: partial(_one, _ifft),
        aten.fft_hfft.default: partial(_one, _hfft),
        aten.fft_ihfft.default: partial(_one, _ihfft),
        aten.fft_fft2.default: partial(_several, _fft, _fft, two=True),
        aten.fft_ifft2.default: partial(_several, _ifft, _ifft, two=True),
        aten.fft_fftn.default: partial(_several, _fft, _fft),
        aten.fft_ifftn.default: partial(_several, _ifft, _ifft),
        aten.fft_rfft2.default: partial(_several, _rfft, _fft, two=True),
        aten.fft_rfftn.default: partial(_several, _rfft, _fft),
        aten.fft_irfft2.default: partial(_several_back, two=True),
        aten.fft_irfftn.default: _several_back,
    }


def _shift(x: Tensor, dim: Sequence[int] | None = None, *, back: bool = False) -> Tensor:
    import torch

    for axis in range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim:
        size = x.shape[axis]
        at = size // 2 if back else (size + 1) // 2
        x = torch.cat([x.narrow(axis, at, size - at), x.narrow(axis, 0, at)], axis)
    return x


def _each(call: Callable[[Tensor], Tensor], x: Any) -> Any:
    return Complex(call(x.real), call(x.imag)) if is_complex(x) else call(x)


def _sized(x: Any, dim: int, size: int | None) -> Any:
    """Cut or pad an axis with zeros."""
    import torch

    have = x.shape[dim]
    if size is None or size == have:
        return x
    if size < have:
        return _each(lambda part: part.narrow(dim, 0, size), x)
    after = [0] * (2 * (len(x.shape) - dim % len(x.shape)))
    after[-1] = size - have
    return _each(lambda part: torch.nn.functional.pad(part, after), x)


def _as_complex(x: Any) -> Complex:
    import torch

    return x if is_complex(x) else Complex(x, torch.zeros_like(x))


def _scale(size: int, norm: str | None, *, forward: bool) -> float:
    if norm == "ortho":
        return float(size**-0.5)
    plain = (norm or "backward") == ("backward" if forward else "forward")
    return 1.0 if plain else 1 / size


def _forward_real(x: Tensor, dim: int, bins: int, scale: float) -> Complex:
    result = analyse(move_axis(_floating(x), dim, -1), bins)
    scaled = result if scale == 1 else Complex(result.real * scale, result.imag * scale)
    return Complex(move_axis(scaled.real, -1, dim), move_axis(scaled.imag, -1, dim))


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


def _both_complex(x: Complex, dim: int, *, forward: bool, scale: float) -> Complex:
    moved = Complex(move_axis(x.real, dim, -1), move_axis(x.imag, dim, -1))
    result = transform(moved, forward=forward, scale=scale)
    return Complex(move_axis(result.real, -1, dim), move_axis(result.imag, -1, dim))


def _back_to_real(x: Complex, dim: int, size: int, scale: float) -> Tensor:
    x = _sized(_as_complex(x), dim, size // 2 + 1)
    moved = Complex(move_axis(x.real, dim, -1), move_axis(x.imag, dim, -1))
    return move_axis(synthesise(moved, size, scale), -1, dim)


def _rfft(x: Any, size: int | None, dim: int, norm: str | None) -> Complex:
    x = _sized(x, dim, size)
    return _forward_real(x, dim, x.shape[dim] // 2 + 1, _scale(x.shape[dim], norm, forward=True))


def _fft(x: Any, size: int | None, dim: int, norm: str | None) -> Complex:
    x = _sized(x, dim, size)
    scale = _scale(x.shape[dim], norm, forward=True)
    if not is_complex(x):
        return _forward_real(x, dim, x.shape[dim], scale)
    return _both_complex(x, dim, forward=True, scale=scale)


def _ifft(x: Any, size: int | None, dim: int, norm: str | None) -> Any:
    x = _sized(x, dim, size)
    scale = _scale(x.shape[dim], norm, forward=False)
    if not is_complex(x):
        return conjugate(_forward_real(x, dim, x.shape[dim], scale))
    return _both_complex(x, dim, forward=False, scale=scale)


def _irfft(x: Any, size: int | None, dim: int, norm: str | None) -> Tensor:
    size = 2 * (x.shape[dim] - 1) if size is None else size
    return _back_to_real(x, dim, size, _scale(size, norm, forward=False))


def _hfft(x: Any, size: int | None, dim: int, norm: str | None) -> Tensor:
    size = 2 * (x.shape[dim] - 1) if size is None else size
    return _back_to_real(conjugate(_as_complex(x)), dim, size, _scale(size, norm, forward=True))


def _ihfft(x: Any, size: int | None, dim: int, norm: str | None) -> Any:
    x = _sized(x, dim, size)
    return conjugate(_forward_real(x, dim, x.shape[dim] // 2 + 1, _scale(x.shape[dim], norm, forward=False)))


def _one(call: Callable[..., Any], x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    return call(x, n, dim, norm)


def _axes(x: Any, s: Any, dim: Any, two: bool) -> tuple[list[int], list[int | None]]:
    sizes = [None if size == -1 else size for size in s] if s is not None else None
    if dim is None:
        count = 2 if two else len(sizes) if sizes is not None else len(x.shape)
        dim = list(range(-count, 0))
    axes = [dim] if isinstance(dim, int) else list(dim)
    return axes, sizes if sizes is not None else [None] * len(axes)


def _several(
    last: Callable[..., Any],
    others: Callable[..., Any],
    x: Any,
    s: Any = None,
    *rest: Any,
    two: bool = False,
    **named: Any,
) -> Any:
    """Transform several axes, the last of them first."""
    dim, norm = _dim_and_norm(rest, named)
    axes, sizes = _axes(x, s, dim, two)
    result = last(x, sizes[-1], axes[-1], norm)
    for axis, size in zip(axes[:-1], sizes[:-1], strict=True):
        result = others(result, size, axis, norm)
    return result


def _several_back(x: Any, s: Any = None, *rest: Any, two: bool = False, **named: Any) -> Tensor:
    dim, norm = _dim_and_norm(rest, named)
    axes, sizes = _axes(x, s, dim, two)
    x = _as_complex(x)
    for axis, size in zip(axes[:-1], sizes[:-1], strict=True):
        x = _ifft(x, size, axis, norm)
    return _irfft(x, sizes[-1], axes[-1], norm)


def _dim_and_norm(rest: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, str | None]:
    given = {**dict(zip(("dim", "norm"), rest, strict=False)), **named}
    return given.get("dim"), given.get("norm")


def _r2c(x: Tensor, dim: Sequence[int], normalization: int, onesided: bool) -> Complex:
    *others, last = dim
    size = x.shape[last]
    power = POWERS[normalization]
    result = _forward_real(x, last, size // 2 + 1 if onesided else size, float(size**-power))
    return _c2c(result, others, normalization, True) if others else result


def _c2c(x: Any, dim: Sequence[int], normalization: int, forward: bool) -> Complex:
    result = _as_complex(x)
    for axis in dim:
        scale = float(result.shape[axis] ** -POWERS[normalization])
        result = _both_complex(result, axis, forward=forward, scale=scale)
    return result


def _c2r(x: Any, dim: Sequence[int], normalization: int, last_dim_size: int) -> Tensor:
    *others, last = dim
    result = _c2c(x, others, normalization, False) if others else x
    return _back_to_real(result, last, last_dim_size, float(last_dim_size ** -POWERS[normalization]))

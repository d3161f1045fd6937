"""Ops on complex tensors that move, copy, choose, add up or multiply in bulk.

Replaces: the ATen ops listed below, where a complex tensor takes part.
Why: see `complex_numbers.py`.
Given: such an op on complex tensors. Result: the same op on the real and on the imaginary part; bilinear ones
    (products of matrices, convolutions) on each pair of parts.
Equal because: what moves numbers moves both parts alike; sums and bilinear ops are linear over the real numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packager.errors import PackagingError
from packager.rewrites.torch.complex_numbers import (
    NAME,
    Complex,
    absolute,
    add,
    bilinear,
    by_overload,
    conjugate,
    is_complex,
    join,
    multiply,
    split,
)

__all__ = ["NAME", "complex_replacements"]

APART = """
_reshape_alias _unsafe_view adaptive_avg_pool1d adaptive_avg_pool2d alias as_strided avg_pool1d avg_pool2d
block_diag broadcast_to cat chunk clone col2im column_stack concat concatenate constant_pad_nd contiguous cumsum
detach diagonal diff dstack embedding expand expand_as fft_fftshift fft_ifftshift flatten flip fliplr flipud gather
hstack im2col index index_copy index_put index_select lift_fresh_copy mT mean moveaxis movedim nansum narrow
new_zeros numpy_T pad permute reflection_pad1d repeat repeat_interleave replication_pad1d reshape reshape_as roll
rot90 scatter select select_copy select_scatter slice slice_copy slice_scatter split split_with_sizes squeeze
squeeze_copy stack sum swapaxes swapdims t take_along_dim tensor_split tile trace transpose tril triu unbind
unflatten unfold unsafe_chunk unsafe_split unsqueeze upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d view view_as view_copy vstack zeros_like
"""
"""done to both parts alike"""

BILINEAR = "bmm chain_matmul dot ger inner kron matmul mm mv outer tensordot"
"""of their first two arguments"""


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    calls: dict[Any, Callable[..., Any]] = {}
    for name in APART.split():
        if hasattr(aten, name):
            calls[getattr(aten, name)] = _apart(getattr(aten, name))
    for name in BILINEAR.split():
        if hasattr(aten, name):
            calls[getattr(aten, name)] = _bilinear(getattr(aten, name))
    calls |= {
        aten.vdot: lambda a, b: bilinear(aten.dot, conjugate(a), b),
        aten.addmm: lambda c, a, b, *, beta=1, alpha=1: _weighted(c, bilinear(aten.mm, a, b), beta, alpha),
        aten.baddbmm: lambda c, a, b, *, beta=1, alpha=1: _weighted(c, bilinear(aten.bmm, a, b), beta, alpha),
        aten.adjoint: lambda a: conjugate(_each(lambda part: part.mT, a)),
        aten.mH: lambda a: conjugate(_each(lambda part: part.mT, a)),
        aten.einsum: _einsum,
        aten.linear: lambda x, w, b=None: _with_bias(bilinear(aten.linear, x, w), b),
        aten.where: _where,
        aten.masked_fill: lambda a, mask, value: _where(mask, value, a),
        aten.fill: _filled,
        aten.copy: lambda a, b, *_: _spread(b, a),
        aten.to: _to,
        aten._to_copy: _to,
        aten.type_as: lambda a, b: a if is_complex(b) else split(a)[0],
        aten.ones_like: lambda a, **_: Complex(torch.ones_like(a.real), torch.zeros_like(a.real)),
        aten.full_like: lambda a, value, **_: _filled(a, value),
        aten.empty_like: lambda a, **_: Complex(torch.zeros_like(a.real), torch.zeros_like(a.real)),
        aten.zeros: lambda size, **k: _made(lambda dtype: torch.zeros(size, dtype=dtype), k),
        aten.empty: lambda size, **k: _made(lambda dtype: torch.zeros(size, dtype=dtype), k),
        aten.ones: lambda size, **k: join(_made(lambda dtype: torch.ones(size, dtype=dtype), k).real, None),
        aten.full: _full,
        aten.var: _variance,
        aten.dropout: lambda a, *_: a,
        aten.linalg_vector_norm: lambda a, *rest, **k: aten.linalg_vector_norm(absolute(a), *rest, **k),
        aten.norm: lambda a, *rest, **k: aten.norm(absolute(a), *rest, **k),
        aten.cumprod: _cumulative_product,
        aten.is_complex: is_complex,
        aten.result_type: lambda *_: torch.complex64,
    }
    for convolution in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "convolution"):
        calls[getattr(aten, convolution)] = _convolution(getattr(aten, convolution))
    found = by_overload(calls)
    found[aten._assert_tensor_metadata.default] = lambda *_, **__: None
    found[aten.sym_size.int] = lambda a, dim: a.real.shape[dim]
    return found


def _each(call: Callable[[Any], Any], a: Any) -> Any:
    return Complex(call(a.real), call(a.imag)) if is_complex(a) else call(a)


def _apart(op: Any) -> Callable[..., Any]:
    """Run an op once with the real part of each complex argument and once with the imaginary one."""

    def run(*arguments: Any, **keywords: Any) -> Any:
        keywords.pop("dtype", None)
        results = []
        for part in (0, 1):
            parts = [_part(argument, part) for argument in arguments]
            results.append(op(*parts, **{name: _part(value, part) for name, value in keywords.items()}))
        real, imag = results
        if isinstance(real, tuple | list):
            return [Complex(a, b) for a, b in zip(real, imag, strict=True)]
        return Complex(real, imag)

    return run


def _part(value: Any, part: int) -> Any:
    """One part of a complex value, also of those in a list; real tensors beside complex ones in a list have 0."""
    import torch

    if isinstance(value, tuple | list):
        if any(is_complex(one) for one in value):
            return [
                torch.zeros_like(one) if part and isinstance(one, torch.Tensor) else _part(one, part) for one in value
            ]
        return value
    if is_complex(value):
        return value.imag if part else value.real
    if isinstance(value, complex):
        return value.imag if part else value.real
    return value


def _bilinear(op: Any) -> Callable[..., Any]:
    return lambda a, b, *rest: bilinear(lambda x, y: op(x, y, *rest), a, b)


def _einsum(equation: str, operands: list[Any], **_: Any) -> Any:
    import torch

    if len(operands) == 1:
        return _each(lambda part: torch.einsum(equation, part), operands[0])
    if len(operands) == 2:
        return bilinear(lambda x, y: torch.einsum(equation, x, y), operands[0], operands[1])
    inputs, output = (*equation.replace(" ", "").split("->"), "")[:2]
    first, second, *others = inputs.split(",")
    if "." in equation or not output:
        raise PackagingError("an einsum of three or more complex tensors needs letters for all axes, and `->`")
    kept = "".join(letter for letter in dict.fromkeys(first + second) if letter in "".join(others) + output)
    product = _einsum(f"{first},{second}->{kept}", operands[:2])
    return _einsum(f"{','.join([kept, *others])}->{output}", [product, *operands[2:]])


def _convolution(op: Any) -> Callable[..., Any]:
    def run(x: Any, weight: Any, bias: Any = None, *rest: Any, **keywords: Any) -> Any:
        result = bilinear(lambda a, b: op(a, b, None, *rest, **keywords), x, weight)
        shape = (-1, *[1] * (result.real.ndim - 2))
        return result if bias is None else add(result, _each(lambda part: part.reshape(shape), bias))

    return run


def _with_bias(result: Any, bias: Any) -> Any:
    return result if bias is None else add(result, bias)


def _weighted(c: Any, product: Any, beta: Any, alpha: Any) -> Any:
    scaled = product if alpha == 1 else multiply(product, alpha)
    return add(scaled, c if beta == 1 else multiply(c, beta))


def _where(condition: Any, a: Any, b: Any) -> Any:
    import torch

    (a_real, a_imag), (b_real, b_imag) = split(a), split(b)

    def chosen(x: Any, y: Any) -> Any:
        return torch.where(condition, 0.0 if x is None else x, 0.0 if y is None else y)

    if a_imag is None and b_imag is None:
        return chosen(a_real, b_real)
    return join(chosen(a_real, b_real), chosen(a_imag, b_imag))


def _filled(a: Any, value: Any) -> Any:
    import torch

    if not is_complex(a):
        return NotImplemented
    parts: list[Any] = [0.0 if part is None else part for part in split(value)]
    filled = [part.expand_as(a.real) if hasattr(part, "shape") else torch.full_like(a.real, part) for part in parts]
    return Complex(*filled)


def _spread(value: Any, model: Any) -> Any:
    def like(part: Any, other: Any) -> Any:
        return part if part.shape == other.shape else part.expand_as(other)

    if not is_complex(model):
        return like(split(value)[0], model)
    return _each(lambda part: like(part, model.real), value if is_complex(value) else join(value, None))


def _to(a: Any, *arguments: Any, **keywords: Any) -> Any:
    import torch

    given = [*arguments, *keywords.values()]
    dtype = next((value for value in given if isinstance(value, torch.dtype)), None)
    if dtype is None and any(isinstance(value, torch.Tensor) for value in arguments):
        dtype = next(value for value in arguments if isinstance(value, torch.Tensor)).dtype
    if dtype is None:
        return a if is_complex(a) else NotImplemented
    if dtype.is_complex:
        # float64 has no counterpart on a phone.
        real, imag = split(a)
        return Complex(*((part if part.is_floating_point() else part.float()) for part in split(join(real, imag))))
    return split(a)[0].to(dtype)


def _made(make: Callable[[Any], Any], keywords: dict[str, Any]) -> Any:
    import torch

    kind = torch.float64 if keywords.get("dtype") is torch.complex128 else torch.float32
    return Complex(make(kind), torch.zeros_like(make(kind)))


def _full(size: Any, value: Any, **_: Any) -> Any:
    import torch

    parts = [0.0 if part is None else float(part) for part in split(value)]
    return Complex(*(torch.full(size, part, dtype=torch.float32) for part in parts))


def _variance(a: Complex, *arguments: Any, **keywords: Any) -> Any:
    import torch

    return torch.ops.aten.var(a.real, *arguments, **keywords) + torch.ops.aten.var(a.imag, *arguments, **keywords)


def _cumulative_product(a: Complex, dim: int, **_: Any) -> Any:
    import torch

    results: list[Any] = []
    for index in range(a.shape[dim]):
        step = Complex(a.real.select(dim, index), a.imag.select(dim, index))
        results.append(multiply(results[-1], step) if results else step)
    return Complex(torch.stack([r.real for r in results], dim), torch.stack([r.imag for r in results], dim))

"""Complex numbers as pairs of real ones.

Replaces: every ATen op that takes or gives complex tensors and is listed below or in `complex_shapes.py`.
Why: neither format has complex tensors (TFLite has the type, and few ops for it that no delegate takes).
Given: complex tensors. Result: real and imaginary part as two real tensors.
Equal because: each op is the textbook identity on the parts, with as many roundings as torch's own complex kernels;
    products and quotients differ from those in the last bits of float32, where a sum of products is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError

if TYPE_CHECKING:
    import torch

NAME = "complex_numbers"

MOST_PRODUCTS = 16
"""a whole power up to this is multiplied out, a larger one goes by magnitude and angle"""


@dataclass(frozen=True)
class Complex:
    """A complex tensor as two real tensors of one shape and type."""

    real: torch.Tensor
    imag: torch.Tensor

    @property
    def shape(self) -> torch.Size:
        return self.real.shape


def is_complex(value: Any) -> bool:
    """Say whether a value is a `Complex` pair."""
    return isinstance(value, Complex)


def split(value: Any) -> tuple[Any, Any]:
    """Give real and imaginary part of a pair, a real tensor or a Python number; a real value's imaginary part is None.

    Returns:
        The parts. `None` stands for 0, so that what would be multiplied by it need not be computed.
    """
    import torch

    if isinstance(value, Complex):
        return value.real, value.imag
    if isinstance(value, complex):
        return value.real or None, value.imag or None
    if isinstance(value, torch.Tensor) and value.is_complex():
        # Only constants that stand in the graph itself come here.
        return torch.real(value).clone(), torch.imag(value).clone()
    return value, None


def join(real: Any, imag: Any) -> Any:
    """Make a pair of parts, one of which may be None or may have to be spread to the other's shape."""
    import torch

    if real is None and imag is None:
        raise PackagingError("a complex number without parts")
    real = torch.zeros_like(imag) if real is None else real
    imag = torch.zeros_like(real) if imag is None else imag
    if not isinstance(real, torch.Tensor) or not isinstance(imag, torch.Tensor):
        model = real if isinstance(real, torch.Tensor) else imag
        real, imag = (v if isinstance(v, torch.Tensor) else torch.full_like(model, v) for v in (real, imag))
    if real.shape != imag.shape:
        spread: Callable[..., Any] = torch.broadcast_tensors
        real, imag = spread(real, imag)
    if real.dtype != imag.dtype:
        common = torch.promote_types(real.dtype, imag.dtype)
        real, imag = real.to(common), imag.to(common)
    return Complex(real, imag)


def add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """`a + alpha * b`."""
    (a_real, a_imag), (b_real, b_imag) = split(a), split(b if alpha == 1 else multiply(b, alpha))
    return join(_plus(a_real, b_real), _plus(a_imag, b_imag))


def subtract(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """`a - alpha * b`."""
    return add(a, negate(b), alpha=alpha)


def multiply(a: Any, b: Any) -> Any:
    """`a * b`."""
    return bilinear(lambda x, y: x * y, a, b)


def bilinear(call: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Apply what is linear in both of its arguments, like a product, a convolution or an outer product.

    Args:
        call: Takes two real values.
        a: A pair, tensor or number.
        b: Likewise.

    Returns:
        `call(a, b)` as a pair.
    """
    (a_real, a_imag), (b_real, b_imag) = split(a), split(b)

    def product(x: Any, y: Any) -> Any:
        return None if x is None or y is None else call(x, y)

    return join(
        _minus(product(a_real, b_real), product(a_imag, b_imag)),
        _plus(product(a_real, b_imag), product(a_imag, b_real)),
    )


def negate(a: Any) -> Any:
    """`-a`."""
    if isinstance(a, Complex):
        return Complex(-a.real, -a.imag)
    return -a


def conjugate(a: Any) -> Any:
    """The conjugate; a real tensor is its own."""
    return Complex(a.real, -a.imag) if isinstance(a, Complex) else a


def divide(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    """`a / b`."""
    if rounding_mode is not None:
        raise PackagingError("complex numbers cannot be divided to whole ones")
    real, imag = split(b)
    if imag is None:
        a_real, a_imag = split(a)
        return join(None if a_real is None else a_real / real, None if a_imag is None else a_imag / real)
    return multiply(a, reciprocal(b))


def reciprocal(a: Any) -> Any:
    """`1 / a`."""
    real, imag = split(a)
    if real is None:
        return join(None, -1.0 / imag)
    if not hasattr(real, "shape"):
        return 1 / complex(real, imag)
    square = real * real + imag * imag
    return Complex(real / square, -imag / square)


def absolute(a: Complex) -> torch.Tensor:
    """The magnitude. Squares of parts under 1e-19 are 0 in float32, which is far below any audio."""
    import torch

    return torch.sqrt(a.real * a.real + a.imag * a.imag)


def angle(a: Any) -> torch.Tensor:
    """The phase in radians, in (-pi, pi]."""
    import torch

    return torch.atan2(a.imag, a.real)


def sign(a: Complex) -> Complex:
    """`a / |a|`, and 0 where `a` is 0."""
    import torch

    magnitude = absolute(a)
    divisor = torch.where(magnitude == 0, torch.ones_like(magnitude), magnitude)
    return Complex(a.real / divisor, a.imag / divisor)


def exponential(a: Complex) -> Complex:
    """`e ** a`."""
    import torch

    return polar(torch.exp(a.real), a.imag)


def logarithm(a: Complex) -> Complex:
    """The natural logarithm, on the main branch."""
    import torch

    return Complex(torch.log(absolute(a)), angle(a))


def square_root(a: Complex) -> Complex:
    """The square root with a real part of 0 or more."""
    import torch

    magnitude = absolute(a)
    real = torch.sqrt(torch.relu(magnitude + a.real) / 2)
    imag = torch.sqrt(torch.relu(magnitude - a.real) / 2)
    return Complex(real, torch.where(a.imag < 0, -imag, imag))


def polar(magnitude: Any, phase: Any) -> Complex:
    """Magnitude and phase in radians as a pair."""
    import torch

    return Complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))


def power(a: Any, exponent: Any) -> Any:
    """`a ** exponent`, by products where the exponent is a small whole number."""
    import torch

    if isinstance(exponent, int | float) and int(exponent) == exponent and 0 < abs(exponent) <= MOST_PRODUCTS:
        result = a
        for _ in range(abs(int(exponent)) - 1):
            result = multiply(result, a)
        return result if exponent > 0 else reciprocal(result)
    if exponent == 0.5:
        return square_root(a)
    if isinstance(a, Complex) and isinstance(exponent, int | float):
        return polar(torch.pow(absolute(a), exponent), angle(a) * exponent)
    if isinstance(a, Complex):
        return exponential(multiply(logarithm(a), exponent))
    base = torch.log(a) if isinstance(a, torch.Tensor) else torch.log(torch.tensor(float(a))).item()
    return exponential(multiply(base, exponent))


def cosine(a: Complex) -> Complex:
    """The cosine."""
    import torch

    return Complex(torch.cos(a.real) * torch.cosh(a.imag), -torch.sin(a.real) * torch.sinh(a.imag))


def sine(a: Complex) -> Complex:
    """The sine."""
    import torch

    return Complex(torch.sin(a.real) * torch.cosh(a.imag), torch.cos(a.real) * torch.sinh(a.imag))


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """The arithmetic, by op; what moves or copies is in `complex_shapes.py`."""
    import torch

    aten = torch.ops.aten
    calls: dict[Any, Callable[..., Any]] = {
        aten.add: add,
        aten.sub: subtract,
        aten.rsub: lambda a, b, *, alpha=1: subtract(b, a if alpha == 1 else multiply(a, alpha)),
        aten.mul: multiply,
        aten.div: divide,
        aten.true_divide: divide,
        aten.neg: negate,
        aten._neg_view: negate,
        aten.conj: conjugate,
        aten._conj: conjugate,
        aten.conj_physical: conjugate,
        aten._conj_physical: conjugate,
        aten.resolve_conj: lambda a: a,
        aten.resolve_neg: lambda a: a,
        aten.reciprocal: reciprocal,
        aten.abs: absolute,
        aten.angle: angle,
        aten.real: lambda a: split(a)[0],
        aten.imag: lambda a: a.imag,
        aten.view_as_real: lambda a: torch.stack([a.real, a.imag], -1),
        aten.view_as_complex: lambda a: Complex(a[..., 0], a[..., 1]),
        aten.complex: join,
        aten.polar: polar,
        aten.sgn: sign,
        aten.sign: sign,
        aten.exp: exponential,
        aten.log: logarithm,
        aten.sqrt: square_root,
        aten.rsqrt: lambda a: reciprocal(square_root(a)),
        aten.square: lambda a: multiply(a, a),
        aten.pow: power,
        aten.cos: cosine,
        aten.sin: sine,
        aten.isnan: lambda a: torch.isnan(a.real) | torch.isnan(a.imag),
        aten.isinf: lambda a: torch.isinf(a.real) | torch.isinf(a.imag),
        aten.isfinite: lambda a: torch.isfinite(a.real) & torch.isfinite(a.imag),
        aten.eq: _equal,
        aten.ne: lambda a, b: ~_equal(a, b),
        aten.addcmul: lambda a, b, c, *, value=1: add(a, multiply(b, c), alpha=value),
        aten.prod: _product,
    }
    return by_overload(calls)


def by_overload(calls: dict[Any, Callable[..., Any]]) -> dict[Any, Callable[..., Any]]:
    """Give every overload of an op its call, and the op's form that writes in place one that does so.

    Args:
        calls: By op packet, like `torch.ops.aten.add`.

    Returns:
        By overload, like `torch.ops.aten.add.Tensor`; overloads that write to an `out` argument are left out.
    """
    import torch

    found: dict[Any, Callable[..., Any]] = {}
    for packet, call in calls.items():
        name = packet.__name__
        packets = [(packet, call)]
        if hasattr(torch.ops.aten, f"{name}_"):
            packets.append((getattr(torch.ops.aten, f"{name}_"), _in_place(call)))
        for one, wrapped in packets:
            for overload in one.overloads():
                op = getattr(one, overload)
                if not any(argument.is_out for argument in op._schema.arguments):
                    found[op] = wrapped
    return found


def _in_place(call: Callable[..., Any]) -> Callable[..., Any]:
    def write(target: Any, *arguments: Any, **keywords: Any) -> Any:
        result = call(target, *arguments, **keywords)
        if not isinstance(target, Complex) or not isinstance(result, Complex):
            return NotImplemented
        target.real.copy_(result.real)
        target.imag.copy_(result.imag)
        return target

    return write


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _minus(a: Any, b: Any) -> Any:
    if b is None:
        return a
    return -b if a is None else a - b


def _equal(a: Any, b: Any) -> Any:
    (a_real, a_imag), (b_real, b_imag) = split(a), split(b)
    zero = [0 if value is None else value for value in (a_real, a_imag, b_real, b_imag)]
    return (zero[0] == zero[2]) & (zero[1] == zero[3])


def _product(a: Complex, dim: int, keepdim: bool = False, **_: Any) -> Any:
    result: Any = None
    for index in range(a.shape[dim]):
        part = Complex(a.real.select(dim, index), a.imag.select(dim, index))
        result = part if result is None else multiply(result, part)
    return Complex(result.real.unsqueeze(dim), result.imag.unsqueeze(dim)) if keepdim else result

"""Products of matrices with every operand a matrix, and no axis of 1 too many.

Replaces: `matmul` with a vector, `einsum` with a letter twice in one operand, `bilinear`; `linear` and `matmul` of
    `(…, 1, n)` with a matrix.
Why: coremltools 9.0 fails on a vector from a trace; litert-torch 0.10 makes a comparison of the repeated letter,
    which TFLite does not have; neither has `bilinear`; of `(1, m, 1, n)` with a matrix litert-converter makes a product
    of the wrong rank, and refuses it.
Given: such an op. Result: the vector gets an axis of 1, which is taken off again, or an axis of 1 is taken off and put
    back; a diagonal is gathered first; `bilinear` is one product of matrices, one of elements, and a sum.
Equal because: it is the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "products"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {
        aten.linear.default: _linear,
        aten.matmul.default: _matmul,
        aten.einsum.default: _einsum,
        aten.bilinear.default: _bilinear,
    }


def wanted(node: Node) -> bool:
    """Whether a vector takes part, an axis of 1 is in the way, or a letter stands twice."""
    operands: Any = node.args
    if str(node.target) == "aten.linear.default":
        return _is_row(operands[0].meta["val"])
    if "matmul" in str(node.target):
        x, y = (operand.meta["val"] for operand in operands)
        return (1 in (x.ndim, y.ndim) and max(x.ndim, y.ndim) > 1) or (y.ndim == 2 and _is_row(x))
    if "bilinear" in str(node.target):
        return True
    inputs = str(node.args[0]).partition("->")[0]
    return "." not in inputs and any(len(set(letters)) < len(letters) for letters in inputs.replace(" ", "").split(","))


def _is_row(x: Tensor) -> bool:
    return x.ndim > 3 and x.shape[-2] == 1


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    import torch

    if bias is None:
        return _multiply_row(x, weight)
    return torch.nn.functional.linear(x.squeeze(-2), weight, bias).unsqueeze(-2)


def _multiply_row(x: Tensor, weight: Tensor) -> Tensor:
    """The matrix on the left: with nothing after the product, litert-converter moves the axis of 1 back into it."""
    import torch

    return torch.matmul(weight, x.squeeze(-2).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-2)


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    import torch

    if y.ndim == 2 and _is_row(x):
        return _multiply_row(x, y.t())
    if y.ndim == 1:
        return torch.matmul(x, y.unsqueeze(-1)).squeeze(-1)
    return torch.matmul(x.unsqueeze(-2), y).squeeze(-2)


def _bilinear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    outputs, inputs, _ = weight.shape
    weighted = (y @ weight.flatten(0, 1).t()).reshape(*y.shape[:-1], outputs, inputs)
    result = (weighted * x.unsqueeze(-2)).sum(-1)
    return result if bias is None else result + bias


def _einsum(equation: str, operands: list[Any], **_: Any) -> Tensor:
    import torch

    inputs, arrow, output = equation.replace(" ", "").partition("->")
    single, plain = [], []
    for letters, given in zip(inputs.split(","), operands, strict=True):
        names, x = letters, given
        while twice := next((letter for letter in names if names.count(letter) > 1), None):
            first = names.index(twice)
            second = names.index(twice, first + 1)
            x = torch.diagonal(x, dim1=first, dim2=second)
            names = names[:first] + names[first + 1 : second] + names[second + 1 :] + twice
        single.append(x)
        plain.append(names)
    if not arrow:
        counts = {letter: inputs.count(letter) for letter in inputs if letter.isalpha()}
        output = "".join(sorted(letter for letter, count in counts.items() if count == 1))
    return torch.einsum(f"{','.join(plain)}->{output}", single)

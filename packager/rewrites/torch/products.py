"""Products of matrices with every operand a matrix.

Replaces: `matmul` with a vector, `einsum` with a letter twice in one operand, `bilinear`.
Why: coremltools 9.0 fails on a vector from a trace; litert-torch 0.10 makes a comparison of the repeated letter,
    which TFLite does not have; neither has `bilinear`.
Given: such an op. Result: the vector gets an axis of 1, which is taken off again; a diagonal is gathered
    first; `bilinear` is one product of matrices, one of elements, and a sum.
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
    return {aten.matmul.default: _matmul, aten.einsum.default: _einsum, aten.bilinear.default: _bilinear}


def wanted(node: Node) -> bool:
    """Whether a vector takes part, or a letter stands twice."""
    if "matmul" in str(node.target):
        dimensions = [operand.meta["val"].ndim for operand in node.all_input_nodes]
        return 1 in dimensions and max(dimensions) > 1
    if "bilinear" in str(node.target):
        return True
    inputs = str(node.args[0]).partition("->")[0]
    return "." not in inputs and any(len(set(letters)) < len(letters) for letters in inputs.replace(" ", "").split(","))


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    import torch

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

"""Interpolation as products with constant matrices, or as sums of gathered samples.

Replaces: bicubic, antialiased, and `nearest-exact` interpolation; linear and nearest interpolation by factors that
    are no whole numbers, in 1, 2 and 3 dimensions.
Why: coremltools 9.0 has no bicubic, `nearest-exact` or antialiased interpolation and gets nearest by a fraction
    wrong; litert-torch 0.10 gets linear and nearest by a fraction and nearest to a smaller size wrong.
Given: such an op. Result: one axis after the other: nearest gathers samples, linear along many samples gathers two
    neighbours and adds them weighted, all others multiply with a matrix that is what torch's own op makes of the unit
    matrix.
Equal because: interpolation is linear in the signal and separable, so what it does to unit impulses is all that it
    does; positions are computed by torch, or in float32 as torch does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from packager.rewrites.torch.arguments import named, of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "resizing"

MOST_WEIGHTS = 2**18
"""in a matrix for one axis"""

KINDS = {
    "upsample_nearest": "nearest",
    "_upsample_nearest_exact": "nearest",
    "upsample_linear": "linear",
    "upsample_bilinear": "linear",
    "upsample_trilinear": "linear",
    "upsample_bicubic": "matrix",
    "_upsample_bilinear2d_aa": "matrix",
    "_upsample_bicubic2d_aa": "matrix",
}
"""how each op is done, by the beginning of its name"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """Those overloads that exports hold: sizes or factors in a list."""
    import torch

    found = {}
    for name in (
        "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
        "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
        "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    ):  # fmt: skip
        op = getattr(torch.ops.aten, name).vec
        found[op] = named(op, _resizer(op))
    return found


def wanted(node: Node) -> bool:
    """Whether some format's converter lacks it or gets it wrong."""
    name = _name(node.target)
    if name.startswith("upsample_tri") or not name.startswith(("upsample_near", "upsample_lin", "upsample_bil")):
        return True
    call: Any = of_node(node)
    sizes = call.input.meta["val"].shape[2:]
    if name.startswith("upsample_near"):
        targets = node.meta["val"].shape[2:]
        return any(target % size != 0 for size, target in zip(sizes, targets, strict=True))
    return call.scale_factors is not None and any(factor != int(factor) for factor in call.scale_factors)


def _name(op: Any) -> str:
    return str(op._schema.name.rpartition("::")[2])


def _resizer(op: Any) -> Callable[[Any], Tensor]:
    kind = next(kind for start, kind in KINDS.items() if _name(op).startswith(start))

    def resize(call: Any) -> Tensor:
        x: Tensor = call.input
        sizes = list(x.shape[2:])
        factors = list(call.scale_factors) if call.scale_factors is not None else [None] * len(sizes)
        targets = list(call.output_size) if call.output_size is not None else _targets(sizes, factors)
        corners = getattr(call, "align_corners", None)
        for axis, (size, target, factor) in enumerate(zip(sizes, targets, factors, strict=True), start=2):
            if size == target and factor in (None, 1.0):
                continue
            if kind == "nearest":
                x = _nearest(x, axis, target, factor, op)
            elif kind == "linear" and size * target > MOST_WEIGHTS:
                x = _between(x, axis, target, _scale(size, target, factor, corners), corners)
            else:
                x = _multiplied(x, axis, _matrix(size, (target, factor), corners, op))
        return x

    return resize


def _targets(sizes: Sequence[int], factors: Sequence[Any]) -> list[int]:
    return [int(size * factor) for size, factor in zip(sizes, factors, strict=True)]


def _nearest(x: Tensor, axis: int, target: int, factor: float | None, op: Any) -> Tensor:
    """Let torch resize the samples' numbers, and take those."""
    import torch

    size = x.shape[axis]
    axes = x.ndim - 2
    if target % size == 0 and factor in (None, target / size) and not _name(op).startswith("_"):
        return x.repeat_interleave(target // size, axis)
    numbers = torch.arange(size, dtype=torch.float32).reshape(1, 1, size, *[1] * (axes - 1))
    one = None if factor is None else [factor, *[1.0] * (axes - 1)]
    found = op(numbers, [target, *[1] * (axes - 1)] if one is None else None, one).reshape(-1)
    return x.index_select(axis, found.to(torch.int64))


def _scale(size: int, target: int, factor: float | None, corners: bool | None) -> np.float32:
    """How many samples of the signal an output sample is further on, rounded as torch does."""
    if corners:
        return np.float32(0) if target < 2 else np.float32(size - 1) / np.float32(target - 1)
    return np.float32(size) / np.float32(target) if factor is None else np.float32(1 / factor)


def _between(x: Tensor, axis: int, target: int, scale: np.float32, corners: bool | None) -> Tensor:
    """Weigh two neighbours, gathered from the signal."""
    import torch

    places = np.arange(target, dtype=np.float32)
    half = np.float32(0.5)
    places = places * scale if corners else np.maximum((places + half) * scale - half, np.float32(0))
    before = np.minimum(places.astype(np.int64), x.shape[axis] - 1)
    after = np.minimum(before + 1, x.shape[axis] - 1)
    shape = (-1, *[1] * (x.ndim - 1 - axis))
    share = torch.from_numpy(places - before.astype(np.float32)).to(x.dtype).reshape(shape)
    first, second = (x.index_select(axis, torch.from_numpy(index)) for index in (before, after))
    return first * (1 - share) + second * share


def _matrix(size: int, target: tuple[int, float | None], corners: bool | None, op: Any) -> Tensor:
    """(size, target): what an op makes of unit impulses along its first axis."""
    import torch

    count, factor = target
    axes = int(_name(op).rpartition("d")[0][-1])
    # Two samples along the other axes: of one alone, torch's antialiased kernels make something else.
    impulses = torch.eye(size).reshape(1, size, size, *[1] * (axes - 1)).expand(1, size, size, *[2] * (axes - 1))
    sizes, factors = [count, *[2] * (axes - 1)], [factor or 1.0, *[1.0] * (axes - 1)]
    made = op(impulses, sizes, corners, None) if factor is None else op(impulses, None, corners, factors)
    matrix: Tensor = made.reshape(size, count, -1)[..., 0]
    return matrix


def _multiplied(x: Tensor, axis: int, matrix: Tensor) -> Tensor:
    if axis == x.ndim - 1:
        return x @ matrix.to(x.dtype)
    if axis == x.ndim - 2:
        return matrix.to(x.dtype).t() @ x
    return (x.transpose(axis, -1) @ matrix.to(x.dtype)).transpose(axis, -1)

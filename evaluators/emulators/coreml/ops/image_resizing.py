"""Images made larger or smaller. Source: image_resizing.py of iOS15, iOS16 and iOS17.

`resize_bilinear` states for each sampling mode at which points of the input the output's elements lie;
`sampling_points` is that table. Which neighbour is nearest the documentation leaves open: `upsample_nearest_neighbor`
takes element `⌊i · Xin / Xout⌋`, `resize_nearest_neighbor` and `resize` the one under the middle of the output's
element, `⌊(i + ½) · Xin / Xout⌋`, for coremltools' TensorFlow frontend writes the first for `half_pixel_centers=False`
and the others for `True`. In other modes `resize` rounds the sampling point, halves up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

SAMPLING_MODES = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS")


def sampling_points(size: int, count: int, mode: str) -> Tensor:
    """Where along `size` input elements the `count` output elements lie: float64, within `[0, size - 1]`.

    Raises:
        EvaluationError: The mode is unknown.
    """
    steps = torch.arange(count, dtype=torch.float64)
    if mode == "ALIGN_CORNERS" and count == 1:
        return torch.full((1,), (size - 1) / 2, dtype=torch.float64)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        points = steps * ((size - 1) / max(1, count - 1))
    elif mode == "UNALIGN_CORNERS":
        points = (steps + 0.5) * (size / count) - 0.5
    elif mode == "DEFAULT":
        points = steps * (size / count)
    elif mode == "OFFSET_CORNERS":
        points = (steps + 0.5) * (max(1, size - 1) / count)
    else:
        raise EvaluationError(f"sampling_mode is {mode!r}; expected one of {', '.join(SAMPLING_MODES)}")
    return points.clamp(0, size - 1)


@functools.lru_cache(maxsize=256)
def _neighbours(size: int, count: int, mode: str) -> tuple[Tensor, Tensor, Tensor]:
    """The elements before and after each sampling point, and how far from the first to the second it lies."""
    points = sampling_points(size, count, mode)
    before = points.floor().long()
    return before, (before + 1).clamp(max=size - 1), (points - before).float()


@functools.lru_cache(maxsize=256)
def _nearest(size: int, count: int, mode: str) -> Tensor:
    """The element nearest to each sampling point; mode FLOOR stands for `upsample_nearest_neighbor`."""
    steps = torch.arange(count)
    if mode == "FLOOR":
        return steps * size // count
    if mode in ("DEFAULT", "UNALIGN_CORNERS"):
        return (2 * steps + 1) * size // (2 * count)
    return torch.floor(sampling_points(size, count, mode) + 0.5).long()


@functools.lru_cache(maxsize=256)
def _is_exact_in_float32(size: int, count: int) -> bool:
    """Whether the points of `UNALIGN_CORNERS` are the same in float32, in which torch computes them: often for 2, 4."""
    steps = torch.arange(count, dtype=torch.float32)
    points = ((steps + 0.5) * torch.tensor(size / count, dtype=torch.float32) - 0.5).clamp(0, size - 1)
    return torch.equal(points.double(), sampling_points(size, count, "UNALIGN_CORNERS"))


def _linear_along(x: Tensor, axis: int, count: int, mode: str) -> Tensor:
    check_size((count,), times=16)
    check_size((*x.shape[:axis], count, *x.shape[axis + 1 :]), times=2)
    before, after, share = _neighbours(x.shape[axis], count, mode)
    share = share.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    first, second = x.index_select(axis, before), x.index_select(axis, after)
    return first.mul_(1 - share).add_(second.mul_(share))


def _linear(x: Tensor, sizes: list[int], mode: str) -> Tensor:
    """`x` with its last dimensions brought to `sizes` by linear interpolation."""
    own = x.shape[x.ndim - len(sizes) :]
    grows = math.prod(sizes) > own.numel() > 0
    check_size((max(sizes, default=0),), times=16)
    check_size((*x.shape[: x.ndim - len(sizes)], *sizes), times=2)
    is_torchs = mode == "UNALIGN_CORNERS" and len(sizes) == 2 and x.dtype == torch.float32 and x.numel() > 0
    if grows and is_torchs and all(_is_exact_in_float32(*pair) for pair in zip(own, sizes, strict=True)):
        return F.interpolate(x.reshape(1, -1, *own), sizes, mode="bilinear").reshape(*x.shape[:-2], *sizes)
    values = x if x.is_floating_point() else x.double()
    axes = list(enumerate(sizes, x.ndim - len(sizes)))
    # Elements of the last dimension are picked one by one: it comes when there is least of the others.
    for axis, count in reversed(axes) if grows else axes:
        values = _linear_along(values, axis, count, mode)
    return values.to(x.dtype)


def _picked(x: Tensor, sizes: list[int], mode: str) -> Tensor:
    """`x` with its last dimensions brought to `sizes`, each element taking the nearest one's value."""
    for axis, count in enumerate(sizes, x.ndim - len(sizes)):
        check_size((count,), times=16)
        check_size((*x.shape[:axis], count, *x.shape[axis + 1 :]))
        x = x.index_select(axis, _nearest(x.shape[axis], count, mode))
    return x


def _scaled(size: int, factor: float) -> int:
    """`⌊size · factor⌋`, the product rounded to float32 as the converter has it when it declares the shape."""
    return int(np.floor(np.float32(size) * np.float32(factor)))


@op("upsample_nearest_neighbor", operands=("x",), exact=True)
def upsample_nearest_neighbor(
    scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Callable[[Tensor], Tensor]:
    """Height and width multiplied, rounded down; each element takes the nearest one's value (iOS15)."""

    def compute(x: Tensor) -> Tensor:
        sizes = [_scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)]
        return _picked(x, sizes, "FLOOR")

    return compute


@op("resize_nearest_neighbor", exact=True)
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """Height and width as given; each element takes the nearest one's value (iOS15)."""
    return _picked(x, [target_size_height, target_size_width], "UNALIGN_CORNERS")


@op("upsample_bilinear", operands=("x",))
def upsample_bilinear(
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Callable[[Tensor], Tensor]:
    """Height and width multiplied, rounded down, by interpolation (iOS15; `half_pixel_centers` since iOS16).

    The spacing follows from the sizes, not the factors. Without aligned corners, half-pixel centres are the default.
    """
    halves = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and halves:
        raise EvaluationError("upsample_bilinear cannot align corners and take half-pixel centers at once")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if halves else "DEFAULT"

    def compute(x: Tensor) -> Tensor:
        sizes = [_scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)]
        return _linear(x, sizes, mode)

    return compute


@op("resize_bilinear")
def resize_bilinear(
    x: Tensor, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    """Height and width as given, by interpolation at the points of `sampling_mode` (iOS15)."""
    return _linear(x, [target_size_height, target_size_width], sampling_mode)


@op("resize", since=17)
def resize(
    x: Tensor,
    shape: list[int],
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last `resized_dims` dimensions brought to the last sizes of `shape`; 0 keeps a dimension's size (iOS17)."""
    wanted = shape[len(shape) - resized_dims :]
    sizes = [size or own for size, own in zip(wanted, x.shape[x.ndim - resized_dims :], strict=True)]
    if interpolation_mode == "LINEAR":
        return _linear(x, sizes, sampling_mode)
    if interpolation_mode == "NEAREST_NEIGHBOR":
        return _picked(x, sizes, sampling_mode)
    raise EvaluationError(f"resize has interpolation_mode {interpolation_mode!r}; expected LINEAR or NEAREST_NEIGHBOR")


@op("crop", exact=True)
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    """Without the given numbers of rows at top and bottom and of columns at left and right (iOS15)."""
    (top, bottom), (left, right) = crop_height, crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]

"""Pools. Source: iOS15/pool.py (`same_lower` since iOS16)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.padding import Pads, padded, spatial_pads
from evaluators.emulators.coreml.ops.registry import op

_MAX: tuple[Callable[..., Tensor], ...] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE: tuple[Callable[..., Tensor], ...] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


class _Window:
    """Where the windows of a pool lie."""

    def __init__(
        self, kernel: Sequence[int], pad_type: str, strides: Sequence[int] | None, pad: Sequence[int] | None, ceil: bool
    ) -> None:
        self.kernel = list(kernel)
        self.strides = list(strides or (1 for _ in kernel))
        self._pad_type, self._pad, self._ceil = pad_type.lower(), pad, ceil  # pools may spell it SAME

    def pads(self, x: Tensor) -> Pads:
        """The padding the op asks for."""
        ones = [1 for _ in self.kernel]
        sizes = x.shape[2:]
        return spatial_pads(
            self._pad_type, sizes, kernel=self.kernel, strides=self.strides, dilations=ones, pad=self._pad
        )

    def tail(self, x: Tensor, pads: Pads) -> Pads:
        """What must follow the padding for the last, partial window of `ceil_mode`; it has to begin before the end."""
        if not self._ceil:
            return tuple((0, 0) for _ in pads)
        tails = []
        for size, (before, after), width, stride in zip(x.shape[2:], pads, self.kernel, self.strides, strict=True):
            length = size + before + after
            count = -(-(length - width) // stride) + 1
            if (count - 1) * stride >= size + before and before + after > 0:
                count -= 1
            tails.append((0, max(0, (count - 1) * stride + width - length)))
        return tuple(tails)

    def surrounded(self, x: Tensor, value: float) -> Tensor:
        """`x` with the padding and the tail around it."""
        pads = self.pads(x)
        both = tuple(
            (before, after + more) for (before, after), (_, more) in zip(pads, self.tail(x, pads), strict=True)
        )
        return padded(x, both, value) if any(map(any, both)) else x


@op("max_pool", operands=("x",), exact=True)
def max_pool(
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Largest element of each window; padding never wins (iOS15)."""
    window = _Window(kernel_sizes, pad_type, strides, pad, ceil_mode)
    pool = _MAX[len(kernel_sizes) - 1]
    return lambda x: pool(window.surrounded(x, -torch.inf), window.kernel, window.strides)


@op("avg_pool", operands=("x",))
def avg_pool(
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Mean of each window (iOS15); padding counts as zeros unless excluded, the tail of `ceil_mode` never counts."""
    window = _Window(kernel_sizes, pad_type, strides, pad, ceil_mode)
    pool = _AVERAGE[len(kernel_sizes) - 1]

    @functools.cache
    def counted(sizes: tuple[int, ...]) -> Tensor | None:
        """The share of each window that counts; none where all of every window does."""
        ones = torch.ones((1, 1, *sizes))
        pads = window.pads(ones)
        tail = window.tail(ones, pads)
        if not any(map(any, tail)) and not (exclude_padding_from_average and any(map(any, pads))):
            return None
        counting = padded(ones, pads, 0.0 if exclude_padding_from_average else 1.0)
        return pool(padded(counting, tail), window.kernel, window.strides)

    def compute(x: Tensor) -> Tensor:
        mean = pool(window.surrounded(x, 0.0), window.kernel, window.strides)
        shares = counted(tuple(x.shape[2:]))
        return mean if shares is None else mean / shares

    return compute


@op("l2_pool", operands=("x",))
def l2_pool(
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Square root of the sum of squares of each window (iOS15)."""
    window = _Window(kernel_sizes, pad_type, strides, pad, ceil_mode)
    pool, count = _AVERAGE[len(kernel_sizes) - 1], math.prod(kernel_sizes)
    return lambda x: torch.sqrt(pool(window.surrounded(x * x, 0.0), window.kernel, window.strides) * count)

"""How convolutions are computed: by oneDNN, channels last, with all lanes of its registers in use."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.padding import Pads, padded

Convolution = Callable[[Tensor], Tensor]
"""Of inputs of one size"""

_CONVS: tuple[Callable[..., Tensor], ...] = (torch.conv1d, torch.conv2d, torch.conv3d)
_LANES = 16
"""float32 numbers in a 512-bit register: oneDNN computes so many output channels at once, or multiples"""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A weight `(C_out, C_in / groups, *k)` and what goes with it; `strides` and `dilations` one a dimension."""

    weight: Tensor
    bias: Tensor | None
    strides: list[int]
    dilations: list[int]
    groups: int

    @property
    def width(self) -> tuple[int, ...]:
        """Spatial sizes of the weight."""
        return tuple(self.weight.shape[2:])

    @property
    def spans(self) -> list[int]:
        """How many elements of each spatial dimension the weight reaches over."""
        return [(k - 1) * dilation + 1 for k, dilation in zip(self.width, self.dilations, strict=True)]

    def counts(self, sizes: Sequence[int], pads: Pads) -> list[int]:
        """The output's spatial sizes for an input's; none is positive where the weight reaches too far."""
        whole = [size + before + after for size, (before, after) in zip(sizes, pads, strict=True)]
        return [(n - span) // step + 1 for n, span, step in zip(whole, self.spans, self.strides, strict=True)]

    def tiled(self, tile: tuple[int, ...]) -> Kernel:
        """The kernel whose output channels are a tile's positions, each with all channels of this kernel.

        The same weight, shifted by one stride after another and filled up with zeros.
        """
        strides = [n * step for n, step in zip(tile, self.strides, strict=True)]
        width = [k + (n - 1) * step for k, n, step in zip(self.width, tile, self.strides, strict=True)]
        wide = self.weight.new_zeros((*tile, *self.weight.shape[:2], *width))
        for place in itertools.product(*map(range, tile)):
            begins = [i * step for i, step in zip(place, self.strides, strict=True)]
            window = [slice(begin, begin + k) for begin, k in zip(begins, self.width, strict=True)]
            wide[place][:, :, *window] = self.weight
        bias = None if self.bias is None else self.bias.repeat(math.prod(tile))
        return Kernel(wide.flatten(0, len(tile)), bias, strides, self.dilations, self.groups)

    def convolution(self) -> Callable[[Pads, Tensor], Tensor]:
        """A convolution with this kernel, of inputs of any size."""
        function = _function(len(self.strides))
        rest = (self.bias, self.strides, self.dilations, self.groups)
        if self.weight.ndim == 4:
            weight = self.weight.contiguous(memory_format=torch.channels_last)
            return lambda pads, x: _padded(lambda y, pad: function(channels_last(y), weight, pad, *rest), x, pads)
        if (
            self.weight.ndim == 3 and self.groups > 1
        ):  # oneDNN has no fast kernel for these; it has one in two dimensions
            weight = self.weight.unsqueeze(2)
            function = _function(2)
            rest = (self.bias, [1, *self.strides], [1, *self.dilations], self.groups)
            return lambda pads, x: _padded(
                lambda y, pad: function(y.unsqueeze(2), weight, [0, *pad], *rest).squeeze(2), x, pads
            )
        return lambda pads, x: _padded(lambda y, pad: function(y, self.weight, pad, *rest), x, pads)


def plan_convolutions(kernel: Kernel) -> Callable[[Sequence[int], Pads], Convolution]:
    """From spatial sizes and padding to the convolution of such inputs.

    Kernels with fewer than 16 output channels compute a tile of neighbouring positions at once, as channels. The sums
    have the same order and bits.
    """
    plain = kernel.convolution()
    tiled = functools.cache(lambda tile: kernel.tiled(tile).convolution())

    def plan(sizes: Sequence[int], pads: Pads) -> Convolution:
        counts, tile, missing = _best_tile(kernel, sizes, pads)
        if math.prod(tile) == 1:
            return functools.partial(plain, pads)
        wider = tuple((before, after + more) for (before, after), more in zip(pads, missing, strict=True))
        convolve = tiled(tile)

        def compute(x: Tensor) -> Tensor:
            result = convolve(wider, x)
            # The zeros around a tile's weights would carry what is not finite to neighbours out of its reach.
            return _spread(result, tile, counts) if math.isfinite(float(result.sum())) else plain(pads, x)

        return compute

    return plan


def plan_empty(kernel: Kernel, counts: Sequence[int]) -> Convolution:
    """The convolution of inputs without elements, of which oneDNN makes nothing good."""
    return lambda x: x.new_empty((x.shape[0], kernel.weight.shape[0], *counts))


def _best_tile(kernel: Kernel, sizes: Sequence[int], pads: Pads) -> tuple[list[int], tuple[int, ...], list[int]]:
    """The output's sizes, the tile that costs the fewest products, and the zeros that fill up the last tile."""
    whole = [size + before + after for size, (before, after) in zip(sizes, pads, strict=True)]
    counts = kernel.counts(sizes, pads)
    most = max(1, _LANES // kernel.weight.shape[0]) if kernel.groups == 1 else 1
    choices = [range(1, most + 1) if dilation == 1 else (1,) for dilation in kernel.dilations]

    def cost(tile: tuple[int, ...]) -> int:
        parts = zip(counts, tile, kernel.width, kernel.strides, strict=True)
        return math.prod(-(-count // n) * (k + (n - 1) * step) for count, n, k, step in parts)

    tile = min((tile for tile in itertools.product(*choices) if math.prod(tile) <= most), key=cost)
    missing = [
        max(0, (-(-count // n) * n - 1) * step + k - size)
        for size, count, n, k, step in zip(whole, counts, tile, kernel.width, kernel.strides, strict=True)
    ]
    return counts, tile, missing


def _spread(x: Tensor, tile: Sequence[int], counts: Sequence[int]) -> Tensor:
    """`(n, *tile · C, *d)` to `(n, C, *counts)`: a tile's positions take their places."""
    dims = range(len(tile))
    parts = x.reshape(x.shape[0], *tile, -1, *x.shape[2:])
    channels, firsts = 1 + len(tile), [2 + len(tile) + i for i in dims]
    places = [axis for i in dims for axis in (firsts[i], 1 + i)]
    lengths = [size * n for size, n in zip(x.shape[2:], tile, strict=True)]
    if x.ndim == 4:  # stays channels last
        result = parts.permute(0, *places, channels).reshape(x.shape[0], *lengths, -1).movedim(-1, 1)
    else:
        result = parts.permute(0, channels, *places).reshape(x.shape[0], -1, *lengths)
    for i in dims:
        result = result.narrow(2 + i, 0, counts[i]) if result.shape[2 + i] > counts[i] else result
    return result


def _padded(convolve: Callable[[Tensor, list[int]], Tensor], x: Tensor, pads: Pads) -> Tensor:
    if any(before != after for before, after in pads):
        return convolve(padded(x, pads), [0] * len(pads))
    return convolve(x, [before for before, _ in pads])


def channels_last(x: Tensor) -> Tensor:
    """The same values with channels next to each other in memory, `x` itself where they are.

    oneDNN has its fast kernels there; on inputs in torch's order some shapes run five times slower.
    """
    if x.is_contiguous(memory_format=torch.channels_last) and x.stride(1) == 1:
        return x
    n, channels, height, width = x.shape
    if channels == 1 and x.is_contiguous():  # only the strides say which of the two orders it is
        return x.as_strided(x.shape, (height * width, 1, width, 1))
    if n == 1 and channels >= _LANES and x.is_contiguous():  # torch transposes two dimensions faster than four
        return x.reshape(channels, height * width).t().contiguous().view(n, height, width, channels).movedim(-1, 1)
    return x.contiguous(memory_format=torch.channels_last)


def _function(dimensions: int) -> Callable[..., Tensor]:
    """A convolution of `(x, weight, pad, bias, strides, dilations, groups)`.

    oneDNN's, where torch has it: its kernels add a window's products one after another, as XNNPACK and TensorFlow do,
    and give the same bits on long audio kernels. Left to itself torch takes another kernel for small inputs, whose sums
    are rounded in another order; behind a logarithm of quiet bins that alone moves Basic Pitch's outputs by 3e-4.
    """
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        one_dnn = torch.mkldnn_convolution
        return lambda x, weight, pad, bias, *rest: one_dnn(x, weight, bias, pad, *rest)
    function = _CONVS[dimensions - 1]
    return lambda x, weight, pad, bias, strides, *rest: function(x, weight, bias, strides, pad, *rest)

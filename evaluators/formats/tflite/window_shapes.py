"""Sizes of what TFLite ops make that slide windows over a picture, or rearrange one; see `tflite_shapes`."""

from __future__ import annotations

import math

import numpy as np

from evaluators.formats.tflite.reading import Reading, Rule, Shape


def _window(size: int, taps: int, stride: int, dilation: int, *, same: bool) -> int:
    """Places of a window along one axis."""
    if stride < 1 or taps < 1 or dilation < 1:
        raise ValueError("a window without taps or steps")
    reach = 1 if same else (taps - 1) * dilation + 1
    made = (size - reach) // stride + 1
    if made < 1:
        raise ValueError("the window is longer than what it slides over")
    return made


def _convolution(options: str, *, depthwise: bool = False) -> Rule:
    def rule(reading: Reading) -> Shape:
        told, (batch, height, width, _), weight = reading.told(options), reading.inputs[0], reading.inputs[1]
        same = told.Padding() == 0
        rows = _window(height, weight[1], told.StrideH(), told.DilationHFactor(), same=same)
        columns = _window(width, weight[2], told.StrideW(), told.DilationWFactor(), same=same)
        return batch, rows, columns, weight[3] if depthwise else weight[0]

    return rule


def _pool(reading: Reading) -> Shape:
    told, (batch, height, width, channels) = reading.told("Pool2DOptions"), reading.inputs[0]
    same = told.Padding() == 0
    rows = _window(height, told.FilterHeight(), told.StrideH(), 1, same=same)
    return batch, rows, _window(width, told.FilterWidth(), told.StrideW(), 1, same=same), channels


def _resize(reading: Reading) -> Shape:
    height, width = reading.numbers(1)
    return reading.inputs[0][0], height, width, reading.inputs[0][3]


def _real_fft(reading: Reading) -> Shape:
    height, width = reading.numbers(1)
    return (*reading.inputs[0][:-2], height, width // 2 + 1)


def _to_depth(reading: Reading) -> Shape:
    block, (batch, height, width, channels) = reading.told("SpaceToDepthOptions").BlockSize(), reading.inputs[0]
    return batch, height // block, width // block, channels * block * block


def _to_space(reading: Reading) -> Shape:
    block, (batch, height, width, channels) = reading.told("DepthToSpaceOptions").BlockSize(), reading.inputs[0]
    return batch, height * block, width * block, channels // (block * block)


def _space_to_batch(reading: Reading) -> Shape:
    (batch, *sizes), block = reading.inputs[0], reading.numbers(1)
    sums = np.reshape(reading.numbers(2), (-1, 2)).sum(axis=1)
    padded = [size + int(more) for size, more in zip(sizes, sums, strict=False)]
    cut = [size // times for size, times in zip(padded, block, strict=True)]
    return batch * math.prod(block), *cut, *sizes[len(block) :]


def _batch_to_space(reading: Reading) -> Shape:
    (batch, *sizes), block = reading.inputs[0], reading.numbers(1)
    sums = np.reshape(reading.numbers(2), (-1, 2)).sum(axis=1)
    spread = [size * times - int(less) for size, times, less in zip(sizes, block, sums, strict=False)]
    return batch // math.prod(block), *spread, *sizes[len(block) :]


WINDOW_RULES: dict[str, Rule] = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), _pool),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    "CONV_2D": _convolution("Conv2DOptions"),
    "DEPTHWISE_CONV_2D": _convolution("DepthwiseConv2DOptions", depthwise=True),
    "RFFT2D": _real_fft,
    "SPACE_TO_DEPTH": _to_depth,
    "DEPTH_TO_SPACE": _to_space,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "BATCH_TO_SPACE_ND": _batch_to_space,
}

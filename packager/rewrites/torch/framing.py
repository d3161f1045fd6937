"""Overlapping frames cut out of a signal and added up again, by slices.

Replaces: `aten.unfold` (`Tensor.unfold`), `aten.im2col` (`F.unfold`) and `aten.col2im` (`F.fold`).
Why: coremltools 9.0 knows the first not at all and the last only without overlap; litert-torch 0.10 makes a scatter of
    the last, which LiteRT 2.3 refuses to run.
Given: frames of a length at a hop. Result: the signal is laid out in blocks of one hop, and shifted copies of them are
    put side by side, or padded and added up; where more copies would be needed than is sensible, constant indices
    gather them, or a transposed convolution with a unit matrix adds them up.
Equal because: cutting moves values and computes nothing; adding up adds the same values, in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named
from packager.rewrites.torch.axes import move_axis
from packager.rewrites.torch.istft import add_frames
from packager.rewrites.torch.stft import cut_frames

if TYPE_CHECKING:
    from torch import Tensor

NAME = "framing"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    calls = {aten.unfold.default: _unfold, aten.im2col.default: _im2col, aten.col2im.default: _col2im}
    return {op: named(op, call) for op, call in calls.items()}


def _unfold(call: Any) -> Tensor:
    return _cut(call.self, call.dimension, call.size, call.step)


def _cut(x: Tensor, axis: int, size: int, hop: int) -> Tensor:
    """Frames along an axis: it becomes the number of frames, and their samples a new last axis."""
    if hop >= size:  # no overlap: blocks of one hop, of which the first `size` samples are kept
        count = (x.shape[axis] - size) // hop + 1
        x = move_axis(x, axis, -1)
        missing = count * hop - x.shape[-1]
        x = _pad_last(x, 0, missing) if missing > 0 else x[..., : count * hop]
        frames = x.reshape(*x.shape[:-1], count, hop)[..., :size]
    else:
        x = move_axis(x, axis, -1)
        frames = cut_frames(x.reshape(-1, x.shape[-1]), size, hop)
        frames = frames.reshape(*x.shape[:-1], *frames.shape[1:])
    return move_axis(frames, -2, axis if axis >= 0 else axis - 1)


def _pad_last(x: Tensor, before: int, behind: int) -> Tensor:
    import torch

    return torch.nn.functional.pad(x, (before, behind))


def _im2col(call: Any) -> Tensor:
    import torch

    x = call.self if call.self.ndim == 4 else call.self[None]
    (top, left), batch, channels = call.padding, x.shape[0], x.shape[1]
    x = torch.nn.functional.pad(x, (left, left, top, top)).flatten(0, 1)
    sizes, dilations, strides = call.kernel_size, call.dilation, call.stride
    for axis, size, dilation, stride in zip((1, 2), sizes, dilations, strides, strict=True):
        x = _cut(x, axis, (size - 1) * dilation + 1, stride)[..., ::dilation]
    rows, columns = x.shape[1:3]  # (batch * channels, rows, columns, kernel rows, kernel columns)
    found = x.permute(0, 3, 4, 1, 2).reshape(batch, channels * sizes[0] * sizes[1], rows * columns)
    return found if call.self.ndim == 4 else found[0]


def _col2im(call: Any) -> Tensor:
    x = call.self if call.self.ndim == 3 else call.self[None]
    batch, (height, width), (high, wide) = x.shape[0], call.output_size, call.kernel_size
    spans = [(size - 1) * dilation + 1 for size, dilation in zip((high, wide), call.dilation, strict=True)]
    counts = [
        (size + 2 * padding - span) // stride + 1
        for size, padding, span, stride in zip((height, width), call.padding, spans, call.stride, strict=True)
    ]
    x = x.reshape(-1, high, wide, counts[0], counts[1]).permute(0, 2, 4, 3, 1)
    lead = x.shape[:3]  # (batch * channels, kernel columns, columns)
    x = add_frames(_spread(x.flatten(0, 2), call.dilation[0]), call.stride[0]).reshape(*lead, -1)
    x = x.permute(0, 3, 2, 1)
    lead = x.shape[:2]  # (batch * channels, samples along the height)
    x = add_frames(_spread(x.flatten(0, 1), call.dilation[1]), call.stride[1]).reshape(*lead, -1)
    x = _crop(_crop(x, 1, call.padding[0], height), 2, call.padding[1], width)
    found = x.reshape(batch, -1, height, width)
    return found if call.self.ndim == 3 else found[0]


def _spread(frames: Tensor, dilation: int) -> Tensor:
    """Frames with `dilation - 1` zeros between their samples."""
    if dilation == 1:
        return frames
    spread = _pad_last(frames[..., None], 0, dilation - 1).flatten(-2)
    return spread[..., : (frames.shape[-1] - 1) * dilation + 1]


def _crop(x: Tensor, axis: int, before: int, size: int) -> Tensor:
    """`size` samples from `before` on; what no frame reached is 0."""
    missing = before + size - x.shape[axis]
    if missing > 0:
        x = move_axis(_pad_last(move_axis(x, axis, -1), 0, missing), -1, axis)
    return x.narrow(axis, before, size)

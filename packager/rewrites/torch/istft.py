"""The inverse short-time Fourier transform as products of real matrices and sums of shifted blocks.

Replaces: `aten.istft`, with every window, `win_length`, `center`, `normalized`, `onesided` and `length`.
Why: neither converter has a lowering for it, nor for the complex spectrum that it takes.
Given: `istft(spectrum, n_fft, hop)`. Result: each frame is transformed back and windowed by the matrices of
    `fourier.py`, cut into blocks of a hop, which are padded to their place and added; the sum is divided by that of
    the squared windows, which is constant.
Equal because: it is the definition. The sums are float32 as torch's are, in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named
from packager.rewrites.torch.complex_numbers import Complex
from packager.rewrites.torch.fourier import synthesise, transform
from packager.rewrites.torch.stft import MOST_SLICES, full_window

if TYPE_CHECKING:
    from torch import Tensor

NAME = "istft"

LEAST_SHARING = 3
"""how many times the rows at both ends a signal must be long for its hops to share their sums of squares"""


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    op = torch.ops.aten.istft.default
    return {op: named(op, _istft)}


def add_frames(frames: Tensor, hop: int) -> Tensor:
    """Add overlapping frames up, the inverse of cutting them.

    Args:
        frames: (batch, frame, size).
        hop: Samples from a frame's start to the next's.

    Returns:
        (batch, (frames - 1) * hop + size).
    """
    import torch

    pad = torch.nn.functional.pad
    batch, count, size = frames.shape
    blocks = -(-size // hop)
    if blocks > MOST_SLICES:
        kernel = torch.eye(size, dtype=frames.dtype)[:, None]
        return torch.nn.functional.conv_transpose1d(frames.transpose(1, 2), kernel, stride=hop)[:, 0]
    if blocks * hop > size:
        frames = pad(frames, (0, blocks * hop - size))
    total = _add_blocks(frames, hop)
    return total.reshape(batch, -1)[:, : (count - 1) * hop + size]


def _add_blocks(frames: Tensor, hop: int) -> Tensor:
    """As `add_frames`, of frames that are whole hops long: (batch, frames + size / hop - 1, hop)."""
    import torch

    blocks = frames.shape[-1] // hop
    total = None
    for block in range(blocks):
        part = frames[..., block * hop : (block + 1) * hop]
        placed = torch.nn.functional.pad(part, (0, 0, block, blocks - 1 - block)) if blocks > 1 else part
        total = placed if total is None else total + placed
    assert total is not None
    return total


def _istft(call: Any) -> Any:
    if call.self.real.ndim == 2:
        call.self = Complex(call.self.real[None], call.self.imag[None])
        result = _istft(call)
        return Complex(result.real[0], result.imag[0]) if isinstance(result, Complex) else result[0]
    real, imag = (part.transpose(1, 2) for part in (call.self.real, call.self.imag))  # (batch, frame, bin)
    n_fft = call.n_fft
    scale = n_fft**-0.5 if call.normalized else 1 / n_fft
    window = full_window(call.window, call.win_length, n_fft, real)
    if call.return_complex:
        frames = transform(Complex(real, imag), forward=False, scale=scale)
        parts = [part if window is None else part * window for part in (frames.real, frames.imag)]
        return Complex(*(_overlapped(part, window, call) for part in parts))
    bins = n_fft // 2 + 1
    signal = synthesise(Complex(real[..., :bins], imag[..., :bins]), n_fft, scale, window)
    return _overlapped(signal, window, call)


def _overlapped(frames: Tensor, window: Tensor | None, call: Any) -> Tensor:
    """Add windowed frames up, divide by the sum of squared windows, and take what was asked for."""
    import torch

    n_fft = call.n_fft
    hop = n_fft // 4 if call.hop_length is None else call.hop_length
    total = (frames.shape[1] - 1) * hop + n_fft
    start = n_fft // 2 if call.center else 0
    end = start + call.length if call.length is not None else total - start
    squares = torch.ones(n_fft, dtype=frames.dtype) if window is None else window * window
    signal = _divided(frames, squares, hop, start, end)
    return torch.nn.functional.pad(signal, (0, end - total)) if end > total else signal


def _divided(frames: Tensor, squares: Tensor, hop: int, start: int, end: int) -> Tensor:
    """The sum of frames by that of squared windows, from sample `start` to `end`."""
    import torch

    batch, count, size = frames.shape
    blocks = -(-size // hop)
    rows, edge = count + blocks - 1, blocks - 1
    if blocks > MOST_SLICES or rows < LEAST_SHARING * (2 * edge + 1):
        weight = add_frames(squares.expand(1, count, size), hop)[:, start:end]
        return add_frames(frames, hop)[:, start:end] / _heard(weight)
    # Away from both ends every hop has the same sums: one row in place of a constant as long as the signal.
    padding = (0, blocks * hop - size)
    sums = _heard(_add_blocks(torch.nn.functional.pad(squares, padding).expand(1, 2 * blocks - 1, blocks * hop), hop))
    signal = _add_blocks(torch.nn.functional.pad(frames, padding), hop)
    parts = [
        signal[:, :edge] / sums[:, :edge],
        signal[:, edge : rows - edge] / sums[:, edge : edge + 1],
        signal[:, rows - edge :] / sums[:, sums.shape[1] - edge :],
    ]
    return torch.cat(parts if edge else parts[1:2], 1).reshape(batch, rows * hop)[:, start:end]


def _heard(weight: Tensor) -> Tensor:
    """At the outer ends of a window that begins with 0 nothing was heard, and torch refuses to say what was."""
    import torch

    return torch.where(weight < 1e-11, torch.ones_like(weight), weight)

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
    total = None
    for block in range(blocks):
        part = frames[..., block * hop : (block + 1) * hop]
        placed = pad(part, (0, 0, block, blocks - 1 - block)) if blocks > 1 else part
        total = placed if total is None else total + placed
    assert total is not None
    return total.reshape(batch, (count + blocks - 1) * hop)[:, : (count - 1) * hop + size]


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
    ones = torch.ones(1, frames.shape[1], n_fft, dtype=frames.dtype)
    total = (frames.shape[1] - 1) * hop + n_fft
    start = n_fft // 2 if call.center else 0
    end = start + call.length if call.length is not None else total - start
    signal = add_frames(frames, hop)[:, start:end]
    weight = add_frames(ones if window is None else ones * (window * window), hop)[:, start:end]
    # At the outer ends of a window that begins with 0 nothing was heard, and torch refuses to say what was.
    signal = signal / torch.where(weight < 1e-11, torch.ones_like(weight), weight)
    return torch.nn.functional.pad(signal, (0, end - total)) if end > total else signal

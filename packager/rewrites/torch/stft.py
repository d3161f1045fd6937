"""The short-time Fourier transform as products of real matrices.

Replaces: `aten.stft`, with every window, `win_length`, `center`, padding mode, `normalized`, `onesided` and
    `return_complex`.
Why: litert-torch 0.10 has no lowering for it, and coremltools 9.0 none for its complex result.
Given: `stft(x, n_fft, hop)`. Result: frames are slices of hop-sized blocks laid side by side, multiplied with the
    matrices of `fourier.py`, which hold the window and the scale.
Equal because: it is the definition of the transform. The sums are float32 as torch's are, in another order: the
    difference is more than 120 dB below the signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError
from packager.rewrites.torch.arguments import named
from packager.rewrites.torch.complex_numbers import Complex, is_complex
from packager.rewrites.torch.fourier import analyse

if TYPE_CHECKING:
    from torch import Tensor

NAME = "stft"

MOST_SLICES = 64
"""to cut frames by; where a hop is less than this part of a frame, one gather cuts them"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """Both overloads, where the result is real."""
    import torch

    aten = torch.ops.aten
    return {
        aten.stft.default: named(aten.stft.default, _stft),
        aten.stft.center: named(aten.stft.center, _centred_stft),
    }


def complex_replacements() -> dict[Any, Callable[..., Any]]:
    """Both overloads."""
    return replacements()


def full_window(window: Tensor | None, win_length: int | None, n_fft: int, model: Tensor) -> Tensor | None:
    """Give a window the length of a frame: a shorter one stands in the middle.

    Args:
        window: (win_length,), or None for ones.
        win_length: Samples; None is n_fft.
        n_fft: Samples in a frame.
        model: Gives the type.

    Returns:
        (n_fft,), or None where all of it is 1.
    """
    import torch

    length = n_fft if win_length is None else win_length
    if window is None:
        if length == n_fft:
            return None
        window = torch.ones(length, dtype=model.dtype)
    if length < n_fft:
        before = (n_fft - length) // 2
        window = torch.nn.functional.pad(window, (before, n_fft - length - before))
    return window


def cut_frames(x: Tensor, size: int, hop: int) -> Tensor:
    """Cut overlapping frames.

    Args:
        x: (batch, samples).
        size: Samples in a frame.
        hop: Samples from a frame's start to the next's.

    Returns:
        (batch, frame, size); samples that fill no frame are left out.
    """
    import torch

    batch, length = x.shape
    count = (length - size) // hop + 1
    slices = -(-size // hop)
    if slices > MOST_SLICES:
        starts = torch.arange(count)[:, None] * hop + torch.arange(size)[None]
        return x.index_select(1, starts.reshape(-1)).reshape(batch, count, size)
    needed = (count + slices - 1) * hop
    x = torch.nn.functional.pad(x, (0, needed - length)) if needed > length else x[:, :needed]
    blocks = x.reshape(batch, count + slices - 1, hop)
    if slices == 1:
        return blocks[..., :size]
    frames = torch.cat([blocks[:, start : start + count] for start in range(slices)], -1)
    return frames[..., :size]


def _centred_stft(call: Any) -> Any:
    import torch

    if call.center:
        half = call.n_fft // 2
        batched = call.self if call.self.ndim == 2 else call.self[None]
        padded = torch.nn.functional.pad(batched[:, None], (half, half), mode=call.pad_mode)[:, 0]
        call.self = padded if call.self.ndim == 2 else padded[0]
        call.align_to_window = None
    return _stft(call)


def _stft(call: Any) -> Any:
    import torch

    if is_complex(call.self):
        raise PackagingError("the short-time Fourier transform of a complex signal; transform its parts apart")
    if call.self.ndim == 1:
        call.self = call.self[None]
        result = _stft(call)
        return Complex(result.real[0], result.imag[0]) if is_complex(result) else result[0]
    x, n_fft = call.self, call.n_fft
    hop = n_fft // 4 if call.hop_length is None else call.hop_length
    window = full_window(call.window, call.win_length, n_fft, x)
    if call.align_to_window:
        around = (n_fft - (call.win_length or n_fft)) // 2
        x = torch.nn.functional.pad(x, (around, around))
    if call.normalized:
        window = (torch.ones(n_fft, dtype=x.dtype) if window is None else window) * n_fft**-0.5
    frames = cut_frames(x, n_fft, hop)
    bins = n_fft if call.onesided is False else n_fft // 2 + 1
    result = _with_frequency_before_time(frames, bins, window)
    return result if call.return_complex else torch.stack([result.real, result.imag], -1)


def _with_frequency_before_time(frames: Tensor, bins: int, window: Tensor | None) -> Complex:
    batch, count, _ = frames.shape
    result = analyse(frames, bins, window, frequency_first=True)
    if batch == 1:
        return Complex(result.real[None], result.imag[None])
    real, imag = (part.reshape(bins, batch, count).permute(1, 0, 2) for part in (result.real, result.imag))
    return Complex(real, imag)

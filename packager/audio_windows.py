"""A window of audio in the shape that a model's input has."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.errors import PackagingError

AUDIO = "audio"
"""what a model's audio input is called, whatever its source calls it"""


def holds_window(shape: tuple[int, ...], audio: AudioContract) -> bool:
    """Whether a shape is that of one window of the contract's samples and channels."""
    return audio.window_samples in shape and math.prod(shape) == audio.window_samples * audio.channels


def fix_audio_shape(shape: tuple[int | None, ...], audio: AudioContract, *, where: str) -> tuple[int, ...]:
    """A model input's shape with its open dimensions fixed: the batch to 1, the time to the contract's window.

    Raises:
        PackagingError: The result does not hold exactly one window of the contract's channels.
    """
    closed = [1 if size is None and axis == 0 else size for axis, size in enumerate(shape)]
    fixed = tuple(audio.window_samples if size is None else int(size) for size in closed)
    if not holds_window(fixed, audio):
        raise PackagingError(
            f"{where} has shape {list(shape)}, which does not hold one window of {audio.window_samples} samples and "
            f"{audio.channels} channel(s); make audio.window_samples and audio.channels in the recipe match the model"
        )
    return fixed


def name_audio_axes(shape: tuple[int, ...], audio: AudioContract) -> tuple[str, ...]:
    """One word a dimension of an audio input: batch, sample, channel."""
    names = []
    for axis, size in enumerate(shape):
        if size == audio.window_samples and "sample" not in names:
            names.append("sample")
        elif axis == 0:
            names.append("batch")
        else:
            names.append("channel")
    return tuple(names)


def shape_window(
    window: npt.NDArray[np.float32], shape: tuple[int, ...], axes: tuple[str, ...]
) -> npt.NDArray[np.float32]:
    """A window `(channels, samples)` in the layout of a model's input.

    Args:
        window: float32 `(channels, samples)`.
        shape: The input's shape.
        axes: Its axes, as `name_audio_axes` names them.
    """
    sample_first = "channel" in axes and axes.index("sample") < axes.index("channel")
    return np.ascontiguousarray(window.T if sample_first else window).reshape(shape)

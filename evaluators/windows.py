"""Long audio against models with a fixed window: the one place that cuts audio and puts outputs together again.

Every runtime is fed and read through this module, so no runtime can differ from another by its framing.

The scheme is Basic Pitch's. Windows overlap by `window_samples - hop_samples`. Half an overlap of zeros goes before the
audio, a window starts every hop, the last one is filled up with zeros. Of each window's frames those of half an overlap
are left out at each side, so that every frame kept has seen audio on both of its sides; what is kept of one window
starts where what is kept of the one before ends.

Source: `basic_pitch/inference.py` of basic-pitch 0.4.0 (`get_audio_input`, `window_audio_file`, `unwrap_output`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from packager.bundle import AudioContract
from packager.integration_records import OutputKind
from packager.stitching import count_windows, find_lead_in, kept_frames, samples_per_frame

Samples: TypeAlias = npt.NDArray[np.float32]
"""Audio, `(channels, samples)`, full scale 1."""


@dataclass(frozen=True)
class Stitched:
    """One output of a model over a whole clip."""

    values: npt.NDArray[Any]
    """frames: (frames, …) · window: (windows, …) · clip: what one window gives · audio: (…, samples)"""
    times_s: npt.NDArray[np.float64]
    """strictly rising: where each frame, window or sample stands in the clip; 0 of a clip's value"""
    kind: OutputKind = "frames"


def cut(samples: Samples, audio: AudioContract) -> npt.NDArray[np.float32]:
    """Cut a clip into the model's windows.

    Args:
        samples: `(channels, samples)` at the contract's rate. Not modified.
        audio: The contract.

    Returns:
        float32 `(windows, channels, window_samples)`, a copy.

    Raises:
        EvaluationError: The shape is not `(channels, samples)`, the channels are not the contract's, or it is empty.
    """
    if samples.ndim != 2 or samples.shape[0] != audio.channels:
        raise EvaluationError(
            f"audio of shape {samples.shape} cannot be cut: ({audio.channels}, samples) is expected, channels first"
        )
    if samples.shape[1] == 0:
        raise EvaluationError("audio without a sample cannot be cut: at least one sample is needed")
    n_windows = count_windows(samples.shape[1], audio)
    lead_in = find_lead_in(audio)
    padded = np.zeros((audio.channels, (n_windows - 1) * audio.hop_samples + audio.window_samples), np.float32)
    padded[:, lead_in : lead_in + samples.shape[1]] = samples
    starts = np.lib.stride_tricks.sliding_window_view(padded, audio.window_samples, axis=1)[:, :: audio.hop_samples]
    return np.ascontiguousarray(starts.transpose(1, 0, 2))


def uncut(windows: npt.NDArray[np.float32], audio: AudioContract, n_samples: int) -> Samples:
    """The clip that windows were cut of, to the bit.

    Args:
        windows: `(windows, channels, window_samples)`, what `cut` made. Not modified.
        audio: The contract.
        n_samples: The clip's length.

    Returns:
        float32 `(channels, samples)`, a copy.
    """
    parts = [*(window[:, : audio.hop_samples] for window in windows[:-1]), windows[-1]]
    lead_in = find_lead_in(audio)
    whole: Samples = np.concatenate(parts, axis=1)[:, lead_in : lead_in + n_samples].copy()
    return whole


def stitch(outputs: npt.NDArray[Any], audio: AudioContract, n_samples: int) -> Stitched:
    """Put one output's windows together again.

    A frame's time is exact: window index x hop + frame in window x samples per frame - lead-in. Upstream instead gives
    frames a steady rate and takes back, once every 172 frames, a time that holds a constant found by trial
    (`model_frames_to_time`); the two differ by up to 8.5 ms within 7 s and 10.5 ms within 10 minutes.

    With `audio.frame_rate_hz` the result is trimmed to floor(n_samples x frame_rate_hz / sample_rate_hz) frames, as
    upstream does (86 for Basic Pitch); otherwise to the frames whose time lies within the clip.

    Args:
        outputs: `(windows, frames, …)`, the model's outputs for the windows of `cut`, in order. Not modified.
        audio: The contract.
        n_samples: The clip's length before it was cut.

    Raises:
        EvaluationError: There is no frame axis, or the number of windows is not the one `cut` makes.
    """
    n_windows = count_windows(n_samples, audio)
    if outputs.ndim < 2 or outputs.shape[0] != n_windows or outputs.shape[1] == 0:
        raise EvaluationError(
            f"outputs of shape {outputs.shape} cannot be put together: a clip of {n_samples} samples makes {n_windows} "
            f"windows, so ({n_windows}, frames, …) is expected"
        )
    step = samples_per_frame(outputs.shape[1], audio)
    first, last = kept_frames(outputs.shape[1], step, audio)
    starts = np.arange(n_windows)[:, None] * audio.hop_samples - find_lead_in(audio)
    times_s = (starts + np.arange(first, last) * float(step)).reshape(-1) / audio.sample_rate_hz
    values = outputs[:, first:last].reshape(-1, *outputs.shape[2:])
    if audio.frame_rate_hz is None:
        n_frames = int(np.searchsorted(times_s, n_samples / audio.sample_rate_hz, side="left"))
    else:
        n_frames = math.floor(n_samples * audio.frame_rate_hz / audio.sample_rate_hz)
    return Stitched(values[:n_frames], times_s[:n_frames])

"""The constant matrices of front ends: window functions, mel filters, cosine transforms; all float64."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from packager.frontend_spec import BuiltIn, LogMelSpec, MfccSpec

Array = npt.NDArray[np.float64]
MelScale = Literal["htk", "slaney"]

_POVEY_POWER = 0.85
"""source: Kaldi, feat/feature-window.cc"""
_SLANEY_HZ_PER_MEL = 200 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_STEP = np.log(6.4) / 27
"""source: Slaney, "Auditory Toolbox", technical report 1998-010; straight up to 1 kHz, logarithmic above"""


def make_window(spec: BuiltIn) -> Array:
    """The window function over one frame: `n_fft` samples where it lies in their middle, else `win_length`."""
    from scipy.signal import get_window

    name = {"povey": "hann", "rectangular": "boxcar"}.get(spec.window, spec.window)
    window: Array = get_window(name, spec.win_length, fftbins=spec.window_symmetry == "periodic")
    if spec.window == "povey":
        window = window**_POVEY_POWER
    missing = frame_length(spec) - spec.win_length
    return np.pad(window, (missing // 2, missing - missing // 2))


def frame_length(spec: BuiltIn) -> int:
    """Samples of one frame, those that the window makes 0 among them."""
    return spec.n_fft if spec.window_position == "centre" else spec.win_length


def to_mel(hz: Any, scale: MelScale) -> Array:
    """Frequencies in mel."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1 + hz / 700))
    logarithmic = np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_STEP
    return np.asarray(np.minimum(hz, _SLANEY_BREAK_HZ) / _SLANEY_HZ_PER_MEL + logarithmic)


def to_hz(mel: Any, scale: MelScale) -> Array:
    """Mel as frequencies."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return np.asarray(700.0 * (10 ** (mel / 2595) - 1))
    break_mel = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
    stretch = np.exp(_SLANEY_STEP * np.maximum(mel - break_mel, 0))
    return np.asarray(np.minimum(mel, break_mel) * _SLANEY_HZ_PER_MEL * stretch)


def make_mel_filters(spec: LogMelSpec | MfccSpec, rate_hz: int) -> Array:
    """Triangular filters `(n_fft // 2 + 1, n_mels)`, their centres at even distances in mel."""
    edges = np.linspace(to_mel(spec.f_min_hz, spec.mel_scale), to_mel(spec.f_max_hz, spec.mel_scale), spec.n_mels + 2)
    bins_hz = np.arange(spec.n_fft // 2 + 1) * rate_hz / spec.n_fft
    edges_hz = to_hz(edges, spec.mel_scale)
    if spec.mel_triangles == "mel":
        places, corners = to_mel(bins_hz, spec.mel_scale), edges
    else:
        places, corners = bins_hz, edges_hz
    rising = (places[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - places[:, None]) / (corners[2:] - corners[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    if spec.mel_norm == "slaney":
        filters = filters * 2 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(filters)


def make_cosines(spec: MfccSpec) -> Array:
    """The cosine transform with the lifter, `(n_mels, n_mfcc)`."""
    from scipy.fft import dct

    norm = "ortho" if spec.dct_norm == "ortho" else "backward"
    matrix: Array = dct(np.eye(spec.n_mels), type=spec.dct_type, norm=norm, axis=1)[:, : spec.n_mfcc]
    if spec.lifter:
        place = np.arange(spec.n_mfcc) + spec.lifter_from
        matrix = matrix * (1 + spec.lifter / 2 * np.sin(np.pi * place / spec.lifter))
    return matrix

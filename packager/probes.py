"""Test signals that need no data: what golden vectors are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract

_SEED = 20261123
_CHIRP_PEAK = 0.5
_NOISE_RMS = 0.01


def probe_windows(audio: AudioContract) -> dict[str, npt.NDArray[np.float32]]:
    """One window a probe, float32 `(channels, window_samples)`.

    `chirp` sweeps exponentially from 50 Hz to 45 % of the sample rate at half scale; `noise` is white at -40 dBFS RMS,
    as quiet as a room. Seeded: the same contract gives the same samples.
    """
    seconds = np.arange(audio.window_samples) / audio.sample_rate_hz
    low_hz, high_hz = 50.0, 0.45 * audio.sample_rate_hz
    rate = np.log(high_hz / low_hz) / max(seconds[-1], 1 / audio.sample_rate_hz)
    phase = 2 * np.pi * low_hz * np.expm1(rate * seconds) / rate
    chirp = np.tile(_CHIRP_PEAK * np.sin(phase), (audio.channels, 1))
    noise = np.random.default_rng(_SEED).normal(scale=_NOISE_RMS, size=(audio.channels, audio.window_samples))
    return {"chirp": chirp.astype(np.float32), "noise": noise.astype(np.float32)}

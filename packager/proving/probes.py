"""Test signals that need no data: what golden vectors, proofs and calibration are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.frontends.feeding import find_feed
from packager.frontends.opening import Frontend
from packager.sources import LoadedSource

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


def probe_inputs(
    loaded: LoadedSource, audio: AudioContract | None, state: Mapping[str, str], frontend: Frontend | None = None
) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """One whole call a probe: all inputs of a model, in their shapes and dtypes.

    An input of audio, or of features of it, hears `probe_windows`; state inputs are 0; every other input takes the
    source's own example, and in `noise`, where it holds real numbers, seeded noise as loud as that example.
    """
    feed = find_feed(loaded.inputs, audio, state, frontend)
    windows = probe_windows(audio) if audio is not None and feed is not None else None
    calls: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for probe in windows or ("example", "noise"):
        generator = np.random.default_rng(_SEED)
        calls[probe] = {}
        for name, tensor in loaded.inputs.items():
            if windows is not None and feed is not None and name == feed.name:
                calls[probe][name] = feed.feed(windows[probe]).astype(tensor.dtype)
            elif name in state:
                calls[probe][name] = np.zeros(tensor.shape, tensor.dtype)
            else:
                example = loaded.examples.get(name)
                value = generator.normal(size=tensor.shape) if example is None else example
                if probe == "noise" and example is not None and np.issubdtype(example.dtype, np.floating):
                    value = generator.normal(example.mean(), example.std() or 1.0, tensor.shape)
                calls[probe][name] = np.ascontiguousarray(value, dtype=tensor.dtype)
    return calls

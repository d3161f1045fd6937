"""A front end folded into a model's own graph: the model then takes audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packager.bundle import AudioContract
from packager.frontend_spec import BuiltIn
from packager.frontends.computation import Backend, compute, lay_out


def fold(spec: BuiltIn, audio: AudioContract, backend: Backend, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """A function of a framework's own tensors: samples `(1, channels, samples)` or `(1, samples)` → features.

    Args:
        spec: The choices.
        audio: The contract; mono windows have no axis of channels.
        backend: The framework's.
        shape: Of the model's input.
    """

    def run(samples: Any) -> Any:
        flat = backend.arrange(samples, tuple(range(len(samples.shape))), (audio.channels, audio.window_samples))
        features = lay_out(compute(flat, spec, audio.sample_rate_hz, backend), spec, backend)
        return backend.arrange(features, tuple(range(len(features.shape))), shape)

    return run


def audio_shape(audio: AudioContract) -> tuple[int, ...]:
    """What a model with its front end inside takes."""
    return (1, audio.window_samples) if audio.channels == 1 else (1, audio.channels, audio.window_samples)

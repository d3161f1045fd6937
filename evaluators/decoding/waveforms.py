"""A model's waveform beside the recording that it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evaluators.datasets.reading import read_audio
from evaluators.decoding.outputs import check_finite, take_output
from evaluators.errors import EvaluationError
from evaluators.pictures.sounds import Sound, name_channels
from evaluators.task import ClipContext
from evaluators.windows import Stitched
from packager.bounds import MAX_CHANNELS, MAX_SAMPLE_RATE_HZ
from packager.bundle import AudioContract

Rows: TypeAlias = npt.NDArray[np.float64]
"""(channels, samples)"""

MOST_ROUNDING_SAMPLES = 2
"""by which two lengths may differ after their rates were made equal: clip and reference are rounded once each"""


@dataclass(frozen=True)
class Recording:
    """A label file that holds audio: checked, and read anew for each use, since a dataset's would fill the memory."""

    path: Path
    channels: int

    def read(self, rate_hz: int) -> Rows:
        """Its samples at a rate, `(channels, samples)`; another rate is resampled as the dataset's clips are."""
        return read_audio(self.path, _contract(rate_hz, self.channels)).samples.astype(np.float64)


@dataclass(frozen=True)
class Waveform:
    """What a model made of a clip."""

    samples: Rows
    rate_hz: int


def find_recording(clip: ClipContext, key: str) -> Recording:
    """The recording that a line names under a key.

    Raises:
        EvaluationError: The file is no audio that can be used, see `read_audio`, or not as long as the clip.
    """
    import soundfile

    path = clip.files[key]
    channels, rate_hz = 1, 0
    try:
        facts = soundfile.info(path)
        channels, rate_hz = facts.channels, facts.samplerate
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        pass  # the reader says what is wrong with it
    try:
        samples = read_audio(path, _contract(rate_hz, channels)).samples
    except EvaluationError as fault:
        raise EvaluationError(f"{clip.where}: {key} {fault}") from None
    # Of two rates, one may round a length up; of one rate, both are whole.
    if abs(samples.shape[1] - clip.duration_s * rate_hz) > 0.999:
        raise EvaluationError(
            f"{clip.where}: {key} {path} is {samples.shape[1] / rate_hz:.6g} s long where the clip is "
            f"{clip.duration_s:.6g} s; both must be cut alike"
        )
    return Recording(path, channels)


def find_waveform(outputs: Mapping[str, Stitched], name: str) -> Waveform:
    """The waveform of an output of kind "audio".

    Raises:
        EvaluationError: It is not there, of another kind or shape, too short to have a rate, or not finite.
    """
    output = take_output(outputs, name)
    if output.kind != "audio":
        raise EvaluationError(
            f"output '{name}' is of kind \"{output.kind}\" where a waveform is needed; say model.outputs.{name}.kind = "
            '"audio"'
        )
    if len(output.times_s) < 2:
        raise EvaluationError(f"output '{name}' has {len(output.times_s)} samples, which make no waveform")
    counts = [count for count in output.values.shape[:-1] if count != 1]  # a batch of one may stand before channels
    if len(counts) > 1:
        raise EvaluationError(f"output '{name}' must be (samples,) or (channels, samples); found {output.values.shape}")
    samples = output.values.reshape(counts[0] if counts else 1, -1)
    check_finite(np.isfinite(samples).all(axis=0), output.times_s, name)
    rate_hz = round((len(output.times_s) - 1) / float(output.times_s[-1] - output.times_s[0]))
    return Waveform(samples.astype(np.float64), rate_hz)


def align(reference: Recording, estimate: Waveform, *, name: str, delay_samples: int = 0) -> tuple[Rows, Rows]:
    """Reference and estimate over the same stretch of time, at the estimate's rate.

    Sample 0 of the estimate belongs to sample 0 of the clip, or sample `delay_samples` does; nothing is searched for.
    Ends that differ by rounding of rates are cut to the shorter one.

    Args:
        reference: The recording.
        estimate: The model's waveform.
        name: The output's, for messages.
        delay_samples: By how much the model's output comes late.

    Returns:
        Two arrays of one shape `(channels, samples)`.

    Raises:
        EvaluationError: Channels or lengths differ, or nothing is left after the delay.
    """
    right = reference.read(estimate.rate_hz)
    if len(right) != len(estimate.samples):
        raise EvaluationError(
            f"output '{name}' has {len(estimate.samples)} channels where {reference.path.name} has {len(right)}"
        )
    lengths = right.shape[1], estimate.samples.shape[1]
    if abs(lengths[0] - lengths[1]) > MOST_ROUNDING_SAMPLES:
        raise EvaluationError(
            f"output '{name}' has {lengths[1]} samples at {estimate.rate_hz} Hz where {reference.path.name} has "
            f"{lengths[0]}"
        )
    kept = min(lengths) - delay_samples
    if kept < 1:
        raise EvaluationError(
            f"task.options.delay_samples: {delay_samples} leaves nothing of a clip of {min(lengths)} samples"
        )
    return right[:, :kept], estimate.samples[:, delay_samples : delay_samples + kept]


def hear_recording(recording: Recording, rate_hz: int) -> tuple[Sound, ...]:
    """What is heard of a label's recording, each channel by itself."""
    return name_channels(recording.read(rate_hz), rate_hz)


def hear_waveform(waveform: Waveform, *, delay_samples: int = 0) -> tuple[Sound, ...]:
    """What is heard of a model's waveform, each channel by itself, where the clip has it."""
    return name_channels(waveform.samples[:, delay_samples:], waveform.rate_hz)


def _contract(rate_hz: int, channels: int) -> AudioContract:
    # A rate or count that no contract holds is the reader's to refuse.
    possible_hz = rate_hz if 0 < rate_hz <= MAX_SAMPLE_RATE_HZ else 1
    return AudioContract(
        sample_rate_hz=possible_hz, channels=min(channels, MAX_CHANNELS), window_samples=1, hop_samples=1
    )

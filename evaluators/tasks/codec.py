"""A recording coded and decoded, or made anew by a vocoder: how far the output's spectrum lies from the true one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from evaluators.decoding.waveforms import (
    Recording,
    Rows,
    Waveform,
    align,
    find_recording,
    find_waveform,
    hear_recording,
    hear_waveform,
)
from evaluators.pictures.sounds import Sound
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched
from packager.frontend_spec import LogMelSpec, SpectrogramSpec
from packager.frontends.backends import NumpyBackend
from packager.frontends.computation import compute

Values = npt.NDArray[np.float64]

RESOLUTIONS = ((1024, 600, 120), (2048, 1200, 240), (512, 240, 50))
"""FFT, window and hop in samples. Source: table 1 of Yamamoto et al."""
_MAGNITUDE_FLOOR = 1e-7**0.5
"""source: the power's floor in the ParallelWaveGAN package, `losses/stft_loss.py`"""
_MEL_FFT, _MEL_HOP, _MEL_FLOOR = 1024, 256, 1e-5
"""source: HiFi-GAN's `config_v1.json` and `meldataset.py`"""
_BLOCK_FRAMES = 4096
"""an hour's frames at once would fill the memory"""
_SHORTEST = max(n_fft for n_fft, _, _ in RESOLUTIONS) // 2 + 1


_TOLERANCE = 0.01
"""of a distance: a hundredth of a neper, the last digit that is commonly published"""
_MEL = "agreement_mel_distance"


class CodecOptions(Record):
    """How spectra are compared."""

    mel_bands: Annotated[int, pydantic.Field(ge=8, le=256)] = 80
    """bands of `mel_distance`"""
    delay_samples: Annotated[int, pydantic.Field(ge=0, le=1_000_000)] = 0
    """by how many samples the model's output comes late"""


class Codec(Task):
    """Codecs and vocoders from the output `decoded`, of kind "audio", against the file that `reference` names.

    That is commonly the clip itself: `{"audio": "a.wav", "reference": "a.wav"}`. It is as long as the clip and has as
    many channels as the output; at another rate than the output's it is resampled. Sample 0 of the output belongs to
    sample 0 of the clip, or `delay_samples` later; nothing is searched for.

    - `stft_distance`: spectral convergence plus log magnitude, mean over three resolutions. Source: Yamamoto, Song and
      Kim, "Parallel WaveGAN", ICASSP 2020, its auxiliary loss. Hann windows, frames centred, ends mirrored.
    - `spectral_convergence`: the norm of the magnitudes' difference over that of the reference's magnitudes.
    - `log_magnitude_distance`: mean difference of the magnitudes' natural logarithms, magnitudes at least 3.2e-4.
    - `mel_distance`: mean difference of the natural logarithms of mel bands, each at least 1e-5. Source: Kong, Kim and
      Bae, "HiFi-GAN", NeurIPS 2020, its mel-spectrogram loss, with its spectra (1024 samples each 256, Slaney's scale);
      bands reach from 0 to half the output's rate, and frames are centred, not moved by half a hop.

    Lengths are in samples as in the papers, at whatever rate, so that distances at two rates are two things. Level
    counts in all of them. Channels are compared together.

    A clip of 1024 samples or fewer has no value; where the reference is silent what is divided by it has none.
    """

    Options = CodecOptions
    label_keys = ("reference",)
    label_files = ("reference",)
    required_outputs = ("decoded",)
    metrics = MappingProxyType(
        {
            "stft_distance": Metric(
                "dimensionless",
                "lower",
                "Spectral convergence plus log magnitude distance, over three resolutions.",
                tolerance=_TOLERANCE,
            ),
            "mel_distance": Metric(
                "dimensionless",
                "lower",
                "Mean difference of the natural logarithms of mel bands.",
                tolerance=_TOLERANCE,
            ),
            "spectral_convergence": Metric(
                "ratio", "lower", "Norm of the magnitudes' difference over the reference's, over three resolutions."
            ),
            "log_magnitude_distance": Metric(
                "dimensionless",
                "lower",
                "Mean difference of the magnitudes' natural logarithms, over three resolutions.",
            ),
        }
    )

    agreements = MappingProxyType(
        {
            _MEL: Metric(
                "dimensionless",
                "lower",
                "Mean difference of the natural logarithms of mel bands of the bundle's output and the source model's.",
                tolerance=_TOLERANCE,
            )
        }
    )

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Recording:  # noqa: ARG002
        """Check the file; see `Task.parse_labels`."""
        return find_recording(clip, "reference")

    def decode(self, outputs: Mapping[str, Stitched]) -> Waveform:
        """The waveform; see `Task.decode`."""
        return find_waveform(outputs, "decoded")

    def score(self, labels: Recording, estimate: Waveform) -> Found:
        """Score one clip; see the class."""
        reference, found = align(labels, estimate, name="decoded", delay_samples=self.options.delay_samples)
        if reference.shape[1] < _SHORTEST:
            return dict.fromkeys(self.metrics, Absent(f"shorter than {_SHORTEST} samples, which one spectrum takes"))
        each = [compare_spectra(reference, found, resolution) for resolution in RESOLUTIONS]
        log_distance = float(np.mean([distance for _, distance in each]))
        scores: dict[str, float | Absent] = {
            "mel_distance": compare_mel(reference, found, estimate.rate_hz, self.options.mel_bands),
            "log_magnitude_distance": log_distance,
        }
        if not reference.any():
            silent = Absent("the reference is silent")
            return scores | {"stft_distance": silent, "spectral_convergence": silent}
        convergence = float(np.mean([ratio for ratio, _ in each]))
        return scores | {"stft_distance": convergence + log_distance, "spectral_convergence": convergence}

    def agree(self, clip: SideBySide) -> Found:
        """The source's sound is the reference."""
        theirs, ours = clip.source, clip.estimate
        if theirs.samples.shape[1] < _SHORTEST:
            return {_MEL: Absent(f"shorter than {_SHORTEST} samples, which one spectrum takes")}
        return {_MEL: compare_mel(theirs.samples, ours.samples, theirs.rate_hz, self.options.mel_bands)}

    def hear(self, labels_or_estimate: Recording | Waveform, rate_hz: int) -> tuple[Sound, ...]:
        """The reference, or the output without its delay; see `Task.hear`."""
        if isinstance(labels_or_estimate, Recording):
            return hear_recording(labels_or_estimate, rate_hz)
        return hear_waveform(labels_or_estimate, delay_samples=self.options.delay_samples)


def compare_spectra(reference: Rows, estimate: Rows, resolution: tuple[int, int, int]) -> tuple[float, float]:
    """Spectral convergence and log magnitude distance at one resolution; see `Codec`."""
    n_fft, win_length, hop_length = resolution
    spec = SpectrogramSpec(
        kind="spectrogram", axes=("channel", "frame", "bin"), n_fft=n_fft, win_length=win_length, hop_length=hop_length,
        window="hann", window_symmetry="periodic", edges="snip", power=1, log="none",
    )  # fmt: skip
    error = whole = logs = count = 0.0
    for right, found in _spectra(reference, estimate, spec, rate_hz=1):
        sides = np.maximum(np.stack([right, found]), _MAGNITUDE_FLOOR)
        error += float(((sides[0] - sides[1]) ** 2).sum())
        whole += float((sides[0] ** 2).sum())
        logs += float(np.abs(np.log(sides[0]) - np.log(sides[1])).sum())
        count += right.size
    return (error / whole) ** 0.5, logs / count


def compare_mel(reference: Rows, estimate: Rows, rate_hz: int, bands: int) -> float:
    """Mean difference of the logarithms of mel bands; see `Codec`."""
    spec = LogMelSpec(
        kind="log_mel", axes=("channel", "frame", "mel"), n_fft=_MEL_FFT, win_length=_MEL_FFT, hop_length=_MEL_HOP,
        window="hann", window_symmetry="periodic", edges="snip", power=1, log="ln", floor=_MEL_FLOOR, floor_how="max",
        n_mels=bands, f_min_hz=0.0, f_max_hz=rate_hz / 2, mel_scale="slaney", mel_norm="slaney",
    )  # fmt: skip
    total = count = 0.0
    for right, found in _spectra(reference, estimate, spec, rate_hz=rate_hz):
        total += float(np.abs(right - found).sum())
        count += right.size
    return total / count


def _spectra(
    reference: Rows, estimate: Rows, spec: SpectrogramSpec | LogMelSpec, *, rate_hz: int
) -> Iterator[tuple[Values, Values]]:
    """Both sides' features, some frames at a time; ends are mirrored, so that frame i is centred at sample i x hop."""
    both = np.pad(np.stack([reference, estimate]), ((0, 0), (0, 0), (spec.n_fft // 2, spec.n_fft // 2)), "reflect")
    frames = 1 + (both.shape[-1] - spec.n_fft) // spec.hop_length
    for start in range(0, frames, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, frames)
        part = both[..., start * spec.hop_length : (stop - 1) * spec.hop_length + spec.n_fft]
        right, found = (compute(side, spec, rate_hz, NumpyBackend()) for side in part)
        yield right, found


TASK = Codec

"""What a reader sees and hears of the clips that lost most: a spectrogram, and their beginning as a small FLAC file."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluators.comparing.ranking import order_by_loss
from evaluators.datasets.reading import Clip, Dataset
from evaluators.evaluation import MAX_ABS_ERROR, ClipInfo, ClipScores, DatasetInfo
from evaluators.picture_records import Spectrogram
from evaluators.pictures.sounds import store_flac
from packager.bundle import AudioContract

MAX_CLIPS = 12

_MAX_SAMPLES = 160_000
"""some 200 kB of FLAC: 10 s at 16 kHz, 7 s at 22.05 kHz"""
_FRAMES, _BANDS = 200, 56
_FFT_SAMPLES = 2048
_LOWEST_HZ = 40.0
_RANGE_DB = 80.0
_LEVEL_STEP = 8
"""32 shades: more cannot be told apart, and compress worse"""

Mono = npt.NDArray[np.float32]


def choose_clips(
    source: Sequence[ClipScores], bundles: Sequence[Sequence[ClipScores]], metric: str | None
) -> list[str]:
    """The clips to show: the largest loss against the source model first, then the worst score.

    Args:
        source: The source model's clips.
        bundles: Each bundle's clips, in the same order.
        metric: The task's leading metric; none ranks by `max_abs_error`.
    """
    name = metric or MAX_ABS_ERROR

    def place(row: tuple[ClipScores, ...]) -> tuple[float, float]:
        reference, *estimates = (clip.scores.get(name) for clip in row)
        return order_by_loss(reference, estimates)

    ranked = sorted(zip(source, *bundles, strict=True), key=place)
    return [row[0].clip for row in ranked[:MAX_CLIPS]] if bundles else []


def add_previews(
    info: DatasetInfo, dataset: Dataset, shown: Collection[str], *, audio: AudioContract, out: Path
) -> DatasetInfo:
    """The dataset's description with spectrogram and preview of some clips.

    Args:
        info: The description.
        dataset: Where their audio is read from.
        shown: Identifiers of the clips.
        audio: The rate at which the model hears.
        out: Files go to its folder `previews`, named by content, so that none is ever stale.
    """
    chosen = {clip.id: clip for clip in dataset.clips if clip.id in shown}
    clips = tuple(_add(clip, chosen.get(clip.clip), audio, out) for clip in info.clips)
    return info.model_copy(update={"clips": clips})


def _add(info: ClipInfo, clip: Clip | None, audio: AudioContract, out: Path) -> ClipInfo:
    if clip is None:
        return info
    samples: Mono = clip.read(audio).mean(axis=0)
    spectrogram = draw_spectrogram(samples, audio.sample_rate_hz)
    preview = store_flac(samples[:_MAX_SAMPLES], audio.sample_rate_hz, out)
    return info.model_copy(update={"spectrogram": spectrogram, "preview": preview})


def draw_spectrogram(samples: Mono, rate_hz: int) -> Spectrogram:
    """Mean power of each stretch of the clip, Hann windows half over one another, in bands spaced by ratio.

    Args:
        samples: The clip, at least one sample.
        rate_hz: Its rate.
    """
    low_hz = min(_LOWEST_HZ, rate_hz / 8)
    edges_hz = np.geomspace(low_hz, rate_hz / 2, _BANDS + 1)
    starts = np.linspace(0, len(samples), _FRAMES, endpoint=False).astype(int)
    ends = np.append(starts[1:], len(samples))
    columns = [
        _band_power(samples[a : max(b, a + _FFT_SAMPLES)], edges_hz, rate_hz) for a, b in zip(starts, ends, strict=True)
    ]
    power = np.array(columns).T[::-1]
    below_db = 10 * np.log10(np.maximum(power, 1e-20) / max(float(power.max()), 1e-20))
    levels = np.clip((below_db + _RANGE_DB) / _RANGE_DB * 255, 0, 255).astype(np.uint8) // _LEVEL_STEP * _LEVEL_STEP
    return Spectrogram(
        frames=_FRAMES,
        bands=_BANDS,
        low_hz=low_hz,
        high_hz=rate_hz / 2,
        range_db=_RANGE_DB,
        levels=base64.b64encode(levels.tobytes()).decode(),
    )


def _band_power(samples: Mono, edges_hz: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    padded = np.pad(samples, (0, max(0, _FFT_SAMPLES - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[:: _FFT_SAMPLES // 2]
    power = (np.abs(np.fft.rfft(frames * np.hanning(_FFT_SAMPLES))) ** 2).mean(axis=0)
    # From the running sum, since a low band is narrower than the transform's bins.
    sums = np.concatenate([[0.0], np.cumsum(power)])
    places_hz = (np.arange(len(sums)) - 0.5) * rate_hz / _FFT_SAMPLES
    return np.diff(np.interp(edges_hz, places_hz, sums))

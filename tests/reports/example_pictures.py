"""The example evaluation with what its worst clips look and sound like: spectrograms, FLAC files, curves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from evaluators.datasets.reading import Clip, Dataset
from evaluators.evaluation import ClipScores, Evaluation, VariantResult
from evaluators.picture_records import Curve
from evaluators.pictures.previews import add_previews, choose_clips
from evaluators.windows import Samples
from packager.bundle import AudioContract


class ToneClip(Clip):
    """A clip that is made where it is read: partials that fall, and a little noise."""

    def read(self, audio: AudioContract) -> Samples:
        times_s = np.arange(int(self.duration_s * audio.sample_rate_hz)) / audio.sample_rate_hz
        noise = np.random.default_rng(len(self.id)).normal(0, 0.003, len(times_s))
        glide_hz = 220 * 2 ** (-times_s / self.duration_s)
        tones = sum(np.sin(2 * np.pi * n * np.cumsum(glide_hz) / audio.sample_rate_hz) / n for n in range(1, 9))
        return (0.2 * np.asarray(tones) * (np.sin(3 * times_s) > -0.3) + noise)[None].astype(np.float32)


def make_curve(duration_s: float, shift: float) -> Curve:
    values = [440 + 60 * math.sin(n / 20) + shift * math.cos(n / 3) for n in range(240)]
    return Curve(
        output="pitch",
        start_s=0.0,
        step_s=duration_s / 240,
        values=tuple(None if 100 <= n < 120 else round(value, 3) for n, value in enumerate(values)),
    )


def add_pictures(evaluation: Evaluation, folder: Path) -> Evaluation:
    """Pictures of the clips that lost most; the files go to `folder`."""
    infos = evaluation.dataset.clips
    dataset = Dataset(
        name="tones", sha256="0" * 64, clips=tuple(ToneClip(i.clip, folder, i.duration_s, None) for i in infos)
    )
    played = [variant.clips for variant in evaluation.variants if variant.clips]
    shown = choose_clips(evaluation.source.clips, played, "note_f1")
    lengths_s = {info.clip: info.duration_s for info in infos}
    return evaluation.model_copy(
        update={
            "dataset": add_previews(evaluation.dataset, dataset, shown, audio=evaluation.audio, out=folder),
            "source": evaluation.source.model_copy(
                update={"clips": _add_curves(evaluation.source.clips, lengths_s, 0.0)}
            ),
            "variants": tuple(
                variant.model_copy(update={"clips": _add_curves(variant.clips, lengths_s, 12.0)})
                for variant in evaluation.variants
            ),
        }
    )


def _add_curves(clips: tuple[ClipScores, ...], lengths_s: dict[str, float], shift: float) -> tuple[ClipScores, ...]:
    return tuple(clip.model_copy(update={"curves": (make_curve(lengths_s[clip.clip], shift),)}) for clip in clips)


def without_a_metric(evaluation: Evaluation) -> Evaluation:
    """The same as the task `parity` leaves it: no score, no notes, a largest error on every clip."""

    def bare(variant: VariantResult) -> VariantResult:
        error = next((parity.max_abs_error for parity in variant.parity), None)
        clips = tuple(
            clip.model_copy(
                update={
                    "notes": None,
                    "scores": {"max_abs_error": error.model_copy(update={"value": (error.value or 0) / (n + 1)})},
                }
            )
            for n, clip in enumerate(variant.clips)
            if error is not None
        )
        scores = {name: score for name, score in variant.scores.items() if "bytes" in name}
        return variant.model_copy(update={"clips": clips, "scores": scores, "differences": {}})

    source = evaluation.source
    return evaluation.model_copy(
        update={
            "task": "parity",
            "recipe": {"budgets": [{"metric": "max_abs_error", "max": 0.05}]},
            "variants": tuple(map(bare, evaluation.variants)),
            "dataset": evaluation.dataset.model_copy(
                update={
                    "clips": tuple(
                        clip.model_copy(update={"reference_notes": None}) for clip in evaluation.dataset.clips
                    )
                }
            ),
            "source": source.model_copy(
                update={
                    "scores": {},
                    "clips": tuple(clip.model_copy(update={"notes": None, "scores": {}}) for clip in source.clips),
                }
            ),
        }
    )

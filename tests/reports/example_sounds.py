"""The example evaluation with clips that can be heard before and after, and with every picture of single clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluators.evaluation import ClipScores, Evaluation, VariantResult
from evaluators.picture_records import Curve, Pictures, Span, Track
from evaluators.pictures.sounds import Sound, find_loudness, keep_sound
from reports.judging.comparison import compare
from reports.page.clips import list_clips
from reports.page.sections import make_keys

RATE_HZ = 8000
HEARD = 2
SECONDS = 3.0


def add_sounds(evaluation: Evaluation, folder: Path, *, name: str = "", seed: int = 0) -> Evaluation:
    """Tracks, a pitch, stretches of speech, a probability and words of the clips that stand first in the report.

    Args:
        evaluation: The example.
        folder: Where the sound goes.
        name: What tracks, labels and words are called.
        seed: Of the models' noise.
    """
    lines = list_clips(compare(evaluation), make_keys(evaluation)).lines[:HEARD]
    chosen = {line.info.clip for line in lines}
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ)

    def keep(title: str, samples: np.ndarray) -> Track:
        return keep_sound(Sound(title, samples, RATE_HZ), find_loudness(tone), folder)

    def change(clips: tuple[ClipScores, ...], number: int) -> tuple[ClipScores, ...]:
        noise = np.random.default_rng(number + seed).normal(0, 0.01 * number, len(tone))
        tracks = (keep(name, tone + noise),)
        return tuple(
            clip.model_copy(update={"tracks": tracks, "pictures": draw(number, name)}) if clip.clip in chosen else clip
            for clip in clips
        )

    infos = tuple(
        info.model_copy(
            update={
                "tracks": (keep(f"reference {name}".strip(), tone), keep("input", 0.7 * tone)),
                "reference": draw(0, name),
                "reference_notes": None,
            }
        )
        if info.clip in chosen
        else info
        for info in evaluation.dataset.clips
    )
    return evaluation.model_copy(
        update={
            "dataset": evaluation.dataset.model_copy(update={"clips": infos}),
            "source": evaluation.source.model_copy(update={"clips": change(evaluation.source.clips, 1)}),
            "variants": _each(evaluation.variants, change),
        }
    )


def _each(
    variants: tuple[VariantResult, ...], change: Callable[[tuple[ClipScores, ...], int], tuple[ClipScores, ...]]
) -> tuple[VariantResult, ...]:
    # The first is the source to the last sample.
    return tuple(
        variant.model_copy(update={"clips": change(variant.clips, number)}) if variant.clips else variant
        for number, variant in enumerate(variants, 1)
    )


def draw(number: int, name: str) -> Pictures:
    """Pictures that differ a little by number."""
    times_s = np.arange(200) * SECONDS / 200
    pitch_hz = 220 * 2 ** (np.sin(times_s * 2) / 6 + number * np.sin(times_s * 9) / 60)
    speech = 1 / (1 + np.exp(-8 * np.sin(times_s * 3 + number / 9)))
    said = f"turn the kitchen {name or 'light'} on \u05e9\u05dc\u05d5\u05dd please"
    heard = said if number < 2 else f"turn kitchen {name or 'light'} right on \u05e9\u05dc\u05d5 please"
    return Pictures(
        spans=tuple(Span(start_s=a + number / 30, end_s=a + 0.6, label=name or "speech") for a in (0.2, 1.5)),
        text=heard,
        words=True,
        curves=(
            Curve(
                output="pitch",
                start_s=0,
                step_s=SECONDS / 200,
                values=tuple(None if 80 < place < 100 else float(hz) for place, hz in enumerate(pitch_hz)),
                meaning="pitch_hz",
            ),
            Curve(
                output=name or "speech",
                start_s=0,
                step_s=SECONDS / 200,
                values=tuple(map(float, speech)),
                meaning="probability",
                thresholds=(0.5, 0.35),
            ),
        ),
    )

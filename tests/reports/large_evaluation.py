"""The example evaluation grown to many bundles, phones and clips: for the size and the speed of what is made of it."""

from __future__ import annotations

from pathlib import Path

from evaluators.evaluation import ClipScores, DeviceResult, Evaluation, VariantResult
from packager.bundle import Format
from tests.reports.example_evaluation import PHONES
from tests.reports.example_pictures import add_pictures


def enlarge(evaluation: Evaluation, folder: Path, size: tuple[int, int, int]) -> Evaluation:
    """Repeat bundles, phones and clips, each under a name of its own, until there are as many.

    Args:
        evaluation: The example.
        folder: Where its previews go.
        size: How many bundles, phones a bundle, and clips. Every bundle has a drift.
    """
    bundles, phones, clips = size
    pictured = add_pictures(evaluation, folder)
    shown = {info.clip for info in pictured.dataset.clips if info.preview is not None}
    good = [variant for variant in pictured.variants if variant.failure is None]
    drift = next(variant.drift for variant in good if variant.drift is not None)
    infos = pictured.dataset.clips
    variants = []
    for number in range(bundles):
        variant = good[number % len(good)]
        names = {"variant": f"{variant.variant}-{number}", "drift": drift, "key": f"{number:064x}"}
        grown = {"clips": _repeat(variant.clips, clips, shown), "devices": _add_phones(variant, phones)}
        variants.append(variant.model_copy(update={**names, **grown}))
    return pictured.model_copy(
        update={
            "variants": tuple(variants),
            "source": pictured.source.model_copy(update={"clips": _repeat(pictured.source.clips, clips, shown)}),
            "dataset": pictured.dataset.model_copy(
                update={
                    "clips": tuple(
                        infos[n % len(infos)].model_copy(
                            update={"clip": _name(infos[n % len(infos)].clip, n, len(infos))}
                            | ({} if n < len(infos) else {"preview": None, "spectrogram": None})
                        )
                        for n in range(clips)
                    )
                }
            ),
            "device_names": {
                _phone(format_, number): f"Phone {_phone(format_, number)}"
                for format_ in PHONES
                for number in range(phones)
            },
        }
    )


def _repeat(clips: tuple[ClipScores, ...], count: int, shown: set[str]) -> tuple[ClipScores, ...]:
    """As an evaluation has them: curves on the clips that are shown and on no other."""
    made = []
    for number in range(count):
        clip = clips[number % len(clips)]
        keeps = number < len(clips) and clip.clip in shown
        name = {"clip": _name(clip.clip, number, len(clips))}
        made.append(clip.model_copy(update=name if keeps else {**name, "curves": ()}))
    return tuple(made)


def _add_phones(variant: VariantResult, count: int) -> tuple[DeviceResult, ...]:
    known = variant.devices
    return tuple(
        known[number % len(known)].model_copy(update={"device": _phone(variant.format, number)})
        for number in range(count)
    )


def _name(clip: str, number: int, known: int) -> str:
    return clip if number < known else f"{clip}-{number}"


def _phone(format_: Format, number: int) -> str:
    return f"{format_}-{number}"

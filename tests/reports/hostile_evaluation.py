"""The example evaluation with every text that comes from outside an attack, too long, or written from right to left."""

from __future__ import annotations

from evaluators.chart_records import Charts
from evaluators.evaluation import ClipScores, Evaluation
from tests.reports.example_evaluation import HOSTILE


def make_hostile(evaluation: Evaluation) -> Evaluation:
    names = {
        "tflite-float32": HOSTILE,
        "tflite-float16": "n" * 4000,
        "coreml-float32": "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    }
    variants = []
    for variant in evaluation.variants:
        drift = variant.drift
        if drift is not None:
            drift = drift.model_copy(update={"first_op": HOSTILE, "explanation": HOSTILE, "reference": HOSTILE})
        failure = variant.failure
        if failure is not None:
            failure = failure.model_copy(update={"reason": HOSTILE, "log": HOSTILE})
        parity = tuple(found.model_copy(update={"output": HOSTILE + found.output}) for found in variant.parity)
        devices = tuple(
            found.model_copy(update={"floor_reason": HOSTILE, "compute_unit": HOSTILE, "placement_reason": HOSTILE})
            for found in variant.devices
        )
        variants.append(
            variant.model_copy(
                update={
                    "variant": names.get(variant.variant, variant.variant),
                    "path": HOSTILE,
                    "key": HOSTILE,
                    "drift": drift,
                    "failure": failure,
                    "broken": HOSTILE,
                    "parity": parity,
                    "devices": devices,
                    "notices": (HOSTILE,),
                    "clips": _rename_first(variant.clips),
                    "charts": _rename_charts(variant.charts),
                }
            )
        )
    clips = tuple(
        clip.model_copy(update={"notices": (HOSTILE,), **({} if number else {"clip": HOSTILE})})
        for number, clip in enumerate(evaluation.dataset.clips)
    )
    return evaluation.model_copy(
        update={
            "variants": tuple(variants),
            "source": evaluation.source.model_copy(
                update={
                    "clips": _rename_first(evaluation.source.clips),
                    "charts": _rename_charts(evaluation.source.charts),
                    "framework": HOSTILE,
                    "sha256": HOSTILE,
                }
            ),
            "created": HOSTILE,
            "command": HOSTILE,
            "task": HOSTILE,
            "model": evaluation.model.model_copy(update={"name": HOSTILE, "version": HOSTILE, "license": HOSTILE}),
            "dataset": evaluation.dataset.model_copy(
                update={"name": HOSTILE, "clips": clips, "attribution": HOSTILE[:2000], "notices": (HOSTILE,) * 12}
            ),
            "environment": evaluation.environment.model_copy(
                update={"processor": HOSTILE, "packages": {HOSTILE: HOSTILE}}
            ),
            "recipe": {**evaluation.recipe, HOSTILE: HOSTILE},
            "device_names": dict.fromkeys(evaluation.device_names, HOSTILE),
        }
    )


def _rename_first(clips: tuple[ClipScores, ...]) -> tuple[ClipScores, ...]:
    renamed = tuple(
        clip.model_copy(update={"curves": tuple(c.model_copy(update={"output": HOSTILE}) for c in clip.curves)})
        for clip in clips
    )
    return tuple(renamed[:1] and (renamed[0].model_copy(update={"clip": HOSTILE}), *renamed[1:]))


def _rename_charts(charts: Charts | None) -> Charts | None:
    """Every text of the charts an attack."""
    if charts is None:
        return None
    curves = tuple(
        curve.model_copy(
            update={
                "name": HOSTILE + curve.name,
                "across": curve.across.model_copy(update={"name": HOSTILE}),
                "upright": curve.upright.model_copy(update={"name": HOSTILE}),
                "marks": tuple(mark.model_copy(update={"name": HOSTILE}) for mark in curve.marks),
                "note": HOSTILE,
            }
        )
        for curve in charts.curves
    )
    names = {
        "classes": tuple(f"{HOSTILE} {n}" for n in range(len(charts.confusion.classes if charts.confusion else ())))
    }
    changed = {"confusion": charts.confusion, "classes": charts.classes}
    return charts.model_copy(
        update={"curves": curves, **{part: one and one.model_copy(update=names) for part, one in changed.items()}}
    )

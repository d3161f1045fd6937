from __future__ import annotations

import pytest
from example_evaluation import HOSTILE, make_evaluation

from evaluators.evaluation import Evaluation
from reports.comparison import Comparison, compare


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="session")
def comparison(evaluation: Evaluation) -> Comparison:
    return compare(evaluation)


@pytest.fixture(scope="session")
def small(evaluation: Evaluation) -> Comparison:
    """One good bundle, one that breaks a budget and one that failed: small enough for golden files."""
    kept = tuple(evaluation.variants[number] for number in (1, 4, -1))
    return compare(evaluation.model_copy(update={"variants": kept}))


@pytest.fixture(scope="session")
def hostile(evaluation: Evaluation) -> Comparison:
    """Every text that comes from outside is an attack, too long, or written from right to left."""
    return compare(make_hostile(evaluation))


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
            found.model_copy(update={"floor_reason": HOSTILE, "compute_unit": HOSTILE}) for found in variant.devices
        )
        variants.append(
            variant.model_copy(
                update={
                    "variant": names.get(variant.variant, variant.variant),
                    "path": HOSTILE,
                    "key": HOSTILE,
                    "drift": drift,
                    "failure": failure,
                    "parity": parity,
                    "devices": devices,
                    "notices": (HOSTILE,),
                }
            )
        )
    clips = tuple(clip.model_copy(update={"notices": (HOSTILE,)}) for clip in evaluation.dataset.clips)
    return evaluation.model_copy(
        update={
            "variants": tuple(variants),
            "created": HOSTILE,
            "command": HOSTILE,
            "task": HOSTILE,
            "model": evaluation.model.model_copy(update={"name": HOSTILE, "version": HOSTILE, "license": HOSTILE}),
            "dataset": evaluation.dataset.model_copy(update={"name": HOSTILE, "clips": clips}),
            "environment": evaluation.environment.model_copy(
                update={"processor": HOSTILE, "packages": {HOSTILE: HOSTILE}}
            ),
            "recipe": {**evaluation.recipe, HOSTILE: HOSTILE},
            "device_names": dict.fromkeys(evaluation.device_names, HOSTILE),
        }
    )

"""The example evaluation under two conditions: one bundle loses more in noise, one cannot be played on the phone."""

from __future__ import annotations

from evaluators.condition_sets import find_conditions
from evaluators.evaluation import ConditionResult, Evaluation, ExtraLoss, VariantResult
from evaluators.target_records import Failure
from tests.reports.example_evaluation import ratio

LOSER = "coreml-float16"


def make_conditions(evaluation: Evaluation) -> Evaluation:
    """The evaluation with results of every bundle that has some."""
    conditions = find_conditions(["phone-call", {"name": "noisy", "kind": "noise", "snr_db": 10}], 22_050)
    source = tuple(ConditionResult(condition=one.name, scores={"note_f1": ratio(0.6, 0.03)}) for one in conditions)
    return evaluation.model_copy(
        update={
            "conditions": conditions,
            "leading_metric": "note_f1",
            "source": evaluation.source.model_copy(update={"conditions": source}),
            "variants": tuple(
                _play(variant) if variant.failure is None else variant for variant in evaluation.variants
            ),
        }
    )


def _play(variant: VariantResult) -> VariantResult:
    loses = variant.variant == LOSER
    call = ConditionResult(
        condition="phone-call", failure=Failure(stage="evaluate", reason="the worker was killed", log="logs/x.log")
    )
    if variant.variant != "tflite-float16":
        call = _measure("phone-call", variant, -0.004, 0.6)
    return variant.model_copy(
        update={"conditions": (call, _measure("noisy", variant, -0.05 if loses else 0.001, 0.0004 if loses else 1.0))}
    )


def _measure(name: str, variant: VariantResult, change: float, p_value: float) -> ConditionResult:
    loses = p_value < 0.05
    return ConditionResult(
        condition=name,
        scores={"note_f1": ratio(0.6 + change, 0.03)},
        differences={"note_f1": ratio(change - 0.01, 0.012)},
        parity=variant.parity,
        extra_losses={"note_f1": ExtraLoss(change=ratio(change, 0.01), p_value=p_value, loses_more=loses)},
        worst_clips=("piano-00", "organ-03") if loses else (),
    )

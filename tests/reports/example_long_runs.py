"""The example evaluation after a long run: one bundle's error grows and it decides late, one could not be played."""

from __future__ import annotations

import math

from evaluators.evaluation import Evaluation, VariantResult
from evaluators.long_run_records import AfterSilence, DecisionDelay, LongRun, OutputOverTime, Repeat, StreamPlan
from evaluators.metrics import LONG_RUN
from evaluators.over_long_runs import score_long_run
from evaluators.score import Direction, Score

DRIFTER, BROKEN = "coreml-float16", "tflite-float16"
PLAN = StreamPlan(round_windows=80, silent_windows=8, stretch_windows=1, stretch_s=1.25, clips=14)


def make_long_runs(evaluation: Evaluation) -> Evaluation:
    """The evaluation with a long run of every bundle that has results."""
    variants = tuple(_play(variant) if variant.failure is None else variant for variant in evaluation.variants)
    return evaluation.model_copy(update={"variants": variants, "metrics": {**evaluation.metrics, **LONG_RUN}})


def _play(variant: VariantResult) -> VariantResult:
    run = make_run(drifts=variant.variant == DRIFTER)
    if variant.variant == BROKEN:
        run = LongRun(problem="the worker was killed", log="logs/play_long.log")
    return variant.model_copy(update={"long_run": run, "scores": {**variant.scores, **score_long_run(run)}})


def number(value: float, unit: str, direction: Direction, spread: float | None = None) -> Score:
    ends = {} if spread is None else {"low": value - spread, "high": value + spread, "confidence": 0.95}
    return Score(value=value, unit=unit, direction=direction, basis="emulated", **ends)


def make_run(*, drifts: bool = False, **changes: object) -> LongRun:
    """A long run without a fault, or one that drifts."""
    wave = [62 + 4 * math.sin(place / 3) for place in range(PLAN.count)]
    snr_db = tuple(db - (place * 0.15 if drifts else 0) for place, db in enumerate(wave))
    found = LongRun(
        plan=PLAN,
        outputs=(
            OutputOverTime(
                output="speech",
                snr=number(61.3, "db", "higher"),
                growth=number(7.2 if drifts else 0.01, "db", "lower", 0.06),
                verdict="grows" if drifts else "does not grow",
                snr_db=snr_db,
            ),
        ),
        silence=AfterSilence(silence_s=10.0, back_after_s=1.25, loss=number(0.4, "db", "lower")),
        repeats=(
            Repeat(name="after a reset", windows=20, max_abs_error=0.0),
            Repeat(name="in pieces of 160 samples", windows=20, max_abs_error=0.0),
        ),
        decisions=DecisionDelay(
            median=number(64.0 if drifts else 0.0, "ms", "lower"),
            worst=number(96.0, "ms", "lower"),
            frame_ms=32.0,
            matched=31,
            source_alone=1,
            bundle_alone=0,
        ),
        algorithmic_latency_ms=32.0,
    )
    return found.model_copy(update=changes)

"""The section on targets: where each bundle was played, what came of it there, and whose phones share the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluators.evaluation import Evaluation, Timing, VariantResult
from evaluators.score import Score
from evaluators.target_records import Failure, OutputParity, Target

MOST_LINES = 400


@dataclass(frozen=True)
class TargetLine:
    """One bundle on one target."""

    key: str
    variant: str
    target: Target
    phones: tuple[tuple[str, str], ...]
    """names of the phones whose results these are, and how the target differs from what the phone's apps carry"""
    main: Score | None
    """the task's leading metric"""
    worst_error: Score | None
    timing: Timing | None
    failure: Failure | None


def list_targets(evaluation: Evaluation, keys: dict[str, str], main: str | None) -> tuple[TargetLine, ...]:
    """A line for every bundle and target; none of evaluations from before there were targets.

    Args:
        evaluation: What to show.
        keys: A bundle's letter, by name.
        main: The task's leading metric.
    """
    return tuple(line for variant in evaluation.variants for line in _of_variant(evaluation, variant, keys, main))


def _of_variant(
    evaluation: Evaluation, variant: VariantResult, keys: dict[str, str], main: str | None
) -> Iterator[TargetLine]:
    own = (variant.target, variant.scores, variant.parity, variant.timing, variant.failure)
    further = [(one.target, one.scores, one.parity, one.timing, one.failure) for one in variant.more_targets]
    for target, scores, parity, timing, failure in (own, *further):
        if target is not None:
            yield TargetLine(
                key=keys.get(variant.variant, ""),
                variant=variant.variant,
                target=target,
                phones=tuple(
                    (evaluation.device_names.get(result.device, result.device), result.stand_in)
                    for result in variant.devices
                    if result.target == target.name
                ),
                main=scores.get(main) if main else None,
                worst_error=_find_worst(parity),
                timing=timing,
                failure=failure,
            )


def _find_worst(parity: tuple[OutputParity, ...]) -> Score | None:
    known = [one.max_abs_error for one in parity if one.max_abs_error.value is not None]
    return max(known, key=lambda score: score.value or 0.0, default=None)

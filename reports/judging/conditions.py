"""What every renderer shows of conditions: bundle by condition, and the condition on which a bundle loses most.

A table is of one metric: the task's main one, or, where the task scores nothing, the signal-to-noise ratio of the worst
output. Only a metric that is scored can tell whether a bundle loses more than its source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from device_profiles.text import shorten
from evaluators.condition_records import CLEAN
from evaluators.evaluation import ConditionResult, Evaluation, ExtraLoss, VariantResult
from evaluators.score import Score
from reports.judging.metrics import worst_parity
from reports.notation import format_interval, format_number, format_score

PARITY = "snr_db"
_STEPS = 4
_MOST_NAMED = 3


@dataclass(frozen=True)
class Cell:
    """One bundle, or the source model, under one condition.

    Attributes:
        score: Of the table's metric; none where there is no number.
        difference: From the source model under the same condition.
        loss: What is lost beyond what the source loses.
        problem: Why there is no number.
        heat: 0 where no more is lost than by the source or chance alone may explain it, to 4, far beyond chance.
        worst_clip: On which a bundle loses most beyond what the source loses, by the task's leading metric.
    """

    score: Score | None
    difference: Score | None = None
    loss: ExtraLoss | None = None
    problem: str = ""
    heat: int = 0
    worst_clip: str | None = None


@dataclass(frozen=True)
class Line:
    """One row: a bundle, or the source model where `variant` is none."""

    variant: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """All of one metric.

    Attributes:
        metric: Which.
        names: The columns: the clean clips first.
        lines: The source model, where the metric is the task's, then the bundles that were played.
    """

    metric: str
    names: tuple[str, ...]
    lines: tuple[Line, ...]


def tabulate(evaluation: Evaluation, metric: str | None) -> Table | None:
    """The table of a metric, or of parity where no bundle has it under a condition; none where nothing was asked.

    Args:
        evaluation: What was found.
        metric: The task's main one, if it has any.
    """
    if not evaluation.conditions:
        return None
    played = [variant for variant in evaluation.variants if variant.conditions]
    is_scored = metric is not None and any(
        metric in result.scores for variant in played for result in variant.conditions
    )
    shown = metric if metric is not None and is_scored else PARITY
    names = tuple(condition.name for condition in evaluation.conditions)
    lines = [_draw_source(evaluation, shown, names)] if shown in evaluation.source.scores else []
    lines += [_draw_bundle(variant, shown, names) for variant in played]
    return Table(shown, (CLEAN, *names), tuple(lines))


def describe_worst(evaluation: Evaluation, metric: str | None) -> str:
    """One sentence on where a bundle loses more than its source; empty where no condition was asked.

    Args:
        evaluation: What was found.
        metric: The task's main one, if it has any.
    """
    if not evaluation.conditions:
        return ""
    found = sorted(
        (
            (_find_loss(result, metric), variant, result)
            for variant in evaluation.variants
            for result in variant.conditions
            if metric is not None and metric in result.extra_losses
        ),
        key=lambda one: (not one[2].extra_losses[metric].loses_more, -one[0]),  # type: ignore[index]
    )
    if metric is not None and not found:
        found_agreement = _describe_least_agreement(evaluation, metric)
        if found_agreement:
            return found_agreement
    if not found or metric is None:
        return "No metric was scored under the conditions, so only parity can be compared there."
    _, variant, result = found[0]
    told = f"{shorten(variant.variant)} is {describe_loss(result, metric)}"
    if result.extra_losses[metric].loses_more:
        others = {row.variant for _, row, one in found if one.extra_losses[metric].loses_more} - {variant.variant}
        count = f"; {len(others)} more {'bundle loses' if len(others) == 1 else 'bundles lose'} too" if others else ""
        return f"{told}{count}."
    nobody = "No bundle is shown to lose more than its source under any condition"
    if all(one.extra_losses[metric].change.value == 0 for _, _, one in found):
        return f"{nobody}: in {metric} each loses what its source loses."
    return f"{nobody}; farthest is that {told}."


def _describe_least_agreement(evaluation: Evaluation, metric: str) -> str:
    """The condition under which a bundle agrees least with its source; empty where the metric tells of no agreement."""
    info = evaluation.metrics.get(metric)
    scored = [
        (goodness, variant, result.condition, result.scores[metric])
        for variant in evaluation.variants
        for result in variant.conditions
        if metric in result.scores and (goodness := result.scores[metric].goodness) is not None
    ]
    if info is None or not info.with_source or not scored:
        return ""
    _, variant, condition, score = min(scored, key=lambda one: one[0])
    clean = variant.scores.get(metric)
    before = f", {format_score(clean)} on the clean clips" if clean is not None and clean.value is not None else ""
    return (
        f"Farthest from its source is {shorten(variant.variant)} under {shorten(condition)}: {shorten(metric)} "
        f"{format_score(score)}{before}."
    )


def describe_loss(result: ConditionResult, metric: str) -> str:
    """How much worse a bundle is under a condition than its source's own change explains, without its name."""
    found = result.extra_losses[metric]
    change = found.change
    if change.value is None:
        return f"without a {shorten(metric)} to compare under {shorten(result.condition)}"
    loss = _find_loss(result, metric)
    size = (
        f"{format_number(abs(change.value), change.unit)} {'worse' if loss > 0 else 'better'}" if loss else "the same"
    )
    chance = [] if found.p_value is None else [f"p {format_p_value(found.p_value)}"]
    numbers = "; ".join(part for part in (format_interval(change, signed=True), *chance) if part)
    clips = ", ".join(shorten(clip, 60) for clip in result.worst_clips[:_MOST_NAMED])
    place = f", most on {clips}" if clips and found.loses_more else ""
    return (
        f"{size} in {shorten(metric)} under {shorten(result.condition)}, its source's own change taken "
        f"off{f' ({numbers})' if numbers else ''}{place}"
    )


def format_p_value(p_value: float) -> str:
    """A p-value as readers know it: "0.03", "< 0.001"."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.2g}"


def list_losers(variant: VariantResult, metric: str | None) -> Iterator[ConditionResult]:
    """The conditions under which a bundle loses more than its source, by a metric."""
    for result in variant.conditions:
        if metric is not None and metric in result.extra_losses and result.extra_losses[metric].loses_more:
            yield result


def _find_loss(result: ConditionResult, metric: str | None) -> float:
    """How much is lost beyond the source's loss, in the metric's unit; below zero where it is less."""
    found = None if metric is None else result.extra_losses.get(metric)
    goodness = None if found is None else found.change.goodness
    return 0.0 if goodness is None else -goodness


def _find_heat(result: ConditionResult, metric: str) -> int:
    """How far a loss stands out from chance: the full shade is twice the reach of its interval, and more."""
    loss = _find_loss(result, metric)
    if loss <= 0:
        return 0
    change = result.extra_losses[metric].change
    if change.low is None or change.high is None or change.high <= change.low:
        return _STEPS if result.extra_losses[metric].loses_more else 0
    return round(_STEPS * min(loss / (change.high - change.low), 1.0))  # a quotient may be infinite


def _draw_source(evaluation: Evaluation, metric: str, names: tuple[str, ...]) -> Line:
    results = {result.condition: result for result in evaluation.source.conditions}
    cells = [Cell(evaluation.source.scores.get(metric))]
    for name in names:
        result = results.get(name)
        cells.append(Cell(None, problem=_find_problem(result)) if result is None else _draw_plain(result, metric))
    return Line(None, tuple(cells))


def _draw_plain(result: ConditionResult, metric: str) -> Cell:
    return Cell(result.scores.get(metric), problem=_find_problem(result))


def _draw_bundle(variant: VariantResult, metric: str, names: tuple[str, ...]) -> Line:
    results = {result.condition: result for result in variant.conditions}
    if metric == PARITY:
        clean = worst_parity(variant, metric)
        cells = [Cell(clean.score, problem=clean.problem or clean.detail)]
    else:
        cells = [Cell(variant.scores.get(metric), variant.differences.get(metric))]
    for name in names:
        result = results.get(name)
        if result is None or result.failure is not None:
            cells.append(Cell(None, problem=_find_problem(result)))
        elif metric == PARITY:
            found = worst_parity(variant.model_copy(update={"parity": result.parity}), metric)
            cells.append(Cell(found.score, problem=found.problem or found.detail))
        else:
            heat = _find_heat(result, metric)
            loss = result.extra_losses.get(metric)
            worst = next(iter(result.worst_clips), None)
            cells.append(
                Cell(result.scores.get(metric), result.differences.get(metric), loss, heat=heat, worst_clip=worst)
            )
    return Line(variant.variant, tuple(cells))


def _find_problem(result: ConditionResult | None) -> str:
    if result is None:
        return "not played"
    return "" if result.failure is None else result.failure.reason

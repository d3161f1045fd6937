"""The section on agreement: whether each bundle decides as its source does, in the task's own units."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import Evaluation, VariantResult
from evaluators.metrics import CLIPS_NOT_WORSE
from evaluators.score import Direction, Score
from reports.judging.conditions import Table, tabulate

_MOST_METRICS = 12
_MOST_LINES = 200


@dataclass(frozen=True)
class Column:
    """One metric that holds bundles against the source."""

    metric: str
    direction: Direction
    description: str


@dataclass(frozen=True)
class AgreementLine:
    """One bundle: a score a column; none where it was not asked."""

    key: str
    variant: str
    cells: tuple[Score | None, ...]


@dataclass(frozen=True)
class AgreementSection:
    """All bundles."""

    columns: tuple[Column, ...]
    """metrics of which some bundle has a number"""
    lines: tuple[AgreementLine, ...]
    absent: tuple[tuple[str, str], ...]
    """other metrics, and why there is no number"""
    left_out: int
    """bundles"""
    conditions: Table | None
    """the first metric under each condition, where another table does not show it"""


def list_agreement(evaluation: Evaluation, keys: dict[str, str], main: str | None) -> AgreementSection | None:
    """What tells of agreement; none of evaluations in which nothing was asked of it.

    Args:
        evaluation: What to show.
        keys: A bundle's letter, by name.
        main: The metric of the table of conditions.
    """
    played = [variant for variant in evaluation.variants if variant.failure is None]
    asked = [
        name
        for name, metric in evaluation.metrics.items()
        if metric.with_source and any(name in variant.scores for variant in played)
    ]
    numbered = [name for name in asked if any(_has_value(variant, name) for variant in played)][:_MOST_METRICS]
    if not numbered and asked in ([], [CLIPS_NOT_WORSE]):
        return None
    metrics = evaluation.metrics
    lines = [
        AgreementLine(keys[variant.variant], variant.variant, tuple(variant.scores.get(name) for name in numbered))
        for variant in played
    ]
    return AgreementSection(
        columns=tuple(Column(name, metrics[name].direction, metrics[name].description) for name in numbered),
        lines=tuple(lines[:_MOST_LINES]),
        absent=tuple((name, _find_reason(played, name)) for name in asked if name not in numbered)[:_MOST_METRICS],
        left_out=max(len(lines) - _MOST_LINES, 0),
        conditions=_tabulate(evaluation, numbered, main),
    )


def _tabulate(evaluation: Evaluation, numbered: list[str], main: str | None) -> Table | None:
    found = tabulate(evaluation, numbered[0]) if numbered and numbered[0] != main else None
    return None if found is None or found.metric != numbered[0] else found


def _has_value(variant: VariantResult, name: str) -> bool:
    return name in variant.scores and variant.scores[name].value is not None


def _find_reason(variants: list[VariantResult], name: str) -> str:
    found = (variant.scores[name].reason for variant in variants if name in variant.scores)
    return next((reason for reason in found if reason is not None), "it stands in evaluation.json")

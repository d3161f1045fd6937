"""Budgets: how good a bundle must be, as the recipe says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record, parse_record, suggest
from device_profiles.text import shorten
from evaluators.condition_records import CLEAN, ConditionInfo
from evaluators.evaluation import Evaluation, VariantResult
from evaluators.score import Direction, MetricInfo, Score
from reports.errors import ReportError
from reports.judging.arithmetic import saturate
from reports.judging.quantities import Quantity, parse_quantity

Limit = Literal["max", "min", "max_drop", "max_rise"]
Level = Literal["error", "warn"]
_LIMITS: tuple[Limit, ...] = ("max", "min", "max_drop", "max_rise")
_PHRASES: dict[Limit, str] = {
    "max": "at most {}",
    "min": "at least {}",
    "max_drop": "at most {} below the {}",
    "max_rise": "at most {} above the {}",
}
_METRIC_LIMIT = 200
_REFERENCES = {"source": "source model", "baseline": "baseline"}


class Budget(Record):
    """One promise about a metric, with exactly one limit."""

    metric: str
    """what is limited, for example latency_p90_ms"""
    max: float | str | None = None
    """the most it may be: a number in the metric's unit, or text such as "900kB" or "25ms" """
    min: float | str | None = None
    """the least it may be"""
    max_drop: float | str | None = None
    """how far it may fall below the reference's, where higher is better: 0.01, "0.5pp", or "2%" of the reference's"""
    max_rise: float | str | None = None
    """how far it may rise above the reference's, where lower is better"""
    against: Literal["source", "baseline"] = "source"
    """the reference of a drop or a rise: the source model, or the same bundle in the baseline, where one is given"""
    condition: str | None = None
    """of the recipe's [conditions], under which it is promised; default: on the clips as they are"""
    level: Level = "error"
    """error blocks a release, warn only tells"""
    devices: tuple[str, ...] | None = None
    """identifiers of the phones it holds for; default: all"""
    variants: tuple[str, ...] | None = None
    """variants or formats it holds for, for example coreml-float16 or tflite; default: all"""
    precisions: tuple[str, ...] | None = None
    """precisions it holds for; default: all"""

    @pydantic.model_validator(mode="after")
    def _one_readable_limit(self) -> Budget:
        given = [name for name in _LIMITS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"a budget has exactly one of {', '.join(_LIMITS)}; {found} given for {self.metric!r}")
        quantity = self.quantity
        if self.limit in ("max", "min"):
            if quantity.kind == "points" or (quantity.kind == "percent" and quantity.sign):
                raise ValueError(
                    f"{self.limit} = {self.written!r} is a change, not a bound; use max_drop or max_rise for changes"
                )
            if self.against != "source":
                raise ValueError(f"against = {self.against!r} goes with max_drop or max_rise, not with {self.limit}")
        elif self.condition is not None and self.against != "source":
            raise ValueError("a budget under a condition is against the source model; leave out against")
        elif quantity.sign == ("+" if self.limit == "max_drop" else "-"):
            raise ValueError(f"{self.limit} = {self.written!r} points the wrong way; write it without its sign")
        return self

    def covers(self, variant: VariantResult) -> bool:
        """Whether it holds for a bundle, as far as `variants` and `precisions` say."""
        if self.variants is not None and not {variant.variant, variant.format} & set(self.variants):
            return False
        return self.precisions is None or variant.precision in self.precisions

    @property
    def limit(self) -> Limit:
        """Which of the four limits is given."""
        return next(name for name in _LIMITS if getattr(self, name) is not None)

    @property
    def written(self) -> float | str:
        """The limit as the recipe has it."""
        value = getattr(self, self.limit)
        assert isinstance(value, float | str | int)
        return value

    @property
    def quantity(self) -> Quantity:
        """The limit as a number with its unit."""
        return parse_quantity(self.written)

    @property
    def text(self) -> str:
        """The promise in words, for example "latency_p90_ms at most 25ms"."""
        written = self.written.strip() if isinstance(self.written, str) else f"{self.written:.12g}"
        bare = written.lstrip("+-").strip() if self.limit in ("max_drop", "max_rise") else written
        promise = (
            f"{shorten(self.metric, _METRIC_LIMIT)} {_PHRASES[self.limit].format(bare, _REFERENCES[self.against])}"
        )
        return promise if self.condition is None else f"{promise} under {shorten(self.condition, _METRIC_LIMIT)}"


MAX_BUDGETS = 1000
"""of one recipe: each is judged for every bundle and phone"""


class _Budgets(Record):
    budgets: Annotated[tuple[Budget, ...], pydantic.Field(max_length=MAX_BUDGETS)] = ()


def recipe_budgets(evaluation: Evaluation) -> tuple[Budget, ...]:
    """The budgets of the recipe the evaluation was made from.

    Raises:
        ReportError: A budget is malformed; one line a fault.
    """
    data: dict[str, Any] = {"budgets": evaluation.recipe.get("budgets", [])}
    return parse_record(data, _Budgets, where="the evaluation's recipe", error=ReportError).budgets


def find_condition_fault(budget: Budget, metric: MetricInfo | None, conditions: Sequence[ConditionInfo]) -> str | None:
    """Why a budget cannot be under its condition; None where it can, names none, or its metric is not known.

    Args:
        budget: Which.
        metric: How its metric is to be read.
        conditions: Those that there are.
    """
    if budget.condition is None or budget.condition == CLEAN:
        return None
    names = [condition.name for condition in conditions]
    if budget.condition not in names:
        known = ", ".join((CLEAN, *(shorten(name) for name in names)))
        return (
            f"unknown condition {shorten(budget.condition)!r}{suggest(budget.condition, names) or f'; known: {known}'}"
        )
    if metric is not None and metric.scope not in ("clip", "dataset", "output"):
        return f"{shorten(budget.metric)} is the same under every condition; leave condition out"
    return None


def find_limit_fault(budget: Budget, metric: MetricInfo | None) -> str | None:
    """Why a budget's limit cannot be one of its metric; None where it can, or its metric is not known."""
    if metric is None:
        return None
    if metric.with_source and budget.against == "source" and budget.limit not in ("max", "min"):
        right = "min" if metric.direction == "higher" else "max"
        return (
            f"{shorten(budget.metric)} holds a bundle against the source model already, which has no such number; use "
            f"{right}"
        )
    return _find_direction_fault(budget, metric.direction) or _find_unit_fault(budget, metric.unit)


def _find_direction_fault(budget: Budget, direction: Direction) -> str | None:
    right = "max_drop" if direction == "higher" else "max_rise"
    if budget.limit in ("max", "min", right):
        return None
    return f"{budget.limit} is not for a metric where {direction} is better; use {right}"


def _find_unit_fault(budget: Budget, unit: str) -> str | None:
    if budget.quantity.kind == "percent" and budget.limit in ("max_drop", "max_rise"):  # of what it is held against
        return None
    try:
        budget.quantity.to_unit(unit, where=f"{budget.written!r}")
    except ReportError as fault:
        return str(fault)
    return None


def allow(budget: Budget, difference: Score, reference: Score | None) -> float | None:
    """How far a number may be from its reference, in its unit; None where a percentage has nothing to be taken of.

    Raises:
        ReportError: The budget's limit is of another direction or unit than the metric.
    """
    fault = _find_direction_fault(budget, difference.direction)
    if fault is not None:
        raise ReportError(f"budget on {shorten(budget.metric)}: {fault}")
    quantity = budget.quantity
    if quantity.kind != "percent":
        return abs(quantity.to_unit(difference.unit, where=f"budget {budget.text!r}"))
    if reference is None or reference.value is None:
        return None
    return saturate(abs(quantity.value) / 100 * abs(reference.value))

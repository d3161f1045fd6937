"""The verdict on each budget, for each bundle and phone.

A budget is judged on the interval where there is one: a number that may be too large fails by the interval's high end,
a drop fails unless the interval excludes it (non-inferiority). A number that does not exist is an error, never a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.condition_records import CLEAN
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.score import MetricInfo, Score
from packager.bundle import Format
from reports.errors import ReportError
from reports.judging.applicability import Pair, find_inapplicable
from reports.judging.budgets import Budget, Level, allow, find_condition_fault, find_limit_fault
from reports.judging.conditions import describe_loss, list_losers
from reports.judging.cores import RULE as CORES
from reports.judging.cores import judge_cores
from reports.judging.long_runs import RULE, find_faults
from reports.judging.metrics import Finding, check_metrics, find_score, list_metrics
from reports.judging.rules import Judgement, judge_bound, judge_change

Status = Literal["passed", "warned", "failed", "error", "not_applicable"]
"""error: there is nothing to judge, or the phone cannot run the bundle and no other · not_applicable: the bundle is not
for the phone, which speaks against neither"""

MAX_VERDICTS = 100_000
"""in one report: 50 bundles on 24 phones under 20 budgets are 24,000"""

RUNS = "runs on the phone"
"""the rule that a phone meets a bundle's floor"""

PROMISE = "keeps its promise"
"""the rule that a bundle departs from its source no further than its precision's tolerance"""

SEVERITY: dict[Status, int] = {"failed": 0, "error": 1, "warned": 2, "passed": 3, "not_applicable": 4}
"""for sorting, the worst first"""


class Verdict(Record):
    """What came of one budget for one bundle (and phone), or of a rule that holds without a budget."""

    rule: str
    """the budget in words; "has a result", "keeps its promise" and "runs on the phone" hold for every bundle"""
    metric: str | None
    variant: str | None
    """none where the budget met no bundle at all"""
    device: str | None
    status: Status
    level: Level
    score: Score | None = None
    """the number as evaluated; for a drop or a rise, the difference from its reference"""
    value: float | None = None
    """what was held against the limit: an end of the interval where there is one"""
    limit: float | None = None
    """in the score's unit; for a drop, below zero"""
    margin: float | None = None
    """room left in the score's unit; below zero when the limit is broken"""
    upper: bool = True
    """whether the limit is the most the value may be"""
    detail: str = ""
    """what the number is of, where that is not plain"""
    reason: str
    """one sentence, without the bundle's and the phone's name"""
    accepted: str | None = None
    """why, and until when, it was accepted that the number is worse than the baseline's; none where nobody did"""

    @property
    def blocks(self) -> bool:
        """Whether it stops a release."""
        return self.level == "error" and self.status in ("failed", "error")

    @property
    def objects(self) -> bool:
        """Whether it speaks against the bundle, be it in a warning."""
        return self.status not in ("passed", "not_applicable")

    @property
    def urgency(self) -> tuple[int, float]:
        """For sorting: broken ones first, then those with the least margin for their limit."""
        if self.margin is None or self.limit is None:
            return SEVERITY[self.status], 0.0
        return SEVERITY[self.status], self.margin / (abs(self.limit) or 1.0)


def conclude(judgement: Judgement, level: Level) -> Status:
    """What a budget's level makes of a judgement."""
    return "passed" if judgement.holds else "warned" if level == "warn" else "failed"


def judge(evaluation: Evaluation, budgets: tuple[Budget, ...]) -> tuple[Verdict, ...]:
    """One verdict for each budget and bundle, and each phone where the metric is a phone's.

    Six rules hold without a budget: each bundle has a result, each keeps its precision's promise, each loses no more
    than its source under a condition and is the same after minutes (where one does not, there is a warning), each
    phone meets its floor, and its cores, where they are emulated, compute what this machine computes. On a phone that
    it is not for a bundle is not judged: `find_inapplicable`.

    Raises:
        ReportError: A budget names an unknown metric, its limit cannot be of that metric, or there are too many.
    """
    scope = _find_scope(evaluation)
    verdicts = [verdict for variant in evaluation.variants for verdict in _judge_existence(variant, scope)]
    verdicts += _judge_homes(evaluation)
    verdicts += [verdict for variant in evaluation.variants for verdict in _judge_losses(variant, evaluation)]
    verdicts += [verdict for variant in evaluation.variants for verdict in _judge_long_run(variant)]
    check_metrics([budget.metric for budget in budgets], scope.metrics)
    faults = {find_condition_fault(one, scope.metrics[one.metric], evaluation.conditions): one for one in budgets}
    faults |= {find_limit_fault(one, scope.metrics[one.metric]): one for one in budgets}
    for fault, budget in faults.items():
        if fault is not None:
            raise ReportError(f"budget {budget.text!r}: {fault}")
    for budget in budgets:
        if budget.against == "baseline":  # see reports.judging.regressions
            continue
        found = [
            verdict
            for variant in evaluation.variants
            if _applies(budget, variant, scope)
            for verdict in _judge_variant(budget, variant, evaluation, scope)
        ]
        if len(verdicts) + len(found) > MAX_VERDICTS:
            raise ReportError(f"budgets times bundles and phones are more than {MAX_VERDICTS}; set fewer budgets")
        verdicts += found or [_judge_nothing(budget, evaluation)]
    return tuple(verdicts)


def _judge_nothing(budget: Budget, evaluation: Evaluation) -> Verdict:
    """A budget that met no bundle: an error, unless a search decided which of them there are."""
    variants = evaluation.recipe.get("variants")
    searched = isinstance(variants, dict) and "search" in variants.values()
    if searched and budget.devices is None:
        reason = "no bundle that the search found is of these"
        return _plain(budget.text, None, None, status="passed", reason=reason, budget=budget)
    return _error(budget, None, None, "the budget met no bundle: check its devices and variants")


def _judge_existence(variant: VariantResult, scope: _Scope) -> list[Verdict]:
    if variant.failure is not None:
        return [_plain("has a result", variant, None, status="error", reason=_failure_reason(variant))]
    broken = [] if variant.broken is None else [_warn_of_break(variant, variant.broken)]
    floors = [_judge_floor(variant, result, scope) for result in variant.devices]
    return (
        broken + floors + [found for result in scope.list_results(variant) for found in _judge_cores(variant, result)]
    )


def _judge_cores(variant: VariantResult, result: DeviceResult) -> list[Verdict]:
    """Whether a bundle computes on a phone's cores what it computes here, where it was played on such."""
    judged = judge_cores(variant, result)
    if judged is None:
        return []
    status, reason = judged
    verdict = _plain(CORES, variant, result, status=status, reason=reason)
    return [verdict.model_copy(update={"level": "warn"}) if status == "warned" else verdict]


def _judge_floor(variant: VariantResult, result: DeviceResult, scope: _Scope) -> Verdict:
    inapplicable = scope.inapplicable.get((variant.variant, result.device))
    if inapplicable is not None:
        return _plain(RUNS, variant, result, status="not_applicable", reason=inapplicable)
    if result.runs:
        return _plain(RUNS, variant, result, status="passed", reason=result.floor_reason)
    return _plain(RUNS, variant, result, status="error", reason=_floor_reason(result))


def _judge_homes(evaluation: Evaluation) -> list[Verdict]:
    """A warning for each bundle that no phone runs, where each phone runs another one."""
    judged = find_inapplicable(evaluation)
    found = []
    for variant in evaluation.variants:
        if variant.devices and all((variant.variant, result.device) in judged for result in variant.devices):
            verdict = _plain("runs on a phone", variant, None, status="warned", reason="it runs on none of the phones")
            found.append(verdict.model_copy(update={"level": "warn"}))
    return found


def _judge_losses(variant: VariantResult, evaluation: Evaluation) -> list[Verdict]:
    """Whether a bundle loses more than its source under a condition, by the task's leading metric."""
    metric, rule = evaluation.leading_metric, "loses no more than its source under a condition"
    tested = [one for one in variant.conditions if metric is not None and metric in one.extra_losses]
    if metric is None or not tested:
        return []
    found = [describe_loss(one, metric) for one in list_losers(variant, metric)]
    if not found:
        count = "1 condition" if len(tested) == 1 else f"{len(tested)} conditions"
        return [_plain(rule, variant, None, status="passed", reason=f"not shown to, under any of {count}")]
    warnings = [_plain(rule, variant, None, status="warned", reason=reason) for reason in found]
    return [verdict.model_copy(update={"level": "warn"}) for verdict in warnings]


def _judge_long_run(variant: VariantResult) -> list[Verdict]:
    """Whether a bundle is after minutes what it was: its error, after silence, after a reset, and when it decides."""
    if variant.long_run is None:
        return []
    warnings = [_plain(RULE, variant, None, status="warned", reason=fault) for fault in find_faults(variant.long_run)]
    if not warnings:
        return [_plain(RULE, variant, None, status="passed", reason="no change is shown")]
    return [verdict.model_copy(update={"level": "warn"}) for verdict in warnings]


@dataclass(frozen=True)
class _Scope:
    """What budgets cover, told once for all of them."""

    metrics: dict[str, MetricInfo]
    phones: dict[Format, set[str]]
    """of all bundles of a format"""
    inapplicable: dict[Pair, str]
    """bundles and phones that are not judged together"""

    def list_results(self, variant: VariantResult) -> list[DeviceResult]:
        """Of the phones on which a bundle is judged."""
        return [one for one in variant.devices if (variant.variant, one.device) not in self.inapplicable]


def _find_scope(evaluation: Evaluation) -> _Scope:
    phones: dict[Format, set[str]] = {}
    for variant in evaluation.variants:
        phones.setdefault(variant.format, set()).update(result.device for result in variant.devices)
    return _Scope(list_metrics(evaluation), phones, find_inapplicable(evaluation))


def _applies(budget: Budget, variant: VariantResult, scope: _Scope) -> bool:
    if not budget.covers(variant):
        return False
    if budget.devices is None:
        return True
    # A bundle that failed lists no phones; those of its format are the ones it was meant for.
    own = {result.device for result in scope.list_results(variant)}
    phones = scope.phones[variant.format] if variant.failure else own
    return bool(phones & set(budget.devices)) or (variant.failure is not None and not phones)


def _judge_variant(budget: Budget, variant: VariantResult, evaluation: Evaluation, scope: _Scope) -> list[Verdict]:
    metric = scope.metrics[budget.metric]
    if variant.failure is not None:
        return [_error(budget, variant, None, _failure_reason(variant))]
    if budget.condition not in (None, CLEAN):
        evaluation, treated = _look_under(budget.condition or "", variant, evaluation)
        if treated is None:
            return [_error(budget, variant, None, f"the bundle was not played under {shorten(budget.condition or '')}")]
        variant = treated
        if variant.failure is not None:
            return [_error(budget, variant, None, _failure_reason(variant))]
    if budget.limit in ("max_drop", "max_rise"):
        return [_judge_against_source(budget, variant, evaluation)]
    if metric.scope != "phone":
        finding = find_score(variant, budget.metric, metric.scope)
        return [_conclude(budget, variant, None, finding, best_is_low=metric.direction == "lower")]
    judged = scope.list_results(variant)
    wanted = [result for result in judged if budget.devices is None or result.device in budget.devices]
    if variant.devices and not judged:
        return []
    if not wanted:
        return [_error(budget, variant, None, f"no phone was evaluated, so there is no {budget.metric}")]
    return [_judge_phone(budget, variant, result) for result in wanted]


def _look_under(
    condition: str, variant: VariantResult, evaluation: Evaluation
) -> tuple[Evaluation, VariantResult | None]:
    """Evaluation and bundle with the numbers of a condition in the clean ones' place; no bundle where it has none."""
    found = next((one for one in variant.conditions if one.condition == condition), None)
    source = next((one for one in evaluation.source.conditions if one.condition == condition), None)
    if found is None or source is None:
        return evaluation, None
    numbers = {name: getattr(found, name) for name in ("failure", "scores", "differences", "parity")}
    there = evaluation.source.model_copy(update={"scores": source.scores})
    return evaluation.model_copy(update={"source": there}), variant.model_copy(update=numbers)


def _judge_phone(budget: Budget, variant: VariantResult, result: DeviceResult) -> Verdict:
    if not result.runs:
        return _error(budget, variant, result, _floor_reason(result))
    return _conclude(budget, variant, result, find_score(variant, budget.metric, "phone", result), best_is_low=True)


def _judge_against_source(budget: Budget, variant: VariantResult, evaluation: Evaluation) -> Verdict:
    difference = variant.differences.get(budget.metric)
    if difference is None:
        return _error(budget, variant, None, f"{budget.metric} was not compared with the source model's")
    if difference.value is None:
        return _error(budget, variant, None, f"the difference has no value: {difference.reason}")
    if difference.low is None:
        return _error(budget, variant, None, "the difference has no interval, so a larger change cannot be excluded")
    source = evaluation.source.scores.get(budget.metric)
    allowed = allow(budget, difference, source)
    if allowed is None:
        return _error(budget, variant, None, f"the source model has no {budget.metric} to take a percentage of")
    return _build(budget, variant, None, judge_change(difference, allowed), score=difference)


def _conclude(
    budget: Budget, variant: VariantResult, result: DeviceResult | None, finding: Finding, *, best_is_low: bool
) -> Verdict:
    if finding.problem is not None:
        return _error(budget, variant, result, finding.problem)
    if finding.score is None:  # identical: as good as can be
        judgement = Judgement((budget.limit == "max") == best_is_low, None, None, None, finding.detail)
        return _build(budget, variant, result, judgement, score=None)
    bound = budget.quantity.to_unit(finding.score.unit, where=f"budget {budget.text!r}")
    judgement = judge_bound(finding.score, bound, upper=budget.limit == "max", detail=finding.detail)
    return _build(budget, variant, result, judgement, score=finding.score, detail=finding.detail)


def _build(
    budget: Budget,
    variant: VariantResult,
    result: DeviceResult | None,
    judgement: Judgement,
    *,
    score: Score | None,
    detail: str = "",
) -> Verdict:
    return Verdict(
        rule=budget.text,
        metric=budget.metric,
        variant=variant.variant,
        device=result.device if result else None,
        status=conclude(judgement, budget.level),
        level=budget.level,
        score=score,
        value=judgement.value,
        limit=judgement.limit,
        margin=judgement.margin,
        upper=budget.limit in ("max", "max_rise"),
        detail=detail,
        reason=judgement.reason,
    )


def _error(budget: Budget, variant: VariantResult | None, result: DeviceResult | None, reason: str) -> Verdict:
    return _plain(budget.text, variant, result, status="error", reason=reason, budget=budget)


def _plain(
    rule: str,
    variant: VariantResult | None,
    result: DeviceResult | None,
    *,
    status: Status,
    reason: str,
    budget: Budget | None = None,
) -> Verdict:
    return Verdict(
        rule=rule,
        metric=budget.metric if budget else None,
        variant=variant.variant if variant else None,
        device=result.device if result else None,
        status=status,
        level=budget.level if budget else "error",
        reason=reason,
    )


def _failure_reason(variant: VariantResult) -> str:
    assert variant.failure is not None
    verb = "packaging" if variant.failure.stage == "package" else "evaluating"
    return f"{verb} it failed: {shorten(variant.failure.reason, 300)}"


def _warn_of_break(variant: VariantResult, broken: str) -> Verdict:
    verdict = _plain(PROMISE, variant, None, status="warned", reason=f"BROKEN: {shorten(broken, 300)}")
    return verdict.model_copy(update={"level": "warn"})


def _floor_reason(result: DeviceResult) -> str:
    return f"the phone cannot run the bundle: {shorten(result.floor_reason, 300)}"

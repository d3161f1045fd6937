"""Verdicts on what changed since a baseline: no number may be worse, or only as much worse as a budget allows.

Without a budget against the baseline a number is worse when `baseline.py` says so. A budget takes its place for
its metric and is judged as budgets are: the interval must exclude a larger change. Times on the host, which move with
whatever else the machine does, are compared and shown, and judged by budgets alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from evaluators.evaluation import Evaluation, VariantResult
from reports.judging.acceptance import Acceptance
from reports.judging.baseline import Change
from reports.judging.budgets import Budget, Level, allow
from reports.judging.metrics import list_metrics
from reports.judging.rules import Judgement, judge_change
from reports.judging.verdicts import Status, Verdict, conclude

RULE = "no worse than the baseline"
NOTHING_ACCEPTED = Acceptance()


def judge_changes(
    changes: Sequence[Change],
    budgets: Sequence[Budget],
    evaluation: Evaluation,
    acceptance: Acceptance = NOTHING_ACCEPTED,
) -> tuple[Verdict, ...]:
    """One verdict for each change for the worse, one for each bundle that has none, and one for each budget and number.

    What cannot be compared is told and does not block, unless a budget is on it. What was accepted passes.

    Raises:
        ReportError: A budget's limit, or that of an accepted change, cannot be of its metric.
    """
    own = [budget for budget in budgets if budget.against == "baseline"]
    pairs = judge_each(changes, budgets, evaluation, acceptance)
    verdicts = [verdict for _, verdict in pairs]
    named = {verdict.rule for verdict in verdicts}
    verdicts += [
        _verdict(budget.text, None, "error", "it met no number of the baseline", budget.level)
        for budget in own
        if budget.text not in named
    ]
    return (*verdicts, *_list_unharmed(changes, verdicts))


def judge_each(
    changes: Sequence[Change],
    budgets: Sequence[Budget],
    evaluation: Evaluation,
    acceptance: Acceptance = NOTHING_ACCEPTED,
) -> list[tuple[Change, Verdict]]:
    """As `judge_changes`, of changes alone, each with its verdict, the worst changes first."""
    own = [budget for budget in budgets if budget.against == "baseline"]
    variants = {variant.variant: variant for variant in evaluation.variants}
    infos = list_metrics(evaluation)
    only_told = {name for name, metric in infos.items() if metric.only_told}
    unjudged = {name for name, metric in infos.items() if metric.scope == "host"}
    pairs = []
    for change in sorted(changes, key=lambda change: change.urgency):
        meant = [budget for budget in own if _applies(budget, change, variants.get(change.variant))]
        found = [_hold(budget, change) for budget in meant]
        if not meant and change.metric not in unjudged:
            found = _judge_plainly(change, only_told)
        pairs += [(change, _accept(verdict, change, evaluation, acceptance)) for verdict in found]
    return pairs


def _accept(verdict: Verdict, change: Change, evaluation: Evaluation, acceptance: Acceptance) -> Verdict:
    """The verdict on a change for the worse, where it was accepted, or why that does not hold."""
    if verdict.status == "passed" or not (change.is_loss or change.difference is not None):
        return verdict
    entry, fault = acceptance.rule_on(change, evaluation)
    if entry is None:
        return verdict.model_copy(update={"reason": f"{verdict.reason}; {fault}"}) if fault else verdict
    reason = f"accepted: {entry.promise} ({verdict.reason})"
    return verdict.model_copy(update={"status": "passed", "reason": reason, "accepted": entry.promise})


def _applies(budget: Budget, change: Change, variant: VariantResult | None) -> bool:
    if change.metric != budget.metric or variant is None or not budget.covers(variant):
        return False
    return budget.devices is None or change.device is None or change.device in budget.devices


def _hold(budget: Budget, change: Change) -> Verdict:
    if change.difference is None:
        return _verdict(budget.text, change, "error", change.reason, budget.level)
    allowed = allow(budget, change.difference, change.before)
    if allowed is None:
        return _verdict(budget.text, change, "error", "the baseline has nothing to take a percentage of", budget.level)
    judgement = judge_change(change.difference, allowed)
    status = conclude(judgement, budget.level)
    verdict = _verdict(budget.text, change, status, judgement.reason, budget.level, judgement=judgement)
    return verdict.model_copy(update={"upper": budget.limit == "max_rise"})


def _judge_plainly(change: Change, only_told: Collection[str]) -> list[Verdict]:
    if change.state == "not comparable" and change.metric in only_told:
        return []
    if change.state == "not comparable":
        return [_verdict(RULE, change, "error", f"cannot be compared: {change.reason}", "warn")]
    if change.state not in ("worse", "gone"):
        return []
    is_told = change.metric in only_told
    reason = change.reason if change.metric is None else f"{change.metric}: {change.reason}"
    return [_verdict(RULE, change, "warned" if is_told else "failed", reason, "warn" if is_told else "error")]


def _list_unharmed(changes: Sequence[Change], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """A verdict for each bundle of which numbers were compared and none is worse."""
    harmed = {verdict.variant for verdict in verdicts if verdict.objects or verdict.accepted is not None}
    counts: dict[str, int] = {}
    for change in changes:
        if change.difference is not None and change.variant not in harmed:
            counts[change.variant] = counts.get(change.variant, 0) + 1
    whole = {change.variant: change.model_copy(update={"metric": None, "device": None}) for change in changes}
    return [
        _verdict(RULE, whole[variant], "passed", f"none of {count} numbers is worse", "error")
        for variant, count in counts.items()
    ]


def _verdict(
    rule: str,
    change: Change | None,
    status: Status,
    reason: str,
    level: Level,
    *,
    judgement: Judgement | None = None,
) -> Verdict:
    return Verdict(
        rule=rule,
        metric=change.metric if change else None,
        variant=change.variant if change else None,
        device=change.device if change else None,
        status=status,
        level=level,
        score=change.difference if change and judgement else None,
        value=judgement.value if judgement else None,
        limit=judgement.limit if judgement else None,
        margin=judgement.margin if judgement else None,
        reason=reason,
    )

"""An evaluation held against its budgets and, where there is one, an earlier evaluation. Renderers read only this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from device_profiles.files import read_text
from device_profiles.record import Record, parse_json, validate_json
from device_profiles.text import shorten
from evaluators.evaluation import PARITY_NUMBERS, SCHEMA_VERSION, Evaluation
from reports.errors import ReportError
from reports.judging.acceptance import Acceptance, list_removable
from reports.judging.applicability import drop_inapplicable, find_inapplicable
from reports.judging.baseline import Change, find_changes
from reports.judging.budgets import Budget, recipe_budgets
from reports.judging.metrics import list_metrics
from reports.judging.regression_causes import find_regression_causes, is_regression
from reports.judging.regressions import NOTHING_ACCEPTED, judge_changes
from reports.judging.shipping import Cause, Choice, choose, find_causes
from reports.judging.verdicts import PROMISE, SEVERITY, Status, Verdict, judge

MOST_BYTES = 256 * 2**20
"""of an evaluation.json: 50 bundles on 24 phones and 200 clips take 36 MB"""


_REASON_LIMIT = 1000
_MOST_SUBJECTS = 6


class Outcome(Record):
    """The verdict over all: what a release job obeys."""

    status: Literal["pass", "warn", "fail"]
    passed: int
    warned: int
    failed: int
    errors: int
    """what could not be judged"""
    not_applicable: int = 0
    """bundles on phones that they are not for"""
    reasons: tuple[str, ...]
    """what speaks against a release, heaviest first; empty for a pass"""


class Row(Record):
    """One line of the matrix: a bundle on a phone, or a bundle that has no phone."""

    variant: str
    device: str | None
    status: Status | None
    """the worst of its verdicts, the bundle's own counting for each of its phones; none where nothing was judged"""
    reason: str = ""
    """why the bundle is not judged on the phone, where it is not for it"""


class Comparison(Record):
    """All that a report shows."""

    evaluation: Evaluation
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()
    """what to ship on each phone"""
    baseline_created: str | None = None
    changes: tuple[Change, ...] = ()
    baseline: Evaluation | None = None
    """the earlier evaluation that it was compared with"""
    removable: tuple[str, ...] = ()
    """accepted changes that match nothing any more, a sentence each"""

    @property
    def accepted(self) -> tuple[str, ...]:
        """What is worse than the baseline and was accepted: a sentence for each bundle and reason."""
        groups: dict[tuple[str | None, str], list[str]] = {}
        for verdict in self.verdicts:
            if verdict.accepted is not None:
                phone = self.evaluation.device_names.get(verdict.device or "", verdict.device or "")
                number = " on ".join(shorten(word) for word in (verdict.metric or "", phone) if word)
                groups.setdefault((verdict.variant, verdict.accepted), []).append(number or "no result any more")
        return tuple(
            f"{describe_subject(self.evaluation, variant, None)}{_list_numbers(numbers)}: accepted: {promise}"
            for (variant, promise), numbers in groups.items()
        )


def _list_numbers(numbers: list[str]) -> str:
    left = len(numbers) - _MOST_SUBJECTS
    return f" ({', '.join(numbers[:_MOST_SUBJECTS])}{f' and {left} more' if left > 0 else ''})"


def load_evaluation(path: Path) -> Evaluation:
    """Read an `evaluation.json`.

    Raises:
        ReportError: It cannot be read, is malformed, or of a version that is not known.
    """
    data = parse_json(read_text(path, error=ReportError, most=MOST_BYTES), where=str(path), error=ReportError)
    version = data.get("schema_version") if isinstance(data, dict) else None
    text = json.dumps(data)  # without its white space half as long, and with `data` gone all that is held
    del data
    if not isinstance(version, int) or isinstance(version, bool):
        raise ReportError(f"{path}: not an evaluation: there is no whole number under schema_version")
    if version > SCHEMA_VERSION:
        raise ReportError(f"{path}: schema_version {version} is newer than this testpress reads ({SCHEMA_VERSION})")
    if version < 1:
        raise ReportError(f"{path}: schema_version {version} is none that there ever was")
    return validate_json(text, Evaluation, where=str(path), error=ReportError)


def compare(
    evaluation: Evaluation,
    baseline: Evaluation | None = None,
    *,
    budgets: tuple[Budget, ...] | None = None,
    acceptance: Acceptance = NOTHING_ACCEPTED,
) -> Comparison:
    """Judge an evaluation.

    Args:
        evaluation: What was found.
        baseline: An earlier evaluation of the same model.
        budgets: Default: those of the recipe the evaluation was made from.
        acceptance: Changes since the baseline that were accepted.

    Raises:
        ReportError: A budget cannot be applied, or the baseline is of another model.
    """
    if budgets is None:
        budgets = recipe_budgets(evaluation)
    changes = find_changes(baseline, evaluation) if baseline is not None else ()
    verdicts = judge(evaluation, budgets)
    if baseline is not None:
        verdicts += judge_changes(drop_inapplicable(changes, evaluation), budgets, evaluation, acceptance)
    unjudged = 0 if baseline is not None else sum(budget.against == "baseline" for budget in budgets)
    rows = build_rows(evaluation, verdicts)
    return Comparison(
        evaluation=evaluation,
        outcome=_conclude(evaluation, verdicts, unjudged=unjudged, has_budgets=bool(budgets)),
        verdicts=verdicts,
        rows=rows,
        choices=choose(evaluation, verdicts, {(row.variant, row.device): row.status for row in rows}),
        baseline_created=baseline.created if baseline is not None else None,
        changes=changes,
        baseline=baseline,
        removable=list_removable(acceptance, changes) if baseline is not None else (),
    )


def describe_subject(evaluation: Evaluation, variant: str | None, device: str | None) -> str:
    """A bundle and phone in words, for example "coreml-float16 on iPhone 12"."""
    if variant is None:
        return "the evaluation"
    phone = f" on {shorten(evaluation.device_names.get(device, device))}" if device else ""
    return shorten(variant) + phone


def _conclude(evaluation: Evaluation, verdicts: tuple[Verdict, ...], *, unjudged: int, has_budgets: bool) -> Outcome:
    counts = {status: sum(verdict.status == status for verdict in verdicts) for status in SEVERITY}
    reasons = _collect_reasons(evaluation, verdicts)
    if unjudged:
        count = "1 budget is" if unjudged == 1 else f"{unjudged} budgets are"
        reasons.append(f"{count} against a baseline, and none was given")
    if not has_budgets:
        reasons.append("no budget was set, so nothing says how good the bundles must be")
    if not evaluation.variants:
        reasons.append("there is no bundle")
    blocked = any(verdict.blocks for verdict in verdicts) or not evaluation.variants
    return Outcome(
        status="fail" if blocked else "warn" if reasons else "pass",
        passed=counts["passed"],
        warned=counts["warned"],
        failed=counts["failed"],
        errors=counts["error"],
        not_applicable=counts["not_applicable"],
        reasons=tuple(reasons),
    )


def _collect_reasons(evaluation: Evaluation, verdicts: tuple[Verdict, ...]) -> list[str]:
    """Sentences, heaviest first: one a cause that keeps bundles from being shipped, then what else does not hold."""
    causes = (*find_causes(evaluation, verdicts), *find_regression_causes(evaluation, verdicts))
    named = {variant.variant for variant in evaluation.variants}
    starts = {each.variant: each.drift.first_op for each in evaluation.variants if each.drift is not None}
    told = dict.fromkeys(_describe_cause(evaluation, cause) for cause in causes)
    departing = {variant for cause in causes if cause.is_departure for variant, _ in cause.subjects}
    scopes = {name: metric.scope for name, metric in list_metrics(evaluation).items()}
    others = (
        one
        for one in verdicts
        if one.objects
        and not (one.blocks and one.variant in named)
        and not is_regression(one, scopes)
        and not (one.rule == PROMISE and one.variant in departing)  # the same cause in other words
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in sorted(others, key=_weigh):
        subject = describe_subject(evaluation, verdict.variant, verdict.device)
        if verdict.variant is None and verdict.status == "error":
            groups.setdefault((verdict.rule, verdict.reason), []).append(verdict.rule)
        elif verdict.status == "error":
            groups.setdefault(("", verdict.reason), []).append(subject)
        else:
            sentence = f"{verdict.rule}: {verdict.reason}{_describe_start(starts, verdict)}"
            groups.setdefault(("", sentence), []).append(subject)
    told |= {_tell(subjects, sentence): None for (_, sentence), subjects in groups.items()}
    return list(told)


def _tell(subjects: list[str], sentence: str) -> str:
    """One sentence of all that it holds for."""
    names = list(dict.fromkeys(subjects))
    left = len(names) - _MOST_SUBJECTS
    more = f" and {left} more" if left > 0 else ""
    return shorten(f"{', '.join(names[:_MOST_SUBJECTS])}{more}: {sentence}", _REASON_LIMIT)


def _describe_cause(evaluation: Evaluation, cause: Cause) -> str:
    shown = [describe_subject(evaluation, variant, device) for variant, device in cause.subjects[:_MOST_SUBJECTS]]
    left = len(cause.subjects) - len(shown)
    subjects = ", ".join(shown) + (f" and {left} more" if left else "")
    remedy = f"; {cause.remedy}" if cause.remedy else ""
    return shorten(f"{subjects}: {cause.reason}{remedy}", _REASON_LIMIT)


def _describe_start(starts: dict[str, str], verdict: Verdict) -> str:
    """For a broken parity budget: the op at which the bundle departs, where it was located."""
    if verdict.variant not in starts or verdict.metric not in PARITY_NUMBERS:
        return ""
    return f"; it starts at op {shorten(starts[verdict.variant])}"


def _weigh(verdict: Verdict) -> tuple[bool, int, float]:
    """Blocking ones first, broken limits before what could not be judged, the widest miss first."""
    return not verdict.blocks, *verdict.urgency


def build_rows(evaluation: Evaluation, verdicts: tuple[Verdict, ...]) -> tuple[Row, ...]:
    """The matrix: of each bundle on each phone, the worst of its verdicts."""
    worst: dict[tuple[str | None, str | None], Status] = {}
    for verdict in verdicts:
        key = verdict.variant, verdict.device
        worst[key] = _worse(worst.get(key), verdict.status)
    rows, inapplicable = [], find_inapplicable(evaluation)
    for variant in evaluation.variants:
        own = worst.get((variant.variant, None))
        phones: list[str | None] = [result.device for result in variant.devices]
        for device in phones or [None]:
            reason = inapplicable.get((variant.variant, device)) if device else None
            if reason is not None:
                rows.append(Row(variant=variant.variant, device=device, status="not_applicable", reason=reason))
                continue
            there = worst.get((variant.variant, device))
            status = own if there is None else _worse(own, there)
            rows.append(Row(variant=variant.variant, device=device, status=status))
    return tuple(rows)


def _worse(first: Status | None, second: Status) -> Status:
    return second if first is None or SEVERITY[second] < SEVERITY[first] else first

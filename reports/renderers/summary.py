"""The words every renderer opens with."""

from __future__ import annotations

from collections import Counter

from device_profiles.text import shorten
from reports.judging.comparison import Comparison, Outcome
from reports.judging.metrics import list_metrics
from reports.judging.obstacles import State
from reports.judging.regressions import RULE
from reports.judging.verdicts import Status

STATUS_WORDS: dict[Status | None, str] = {
    "passed": "passed",
    "warned": "warning",
    "failed": "failed",
    "error": "not judged",
    "not_applicable": "not applicable",
    None: "no budget",
}
STATUS_MARKS: dict[Status | None, str] = {
    "passed": "✓",
    "warned": "!",
    "failed": "✗",
    "error": "⊘",
    "not_applicable": "·",
    None: "–",
}
_STATE_WORDS: dict[State, str] = {
    "gone": "gone",
    "worse": "worse",
    "not comparable": "not comparable",
    "new": "new",
    "better": "better",
    "same": "the same",
}
OUTCOME_STATUS: dict[str, Status] = {"pass": "passed", "warn": "warned", "fail": "failed"}
_OUTCOMES = {"pass": "Pass", "warn": "Pass, with warnings", "fail": "Fail"}


def describe_outcome(outcome: Outcome) -> str:
    """The verdict in a word or three."""
    return _OUTCOMES[outcome.status]


def describe_counts(outcome: Outcome) -> str:
    """How many checks ended how, for example "2 failed, 1 not judged, 40 passed"."""
    counts = (
        (outcome.failed, "failed"),
        (outcome.errors, "not judged"),
        (outcome.warned, "warning" if outcome.warned == 1 else "warnings"),
        (outcome.passed, "passed"),
        (outcome.not_applicable, "not applicable"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing was judged"


def describe_baseline(report: Comparison) -> str:
    """What it was compared with and how many numbers changed, in a sentence; that there was no baseline, where none."""
    if report.baseline_created is None:
        return "No baseline was given, so nothing is said of what became worse."
    told = {name for name, metric in list_metrics(report.evaluation).items() if metric.scope == "host"}
    judged = {verdict.metric for verdict in report.verdicts if verdict.rule != RULE}
    slower = sum(one.state == "worse" and one.metric in told - judged for one in report.changes)
    states = Counter(change.state for change in report.changes)
    states["worse"] -= slower
    accepted = sum(verdict.accepted is not None for verdict in report.verdicts)
    counts = [f"{states[state]} {word}" for state, word in _STATE_WORDS.items() if states[state]]
    if slower:
        counts.append(f"{slower} slower on this host, which is only told")
    if accepted:
        counts.append(f"{accepted} accepted")
    compared = len(report.changes)
    return (
        f"Against the baseline of {shorten(report.baseline_created)}: {compared} "
        f"{'number' if compared == 1 else 'numbers'}, {', '.join(counts) or 'none of them changed'}."
    )


def find_main_metric(report: Comparison) -> str | None:
    """The metric that stands for how good a bundle is at its task.

    The first compared one that a budget names, else the task's leading one, which without labels is an agreement of
    bundles with the source, else the first compared with the source model, else the source's.
    """
    evaluation = report.evaluation
    scored = (evaluation.source.scores, *(variant.scores for variant in evaluation.variants))
    leading = [evaluation.leading_metric] if any(evaluation.leading_metric in scores for scores in scored) else []
    compared = {metric for variant in evaluation.variants for metric in variant.differences}
    judged = [verdict.metric for verdict in report.verdicts if verdict.metric in compared]
    candidates = [*judged, *leading, *sorted(compared), *evaluation.source.scores]
    return next((name for name in candidates if name is not None), None)

"""Annotations for GitHub: lines that a step prints and the run and the pull request show.

The form is that of GitHub's workflow commands, `::error file=…,title=…::message`, with the signs escaped that
@actions/core escapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from device_profiles.text import clean_text, shorten
from reports.judging.comparison import Comparison, describe_subject
from reports.judging.regressions import RULE
from reports.renderers.summary import describe_counts, describe_outcome

Kind = Literal["error", "warning", "notice"]

MOST = 10
"""of a kind, in one step; source: GitHub docs, "Workflow commands"; what goes beyond is dropped without a word"""

_REASON_LIMIT = 1000


def annotate(report: Comparison, *, file: str | None = None) -> tuple[str, ...]:
    """One line for what blocks a release, one for what warns, and one for the verdict; at most ten of a kind.

    Args:
        report: The comparison.
        file: The recipe, relative to the repository; default: the annotations stand at no file.
    """
    outcome = report.outcome
    errors = _verdicts(report, blocks=True)
    warnings = [*_verdicts(report, blocks=False), *_changes(report)]
    if outcome.status == "fail" and not errors:
        errors = [("testpress", reason) for reason in outcome.reasons]
    elif outcome.status == "warn" and not warnings:
        warnings = [("testpress", reason) for reason in outcome.reasons]
    verdict = f"{describe_outcome(outcome)}: {describe_counts(outcome)}"
    model = report.evaluation.model
    return (
        *_lines("error", errors, file),
        *_lines("warning", warnings, file),
        *_lines("notice", [(f"testpress: {shorten(model.name)} {shorten(model.version)}", verdict)], file),
    )


def _verdicts(report: Comparison, *, blocks: bool) -> list[tuple[str, str]]:
    """Title and message of what did not pass."""
    return [
        (describe_subject(report.evaluation, each.variant, each.device), f"{each.rule}: {each.reason}")
        for each in sorted(report.verdicts, key=lambda each: each.status != "failed")
        if each.objects and each.blocks == blocks
    ]


def _changes(report: Comparison) -> list[tuple[str, str]]:
    """What is worse than in the baseline and has no verdict of its own that says so."""
    judged = {(one.variant, one.device, one.metric) for one in report.verdicts if one.rule == RULE or one.accepted}
    return [
        (
            describe_subject(report.evaluation, change.variant, change.device),
            f"{change.metric or 'result'} is worse than in the baseline: {change.reason}",
        )
        for change in report.changes
        if change.state == "worse" and (change.variant, change.device, change.metric) not in judged
    ]


def _lines(kind: Kind, found: Iterable[tuple[str, str]], file: str | None) -> list[str]:
    items = list(dict.fromkeys(found))
    shown = items if len(items) <= MOST else items[: MOST - 1]
    lines = [_line(kind, title, message, file) for title, message in shown]
    if len(items) > len(shown):
        rest = len(items) - len(shown)
        lines.append(_line(kind, "testpress", f"{rest} more of this kind: see report.html", file))
    return lines


def _line(kind: Kind, title: str, message: str, file: str | None) -> str:
    properties = ([] if file is None else [f"file={_escape_property(file)}"]) + [f"title={_escape_property(title)}"]
    return f"::{kind} {','.join(properties)}::{_escape(shorten(message, _REASON_LIMIT))}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(clean_text(text)).replace(":", "%3A").replace(",", "%2C")

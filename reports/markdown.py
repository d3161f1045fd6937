"""`report.md`: the verdict, the budgets and the matrix, for a CI job's summary page."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from evaluators.evaluation import DeviceResult, Score, VariantResult
from reports.comparison import Comparison, Row, describe_subject
from reports.metrics import find_score
from reports.notation import BASIS_WORDS, format_interval, format_score, shorten
from reports.summary import (
    OUTCOME_STATUS,
    STATUS_MARKS,
    STATUS_WORDS,
    describe_counts,
    describe_outcome,
    find_main_metric,
)

FILE_NAME = "report.md"
MAX_BYTES = 1024 * 1024
"""what GitHub takes as a job summary; source: GitHub docs, "Workflow commands", adding a job summary"""

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")


def render(report: Comparison, *, max_bytes: int = MAX_BYTES) -> str:
    """The comparison as GitHub-flavoured Markdown.

    Args:
        report: What to show.
        max_bytes: Rows are left out, with a note, until the text fits.
    """
    budgets, matrix = _budget_rows(report), _matrix_rows(report)
    kept = max(len(budgets), len(matrix), len(report.outcome.reasons))
    text = _assemble(report, budgets, matrix, kept)
    while len(text.encode()) > max_bytes and kept > 0:
        kept //= 2
        text = _assemble(report, budgets, matrix, kept)
    return text


def _assemble(report: Comparison, budgets: list[list[str]], matrix: list[list[str]], kept: int) -> str:
    evaluation, outcome = report.evaluation, report.outcome
    main = find_main_metric(report)
    parts = [
        f"# {STATUS_MARKS[OUTCOME_STATUS[outcome.status]]} {describe_outcome(outcome)}",
        f"{_escape(evaluation.model.name)} {_escape(evaluation.model.version)}: {describe_counts(outcome)}.",
        "\n".join(f"- {_escape(reason, 600)}" for reason in outcome.reasons[:kept])
        + _note(outcome.reasons, kept, "reasons"),
        "## Budgets",
        _table(["", "budget", "bundle", "found"], budgets[:kept]) + _note(budgets, kept, "rows"),
        "## Bundles and phones",
        _table(
            ["", "bundle", "phone", _escape(main or "task"), "size", "latency", "memory", "largest error"],
            matrix[:kept],
        )
        + _note(matrix, kept, "rows"),
        f"Made {_escape(evaluation.created)} by testpress {_escape(evaluation.testpress_version)}:",
        f"`{_code(evaluation.command)}`",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _budget_rows(report: Comparison) -> list[list[str]]:
    order = {"failed": 0, "error": 1, "warned": 2, "passed": 3}
    verdicts = sorted(
        (v for v in report.verdicts if v.metric is not None or v.status != "passed"), key=lambda v: order[v.status]
    )
    return [
        [
            f"{STATUS_MARKS[verdict.status]} {STATUS_WORDS[verdict.status]}",
            _escape(verdict.rule),
            _escape(describe_subject(report.evaluation, verdict.variant, verdict.device)),
            _escape(verdict.reason, 400),
        ]
        for verdict in verdicts
    ]


def _matrix_rows(report: Comparison) -> list[list[str]]:
    variants = {variant.variant: variant for variant in report.evaluation.variants}
    main = find_main_metric(report)
    return [_matrix_row(report, row, variants[row.variant], main) for row in report.rows]


def _matrix_row(report: Comparison, row: Row, variant: VariantResult, main: str | None) -> list[str]:
    phone = _escape(report.evaluation.device_names.get(row.device, row.device)) if row.device else "–"
    mark = f"{STATUS_MARKS[row.status]} {STATUS_WORDS[row.status]}"
    if variant.failure is not None:
        return [mark, _escape(variant.variant), phone, f"no result: {_escape(variant.failure.reason, 200)}", *["–"] * 4]
    result = next((result for result in variant.devices if result.device == row.device), None)
    return [
        mark,
        _escape(variant.variant),
        phone if result is None or result.runs else f"{phone} (cannot run it)",
        _cell(variant.scores.get(main) if main else None),
        _cell(variant.scores.get("size_bytes")),
        _cell(_device_score(result, "latency_ms")),
        _cell(_device_score(result, "memory_bytes")),
        _cell(find_score(variant, "max_abs_error").score),
    ]


def _device_score(result: DeviceResult | None, metric: str) -> Score | None:
    return result.scores.get(metric) if result is not None else None


def _cell(score: Score | None) -> str:
    if score is None:
        return "–"
    if score.value is None:
        return _escape(format_score(score))
    interval = format_interval(score)
    return _escape(f"{format_score(score)}{f' ({interval})' if interval else ''}, {BASIS_WORDS[score.basis]}", 200)


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return "(none)"
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _note(items: Sequence[object], kept: int, word: str) -> str:
    left = len(items) - kept
    return f"\n\n{left} more {word}: see report.html." if left > 0 else ""


def _escape(text: str, limit: int = 96) -> str:
    """Text that Markdown, HTML and a table leave as it is."""
    return _SPECIAL.sub(r"\\\1", html.escape(shorten(text, limit), quote=False))


def _code(text: str) -> str:
    return shorten(text, 1000).replace("`", "'").replace("<", "‹").replace("|", "¦")

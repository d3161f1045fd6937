"""`comment.md`: the verdict as one comment on a pull request, which CI finds by its first line and updates.

What a reviewer must read comes first and is left out last: the reasons, then what to ship on each phone, then each
budget that did not pass, folded, then what changed since the baseline, then the matrix, folded.
"""

from __future__ import annotations

from collections.abc import Sequence

from device_profiles.naming import marker_name
from reports.judging.comparison import Comparison
from reports.renderers.gfm import cut, escape, fit, table
from reports.renderers.markdown import (
    BUDGET_HEAD,
    CHANGE_HEAD,
    change_rows,
    failed_rows,
    matrix_head,
    matrix_rows,
    origin,
    reason_rows,
    ship_head,
    ship_rows,
    subject,
    title,
)

FILE_NAME = "comment.md"
MAX_BYTES = 65_536
"""GitHub takes 65,536 characters in a comment; counted in bytes here, which are never fewer, however it counts"""


def marker(model: str) -> str:
    """The comment's first line, which no reader sees; the same for every evaluation of a model."""
    return f"<!-- testpress: {marker_name(model)} -->"


def render(report: Comparison, *, max_bytes: int = MAX_BYTES) -> str:
    """The comparison as GitHub-flavoured Markdown that fits a comment.

    Args:
        report: What to show.
        max_bytes: Rows are left out, with a note, until the text fits: first of the matrix, last of the reasons.
    """
    groups = [
        reason_rows(report),
        ship_rows(report),
        failed_rows(report),
        change_rows(report),
        matrix_rows(report),
    ]
    frame = _assemble(report, groups, [0] * len(groups))
    return _assemble(report, groups, fit(groups, max_bytes - len(frame.encode())))


def _assemble(report: Comparison, groups: Sequence[Sequence[str]], kept: Sequence[int]) -> str:
    (reasons, ship, failed, changes, matrix), notes = cut(groups, kept)
    parts = [
        f"{marker(report.evaluation.model.name)}\n## {title(report)}",
        subject(report),
        "\n".join(reasons) + notes[0],
        f"### Ship this\n\n{table(ship_head(report), ship)}{notes[1]}" if groups[1] else "",
        _fold(f"What did not pass ({len(groups[2])})", table(BUDGET_HEAD, failed) + notes[2]) if groups[2] else "",
        f"### Since the baseline of {escape(report.baseline_created or '')}\n\n{table(CHANGE_HEAD, changes)}{notes[3]}"
        if groups[3]
        else "",
        _fold(f"Bundles and phones ({len(groups[4])})", table(matrix_head(report), matrix) + notes[4])
        if groups[4]
        else "",
        origin(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fold(summary: str, text: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"

"""Write the report files: read this first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluators.evaluation import Evaluation
from packager.errors import PackagingError
from packager.storage import write_text_atomically
from reports import html, junit, markdown
from reports.budgets import Budget
from reports.comparison import compare
from reports.errors import ReportError


@dataclass(frozen=True)
class Paths:
    """Where the report stands."""

    html: Path
    markdown: Path
    junit: Path


def write_report(
    evaluation: Evaluation,
    out_dir: Path,
    *,
    baseline: Evaluation | None = None,
    budgets: tuple[Budget, ...] | None = None,
) -> Paths:
    """Judge an evaluation and write `report.html`, `report.md` and `junit.xml`, each whole or not at all.

    Args:
        evaluation: What was found.
        out_dir: The folder; made where it is missing.
        baseline: An earlier evaluation to compare with.
        budgets: Default: those of the recipe the evaluation was made from.

    Raises:
        ReportError: A budget cannot be applied, the baseline is of another model, or the folder cannot be written.
    """
    report = compare(evaluation, baseline, budgets=budgets)
    texts = {renderer.FILE_NAME: renderer.render(report) for renderer in (html, markdown, junit)}
    try:
        for name, text in texts.items():
            write_text_atomically(out_dir / name, text)
    except PackagingError as fault:
        raise ReportError(str(fault)) from fault
    return Paths(html=out_dir / html.FILE_NAME, markdown=out_dir / markdown.FILE_NAME, junit=out_dir / junit.FILE_NAME)

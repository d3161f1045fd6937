"""Write the report files: read this first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluators.evaluation import Evaluation
from packager.errors import PackagingError
from packager.storage import write_text_atomically
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.page import html
from reports.renderers import comment, junit, markdown, node_data, openmetrics

_RENDERERS = (markdown, comment, junit, openmetrics)


@dataclass(frozen=True)
class Paths:
    """Where the report stands.

    Attributes:
        html: The page for reviewers.
        markdown: The summary of a CI job.
        comment: The comment on a pull request.
        junit: The verdicts as test cases.
        metrics: The numbers in the OpenMetrics text format.
        drift: Node data for Model Explorer, a file for each bundle that has a drift.
    """

    html: Path
    markdown: Path
    comment: Path
    junit: Path
    metrics: Path
    drift: tuple[Path, ...] = ()


def write_report(
    evaluation: Evaluation,
    out_dir: Path,
    *,
    baseline: Evaluation | None = None,
    budgets: tuple[Budget, ...] | None = None,
    folder: Path | None = None,
    earlier: Path | None = None,
) -> Paths:
    """Judge an evaluation and write the report's files, each whole or not at all.

    Args:
        evaluation: What was found.
        out_dir: The folder; made where it is missing. Node data of an earlier report that this one has not is removed.
        baseline: An earlier evaluation to compare with.
        budgets: Default: those of the recipe the evaluation was made from.
        folder: Where evaluation.json and the previews beside it stand; without it no clip can be heard.
        earlier: The same of the baseline.

    Raises:
        ReportError: A budget cannot be applied, the baseline is of another model, or the folder cannot be written.
    """
    report = compare(evaluation, baseline, budgets=budgets)
    return write_comparison(report, out_dir, folder=folder, earlier=earlier)


def write_comparison(
    report: Comparison, out_dir: Path, *, folder: Path | None = None, earlier: Path | None = None
) -> Paths:
    """As `write_report`, of what was judged already."""
    texts = {renderer.FILE_NAME: renderer.render(report) for renderer in _RENDERERS}
    texts[html.FILE_NAME] = html.render(report, folder=folder, earlier=earlier)
    drifts = {f"{node_data.FOLDER}/{name}": text for name, text in node_data.render(report).items()}
    try:
        for name, text in {**texts, **drifts}.items():
            write_text_atomically(out_dir / name, text)
        _remove_stale(out_dir / node_data.FOLDER, {out_dir / name for name in drifts})
    except PackagingError as fault:
        raise ReportError(str(fault)) from fault
    return Paths(
        html=out_dir / html.FILE_NAME,
        markdown=out_dir / markdown.FILE_NAME,
        comment=out_dir / comment.FILE_NAME,
        junit=out_dir / junit.FILE_NAME,
        metrics=out_dir / openmetrics.FILE_NAME,
        drift=tuple(out_dir / name for name in drifts),
    )


def _remove_stale(folder: Path, current: set[Path]) -> None:
    """Node data of bundles that depart no longer would tell a reader what is not true."""
    for path in set(folder.glob("*.json")) - current:
        try:
            path.unlink()
        except OSError as fault:
            raise ReportError(f"{path}: is left from an earlier report and cannot be removed: {fault}") from None

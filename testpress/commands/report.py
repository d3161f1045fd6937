"""`testpress report`: an evaluation as a page, and what CI reads."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import BASELINE, EVALUATION, JSON, OUT, example, show


@click.command(epilog=example("testpress report testpress-out --baseline main/testpress-out"))
@EVALUATION
@BASELINE
@OUT
@JSON
def report(evaluation: Path, baseline: Path | None, out: Path | None, as_json: bool) -> None:
    """Write report.html, report.md, comment.md, junit.xml, metrics.txt and drift/*.json of an evaluation."""
    from reports.judging.comparison import load_evaluation
    from reports.write import write_report
    from testpress import summary

    old = load_evaluation(baseline) if baseline else None
    out = out or evaluation.parent / "report"
    paths = write_report(load_evaluation(evaluation), out, baseline=old, folder=evaluation.parent)
    show(summary.report_data(paths) if as_json else str(paths.html), as_json)

"""`testpress report`: an evaluation as a page, and what CI reads."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import EVALUATION, JSON, OUT, Against, compared, example, show


@click.command(epilog=example("testpress report testpress-out --baseline main/testpress-out"))
@EVALUATION
@compared
@OUT
@JSON
def report(evaluation: Path, against: Against, out: Path | None, as_json: bool) -> None:
    """Write report.html, report.md, comment.md, junit.xml, metrics.txt and drift/*.json of an evaluation."""
    from reports.judging.comparison import load_evaluation
    from reports.write import write_comparison
    from testpress import summary
    from testpress.judging import judge

    old = against.open()
    comparison = judge(load_evaluation(evaluation), evaluation, old, accept=against.accept)
    folders = evaluation.parent, None if old is None else old.folder
    paths = write_comparison(comparison, out or evaluation.parent / "report", folder=folders[0], earlier=folders[1])
    show(summary.report_data(paths) if as_json else str(paths.html), as_json)

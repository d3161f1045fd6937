from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports import html, junit, markdown
from reports.comparison import compare
from reports.errors import ReportError
from reports.write import write_report


def test_three_files_are_written_and_nothing_is_left_over(evaluation: Evaluation, tmp_path: Path) -> None:
    paths = write_report(evaluation, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["junit.xml", "report.html", "report.md"]
    report = compare(evaluation)
    assert paths.html.read_text(encoding="utf-8") == html.render(report)
    assert paths.markdown.read_text(encoding="utf-8") == markdown.render(report)
    assert paths.junit.read_text(encoding="utf-8") == junit.render(report)


def test_a_folder_that_cannot_be_made_is_a_report_error(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(evaluation, tmp_path / "report")

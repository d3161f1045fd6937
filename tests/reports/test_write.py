from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.comparison import compare
from reports.page import html
from reports.renderers import comment, junit, markdown, openmetrics
from reports.write import write_report

FILES = ["comment.md", "drift/coreml-float16.json", "junit.xml", "metrics.txt", "report.html", "report.md"]


def test_all_files_are_written_and_nothing_is_left_over(evaluation: Evaluation, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    paths = write_report(evaluation, folder)
    written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert written == FILES
    report = compare(evaluation)
    for path, renderer in (
        (paths.html, html),
        (paths.markdown, markdown),
        (paths.comment, comment),
        (paths.junit, junit),
        (paths.metrics, openmetrics),
    ):
        assert path.read_text(encoding="utf-8") == renderer.render(report)
    assert paths.drift == (folder / FILES[1],)


def test_hostile_text_can_be_written(hostile: object, tmp_path: Path) -> None:
    paths = write_report(hostile.evaluation, tmp_path)
    assert paths.drift
    assert all(path.stat().st_size for path in (paths.comment, paths.metrics, *paths.drift))


def test_a_folder_that_cannot_be_made_is_a_report_error(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(evaluation, tmp_path / "report")

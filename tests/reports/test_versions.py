"""Evaluations as older testpresses wrote them, stored here, and never made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.evaluation import SCHEMA_VERSION, Evaluation
from reports.comparison import load_evaluation
from reports.errors import ReportError
from reports.write import write_report

DATA = Path(__file__).parent / "data"


def test_version_1_opens_and_is_reported(tmp_path: Path) -> None:
    evaluation = load_evaluation(DATA / "evaluation-v1.json")
    assert evaluation.schema_version == 1
    assert {clip.preview for clip in evaluation.dataset.clips} == {None}
    page = write_report(evaluation, tmp_path, folder=DATA).html.read_text(encoding="utf-8")
    assert "played" in page
    assert "<audio" not in page


def test_an_old_evaluation_can_be_the_baseline_of_a_new_one(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path, baseline=load_evaluation(DATA / "evaluation-v1.json"))


@pytest.mark.parametrize("version", [0, -1, SCHEMA_VERSION + 1])
def test_an_unknown_version_is_one_line(version: int, tmp_path: Path) -> None:
    data = json.loads((DATA / "evaluation-v1.json").read_text(encoding="utf-8"))
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({**data, "schema_version": version, "unheard_of": 1}), encoding="utf-8")
    with pytest.raises(ReportError, match=f"schema_version {version} is ") as caught:
        load_evaluation(path)
    assert "\n" not in str(caught.value)

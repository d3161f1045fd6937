"""Evaluations as older testpresses wrote them, stored here, and never made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.evaluation import SCHEMA_VERSION, Evaluation
from evaluators.metrics import BUILT_IN
from reports.errors import ReportError
from reports.judging.baseline import find_changes
from reports.judging.comparison import compare, load_evaluation
from reports.judging.metrics import list_metrics
from reports.page.clips import list_clips
from reports.page.sections import make_keys
from reports.write import write_report

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_every_version_opens_is_reported_and_compared(version: int, tmp_path: Path) -> None:
    evaluation = load_evaluation(DATA / f"evaluation-v{version}.json")
    assert evaluation.schema_version == version
    page = write_report(evaluation, tmp_path, baseline=evaluation, folder=DATA).html.read_text(encoding="utf-8")
    assert "Clips, worst first" in page
    changes = find_changes(evaluation, evaluation)
    assert changes
    assert {change.state for change in changes} == {"same"}
    # What older files do not say is known of the metrics that there were.
    metrics = list_metrics(evaluation)
    assert bool(evaluation.metrics) == (version >= 3)
    for name, metric in metrics.items():
        assert metric.scope == BUILT_IN[name].scope if name in BUILT_IN else metric.scope in ("clip", "dataset")
    for name, score in evaluation.source.scores.items():
        assert (metrics[name].unit, metrics[name].direction) == (score.unit, score.direction)


@pytest.mark.parametrize("version", [1, 2])
def test_notes_of_old_files_are_drawn_as_before(version: int) -> None:
    evaluation = load_evaluation(DATA / f"evaluation-v{version}.json")
    notes = [clip.drawn.events for clip in evaluation.dataset.clips]
    assert notes == [clip.reference_notes for clip in evaluation.dataset.clips]
    assert any(notes)
    lines = list_clips(compare(evaluation), make_keys(evaluation)).lines
    assert any(line.listening is not None and line.listening.kind == "notes" for line in lines)


def test_a_metric_that_no_record_has_a_field_for_is_refused(tmp_path: Path) -> None:
    data = json.loads((DATA / f"evaluation-v{SCHEMA_VERSION}.json").read_text(encoding="utf-8"))
    data["metrics"]["loudness"] = {"unit": "db", "direction": "higher", "scope": "output"}
    (tmp_path / "evaluation.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ReportError, match="the metric 'loudness' cannot be of scope 'output'"):
        load_evaluation(tmp_path / "evaluation.json")


def test_version_1_opens_and_is_reported(tmp_path: Path) -> None:
    evaluation = load_evaluation(DATA / "evaluation-v1.json")
    assert evaluation.schema_version == 1
    assert {clip.preview for clip in evaluation.dataset.clips} == {None}
    page = write_report(evaluation, tmp_path, folder=DATA).html.read_text(encoding="utf-8")
    assert "played" in page
    assert "<audio" not in page


def test_an_old_evaluation_can_be_the_baseline_of_a_new_one(evaluation: Evaluation, tmp_path: Path) -> None:
    old = load_evaluation(DATA / "evaluation-v1.json")
    changes = {(change.variant, change.device, change.metric): change for change in compare(evaluation, old).changes}
    assert changes["coreml-float32", None, None].reason == "the baseline has no such bundle"
    kept = changes["coreml-float16", None, "note_f1"]
    assert (kept.state, kept.before, kept.after) == ("same", evaluation.variants[4].scores["note_f1"], kept.before)
    faster = old.variants[1].devices[0].scores["latency_ms"]
    assert changes["coreml-float16", "iphone-12", "latency_ms"].before == faster
    page = write_report(evaluation, tmp_path, baseline=old).html.read_text(encoding="utf-8")
    assert "the baseline has no such bundle" in page


@pytest.mark.parametrize("version", [0, -1, SCHEMA_VERSION + 1])
def test_an_unknown_version_is_one_line(version: int, tmp_path: Path) -> None:
    data = json.loads((DATA / "evaluation-v1.json").read_text(encoding="utf-8"))
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({**data, "schema_version": version, "unheard_of": 1}), encoding="utf-8")
    with pytest.raises(ReportError, match=f"schema_version {version} is ") as caught:
        load_evaluation(path)
    assert "\n" not in str(caught.value)

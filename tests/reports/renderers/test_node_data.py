from __future__ import annotations

import json
import re
from pathlib import Path

from evaluators.evaluation import Evaluation
from reports.judging.comparison import Comparison, compare
from reports.renderers.node_data import render
from reports.write import write_report
from tests.reports.example_evaluation import HOSTILE, LOG_OP, make_drift


def test_only_bundles_with_a_drift_have_node_data(comparison: Comparison) -> None:
    assert list(render(comparison)) == ["coreml-float16.json"]


def test_the_file_is_what_model_explorer_documents(comparison: Comparison) -> None:
    data = json.loads(render(comparison)["coreml-float16.json"])
    assert set(data) == {"main"}
    assert set(data["main"]) == {"results", "gradient"}
    stops = data["main"]["gradient"]
    assert (stops[0]["stop"], stops[-1]["stop"]) == (0, 1)
    assert all(re.fullmatch("#[0-9a-f]{6}", stop["bgColor"]) for stop in stops)
    results = data["main"]["results"]
    assert list(results) == [step.op for step in make_drift().steps]
    assert all(set(result) == {"value"} and result["value"] >= 0 for result in results.values())


def test_the_op_to_blame_is_the_brightest(comparison: Comparison) -> None:
    results = json.loads(render(comparison)["coreml-float16.json"])["main"]["results"]
    assert max(results, key=lambda op: results[op]["value"]) == LOG_OP
    assert sum(result["value"] for result in results.values()) <= make_drift().output_error


def test_equal_outputs_have_none(evaluation: Evaluation) -> None:
    drift = make_drift().model_copy(update={"steps": (), "output_error": 0.0})
    variant = evaluation.variants[4].model_copy(update={"drift": drift})
    assert render(compare(evaluation.model_copy(update={"variants": (variant,)}))) == {}


def test_names_stay_inside_the_folder_and_apart(evaluation: Evaluation, tmp_path: Path) -> None:
    names = ("../../x", "/etc/passwd", "..", HOSTILE, "a", "A", "n" * 4000)
    variants = tuple(evaluation.variants[4].model_copy(update={"variant": name}) for name in names)
    paths = write_report(evaluation.model_copy(update={"variants": variants}), tmp_path / "report")
    folder = (tmp_path / "report" / "drift").resolve()
    assert {path.resolve().parent for path in paths.drift} == {folder}
    assert len({path.name.casefold() for path in paths.drift}) == len(names) == len(list(folder.iterdir()))
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_node_data_of_an_earlier_report_goes(evaluation: Evaluation, tmp_path: Path) -> None:
    (stale,) = write_report(evaluation, tmp_path).drift
    other = stale.with_name("notes.txt")
    other.write_text("a reader's own")
    without = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    assert write_report(without, tmp_path).drift == ()
    assert not stale.exists()
    assert other.exists()

from __future__ import annotations

import json

import pytest

from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.history.files import parse_runs
from reports.history.runs import Run, summarize_run, write_line


def test_a_line_has_every_number_that_has_a_value(evaluation: Evaluation, run: Run) -> None:
    for variant in evaluation.variants:
        line = run.bundles[variant.variant]
        for metric, score in variant.scores.items():
            assert (metric in line.scores) == (score.value is not None)
        assert set(line.phones) == {result.device for result in variant.devices}
        if variant.timing is not None:
            assert line.scores["host_latency_p50_ms"][0] == variant.timing.p50_ms.value
    assert run.source.scores["note_f1"][0] == pytest.approx(evaluation.source.scores["note_f1"].value)
    assert run.metrics["latency_ms"].confidence == 0.8
    assert run.metrics["host_latency_p50_ms"].machine_bound


def test_a_line_is_small_and_read_back_as_it_was(run: Run) -> None:
    line = write_line(run)
    assert line.count("\n") == 1
    assert len(line) < 10_000
    (back,) = parse_runs(line, where="x")
    assert write_line(back) == line
    assert back.run == run.run


def test_the_same_evaluation_is_the_same_run(evaluation: Evaluation) -> None:
    assert write_line(summarize_run(evaluation)) == write_line(summarize_run(evaluation))
    later = evaluation.model_copy(update={"created": "2027-01-01T00:00:00Z"})
    assert summarize_run(later).run != summarize_run(evaluation).run


def test_an_evaluation_of_no_time_is_one_message(evaluation: Evaluation) -> None:
    with pytest.raises(ReportError, match="created: 'yesterday' is no time of ISO 8601"):
        summarize_run(evaluation.model_copy(update={"created": "yesterday"}))


def test_runs_are_in_the_order_of_their_commits(run: Run) -> None:
    assert run.identity is not None
    old = run.identity.model_copy(update={"committed": "2026-01-01T00:00:00+01:00"})
    rerun = run.model_copy(update={"identity": old, "created": "2026-12-01T00:00:00Z"})
    assert rerun.order < run.order
    assert str(rerun.time) == "2025-12-31 23:00:00+00:00"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": {}}, "nothing says how to read the metric"),
        ({"created": "x"}, "is no time"),
        ({"run": "x"}, "run: String should match pattern"),
        ({"more": 1}, "more: unknown key"),
        ({"source": {"scores": {"note_f1": [1, 2]}}}, "has a value, or a value, a low and a high end"),
        ({"source": {"scores": {"note_f1": [1, 3, 2]}}}, "has a value, or a value, a low and a high end"),
        ({"schema_version": 2}, "schema_version 2 is newer than this testpress reads"),
        ({"schema_version": True}, "is no run"),
    ],
)
def test_a_line_that_is_none_is_named(run: Run, change: dict[str, object], message: str) -> None:
    text = write_line(run) + json.dumps({**json.loads(write_line(run)), **change})
    with pytest.raises(ReportError, match=message) as caught:
        parse_runs(text, where="history.jsonl")
    assert "history.jsonl: line 2" in str(caught.value)

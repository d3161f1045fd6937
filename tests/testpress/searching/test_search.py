"""`testpress search` on a real model, and what `testpress run` makes of what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.judging.comparison import load_evaluation
from testpress.searching.records import SearchResult
from testpress.searching.settling import RESULT_NAME
from tests.specimens import Job

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]


@pytest.fixture
def job(notes_job: Job) -> Job:
    notes_job.recipe["variants"] = {"tflite": "search"}
    notes_job.recipe["budgets"] = [
        {"metric": "max_abs_error", "max": 1e-4},
        {"metric": "snr_db", "min": 20, "precisions": ["float32"]},
        {"metric": "size_bytes", "max": "1MB"},
    ]
    return notes_job


def _read(job: Job) -> SearchResult:
    return SearchResult.model_validate_json((job.out / RESULT_NAME).read_text(encoding="utf-8"))


def _stored(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (out / "cache").rglob("*") if path.is_file()}


def test_what_is_found_is_packaged_and_holds_and_is_not_searched_for_twice(job: Job) -> None:
    found = job.run("-q", "--json", "-o", str(job.out), verb="search")
    assert found.returncode == 0, found.stderr
    result = _read(job)
    assert json.loads(found.stdout) == result.model_dump(mode="json")
    (choice,) = result.recommendations
    assert result.is_complete
    assert (choice.device, choice.format, choice.status) == ("pixel-8", "tflite", "passed")
    assert choice.variant in choice.frontier
    values = [placed.objective.value or 0 for placed in choice.placements]
    assert {placed.unit for placed in choice.placements} == {"cpu", "gpu"}
    assert values == sorted(values)
    named = {margin.rule for margin in choice.margins}
    assert {"max_abs_error at most 0.0001", "size_bytes at most 1MB"} <= named
    assert all(margin.margin is None or margin.margin >= 0 for margin in choice.margins)
    assert {one.variant: one.state for one in result.options}[choice.variant or ""] == "judged"
    assert result.cost.clips < result.cost.all_clips
    before, text = _stored(job.out), (job.out / RESULT_NAME).read_text(encoding="utf-8")
    again = job.run("-q", "-o", str(job.out), verb="search")
    assert again.returncode == 0, again.stderr
    assert f"  Pixel 8: {choice.variant}" in again.stdout
    assert (job.out / RESULT_NAME).read_text(encoding="utf-8") == text
    assert _stored(job.out) == before
    run = job.run("-q", "-o", str(job.out))
    assert run.returncode == 0, run.stderr + run.stdout
    assert "verdict: pass" in run.stdout
    evaluation = load_evaluation(job.out / "evaluation.json")
    assert [row.variant for row in evaluation.variants] == [choice.variant]


def test_a_search_stops_at_its_minutes_and_says_what_was_not_tried(job: Job) -> None:
    stopped = job.run("-q", "--minutes", "0.001", "-o", str(job.out), verb="search")
    assert stopped.returncode == 3, stopped.stderr
    assert "the time ended before" in stopped.stdout
    result = _read(job)
    assert not result.is_complete
    assert {one.state for one in result.options} == {"not_tried"}
    assert [(one.variant, one.reason) for one in result.recommendations] == [(None, "nothing was played on all clips")]


def test_evaluating_before_anything_was_searched_for_says_what_to_do(job: Job) -> None:
    refused = job.run("-q", "-o", str(job.out / "evaluation.json"), verb="evaluate")
    assert refused.returncode == 1
    assert f'[variants] says "search"; testpress search {job.path} finds what to package' in refused.stderr

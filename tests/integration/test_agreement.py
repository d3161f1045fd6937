"""Clips without labels through the real command: bundles are held against their source, in notes."""

from __future__ import annotations

import json

import pytest

from evaluators.evaluation import Evaluation
from reports.judging.comparison import load_evaluation
from tests.specimens import Job

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]


def _evaluate(job: Job, *, status: int = 0) -> Evaluation:
    result = job.run()
    assert result.returncode == status, result.stderr + result.stdout
    return load_evaluation(job.out / "evaluation.json")


def test_clips_without_labels(notes_job: Job) -> None:
    job = notes_job
    job.recipe["task"]["labels"] = False
    job.recipe["budgets"] = [{"metric": "agreement_note_f1", "min": 0.99}]
    job.recipe["conditions"] = {"set": [{"kind": "noise", "snr_db": 10}]}
    job.lines = [{"audio": "a.wav"}, {"audio": "b.wav", "notes": "not read"}]
    evaluation = _evaluate(job)
    (row,) = evaluation.variants
    assert evaluation.leading_metric == "agreement_note_f1"
    assert (evaluation.source.scores, row.differences) == ({}, {})
    assert row.scores["agreement_note_f1"].value == 1.0
    assert row.scores["clips_not_worse"].reason == "the clips have no labels"
    assert [sorted(clip.scores) for clip in row.clips] == [
        ["agreement_note_f1", "agreement_note_with_offset_f1", "max_abs_error"]
    ] * 2
    (noisy,) = row.conditions
    assert noisy.failure is None
    assert noisy.scores["agreement_note_f1"].value == 1.0
    assert all(clip.spectrogram is not None for clip in evaluation.dataset.clips)  # clips are shown
    page = (job.out / "report" / "report.html").read_text(encoding="utf-8")
    assert "Agreement with the source" in page

    job.recipe["task"]["kind"] = "parity"
    refused = job.run()
    assert refused.returncode == 1
    assert "task.labels: the task parity tells of no agreement with the source" in refused.stderr
    job.recipe["task"]["kind"] = "note_transcription"
    job.recipe["budgets"] = [{"metric": "agreement_note_f1", "max_drop": 0.01}, {"metric": "note_f1", "min": 0.5}]
    refused = job.run()
    assert refused.returncode == 1
    assert "budgets[0].max_drop: agreement_note_f1 holds a bundle against the source model already" in refused.stderr
    assert "budgets[1].metric: unknown metric 'note_f1'" in refused.stderr
    assert json.loads((job.out / "evaluation.json").read_text())["leading_metric"] == "agreement_note_f1"

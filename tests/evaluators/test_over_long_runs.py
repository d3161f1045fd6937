"""A bundle that is its source and three with a fault each, by the real command: told in the verdict and the report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.long_run_records import LongRun, LongRunSpec
from evaluators.metrics import LONG_RUN
from evaluators.over_long_runs import list_chunks, score_long_run
from reports.judging.comparison import compare, load_evaluation
from reports.judging.long_runs import RULE
from tests.followers import AUDIO, TORCH_SOURCE, write_bursts, write_follower
from tests.specimens import ROOT

RECIPE = """\
[model]
name = "follower"
version = "1"
license = "MIT"
source = "python:follower:build"
outputs = { speech = { axes = ["frame"] }, loudness = { axes = ["frame"] } }
[model.state]
memory = "memory_out"
total = "total_out"
[audio]
sample_rate_hz = 8000
window_samples = 64
hop_samples = 64
[variants]
tflite = ["float32"]
[task]
kind = "voice_activity"
dataset = "clips.jsonl"
options = { minimum_speech_ms = 50.0 }
[long_run]
minutes = 0.4
silence_s = 2
[[budgets]]
metric = "decision_delay_ms"
max = "8ms"
"""


@pytest.mark.slow
@pytest.mark.pytorch
@pytest.mark.tflite
def test_planted_faults_are_caught_and_an_unchanged_bundle_is_not(tmp_path: Path) -> None:
    (tmp_path / "follower.py").write_text(TORCH_SOURCE)
    (tmp_path / "testpress.toml").write_text(RECIPE)
    write_bursts(tmp_path)
    files = []
    for name, fault in (("same", ""), ("drifts", "drifts"), ("late", "late"), ("keeps", "keeps")):
        files.append(write_follower(tmp_path / f"{name}.tflite", fault).name)
    done = subprocess.run(
        [sys.executable, "-m", "testpress", "evaluate", "testpress.toml", *files, "-q", "-o", "out/evaluation.json"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    evaluation = load_evaluation(tmp_path / "out" / "evaluation.json")
    verdicts = compare(evaluation).verdicts
    told = {
        row.variant: [v.reason for v in verdicts if (v.rule, v.variant) == (RULE, row.variant)]
        for row in evaluation.variants
    }
    assert told["same.tflite"] == ["no change is shown"]
    assert any("output loudness grows by" in reason for reason in told["drifts.tflite"])
    assert [reason.partition(" (median")[0] for reason in told["late.tflite"]] == [
        "it decides 16.0 ms (2 frames) later than its source"
    ]
    assert any("after a reset" in reason for reason in told["keeps.tflite"])
    late = [v.status for v in verdicts if (v.metric, v.variant) == ("decision_delay_ms", "late.tflite")]
    assert late == ["failed"]
    assert set(LONG_RUN) <= set(evaluation.metrics)


def test_pieces_are_counted_in_samples_each_once() -> None:
    spec = LongRunSpec(chunks_ms=(10.0, 20.0), chunks_samples=(4096, 80))
    assert list_chunks(spec, AUDIO) == (80, 160, 4096)


def test_a_run_that_failed_has_its_reason_in_every_number() -> None:
    scores = score_long_run(LongRun(problem="the worker was killed"))
    assert set(scores) == set(LONG_RUN)
    assert {score.reason for score in scores.values()} == {"the worker was killed"}

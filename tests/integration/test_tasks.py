"""Tasks and outputs of every kind through the real command, numbers beside what is computed by hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.evaluation import Evaluation
from reports.judging.comparison import load_evaluation
from tests.specimens import ROOT, Job, code_environment

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite]

UNSAID: dict[str, Any] = {"aliases": []}
RATE_HZ, WINDOW = 8000, 1600
CLASSES = 527
LEVELS = {"a": (0.9, 0.1, 0.9), "b": (0.1, 0.1), "c": (0.9, 0.9, 0.1, 0.1), "d": (0.9,)}
"""of each clip, window by window"""

NET = f"""
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, audio):
        loud = audio.abs().mean(dim=1)
        tags = loud[:, None] * torch.linspace(0, 1, {CLASSES})
        return tags, loud, audio.abs().mean(), 0.5 * audio


def build():
    return Net().eval(), (torch.zeros(1, {WINDOW}),)
"""

TAGGING = """
import numpy as np

from evaluators.picture_records import Pictures
from evaluators.task import Metric, Task


class Tagging(Task):
    required_outputs = ("tags", "level", "wave")
    metrics = {
        "classes": Metric("classes", "higher", "How many classes there are."),
        "strongest": Metric("ratio", "higher", "The strongest class."),
        "level": Metric("ratio", "higher", "The greatest level of a window."),
        "wave_samples": Metric("samples", "higher", "How long the waveform is."),
        "wave_peak": Metric("ratio", "higher", "The waveform's peak."),
    }

    def decode(self, outputs):
        return outputs

    def score(self, labels, estimate):
        tags, wave = estimate["tags"].values, estimate["wave"].values
        return {
            "classes": len(tags),
            "strongest": tags.max(),
            "level": estimate["level"].values.max(),
            "wave_samples": wave.shape[-1],
            "wave_peak": np.abs(wave).max(),
        }

    def draw(self, found):
        return Pictures() if isinstance(found, dict) and not found else Pictures(text="heard")
"""


def _clip(levels: tuple[float, ...]) -> np.ndarray:
    """Square waves: the mean of their absolute values is the level."""
    samples = np.repeat(np.array(levels, np.float32), WINDOW)
    samples[1::2] *= -1
    return samples[:, None]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    recipe = {
        "model": {
            "name": "level",
            "version": "1",
            "license": "Apache-2.0",
            "source": "python:net:build",
            "outputs": {
                "tags": {"axes": ["class"], "kind": "clip", "pool": "mean"},
                "loud": {"kind": "window"},
                "level": {"kind": "clip", "pool": "max"},
                "wave": {"axes": ["sample"], "kind": "audio"},
            },
        },
        "audio": {"sample_rate_hz": RATE_HZ, "channels": 1, "window_samples": WINDOW, "hop_samples": WINDOW},
        "devices": {"ids": ["pixel-8"]},
        "variants": {"tflite": ["float32"]},
        "task": {"kind": "parity", "dataset": "clips.jsonl"},
    }
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    sounds = {f"{name}.wav": (_clip(levels), RATE_HZ) for name, levels in LEVELS.items()}
    return Job(folder, recipe, [{"audio": f"{name}.wav"} for name in LEVELS], sounds)


def _evaluate(job: Job, environment: dict[str, str] | None = None) -> Evaluation:
    job.write()
    run = subprocess.run(
        job.command("run", "-q", "-o", str(job.out)),
        capture_output=True,
        text=True,
        env=environment or code_environment(ROOT),
        timeout=400,
    )
    assert run.returncode == 0, run.stderr
    evaluation = load_evaluation(job.out / "evaluation.json")
    assert [variant.failure for variant in evaluation.variants] == [None]
    return evaluation


def _refusal(job: Job) -> str:
    run = job.run("-q", "-o", str(job.out))
    assert run.returncode == 1, run.stderr
    return run.stderr


def test_every_kind_of_output_is_played_and_scored(job: Job) -> None:
    (job.folder / "tagging.py").write_text(TAGGING)
    job.recipe["task"]["kind"] = "python:tagging:Tagging"
    evaluation = _evaluate(job)
    (variant,) = evaluation.variants
    assert sorted(parity.output for parity in variant.parity) == ["level", "loud", "tags", "wave"]
    assert max(parity.max_abs_error.value or 0 for parity in variant.parity) < 1e-6
    for clip, levels in zip(variant.clips, LEVELS.values(), strict=True):
        by_hand = {
            "classes": CLASSES,
            "strongest": np.mean(levels),
            "level": max(levels),
            "wave_samples": WINDOW * len(levels),
            "wave_peak": 0.5 * max(levels),
        }
        found = {name: clip.scores[name].value for name in by_hand}
        assert found == pytest.approx(by_hand, abs=1e-4)  # samples of 16 bits
        if len(levels) > 1:
            (curve,) = clip.curves
            assert (curve.output, curve.step_s) == ("loud", pytest.approx(0.2))
            assert curve.values == pytest.approx(levels, abs=1e-4)
    assert evaluation.leading_metric == "classes"
    assert variant.differences["strongest"].value == pytest.approx(0, abs=1e-6)
    assert "heard" in (job.out / "report" / "report.html").read_text(encoding="utf-8")


def test_parity_asks_no_output_what_it_is(job: Job) -> None:
    job.recipe["model"]["outputs"] = dict.fromkeys(("tags", "loud", "level", "wave"), UNSAID)
    (variant,) = _evaluate(job).variants
    assert len(variant.parity) == 4
    job.recipe["model"]["outputs"]["level"] = {"kind": "frames"}
    (variant,) = _evaluate(job).variants
    assert len(variant.parity) == 4
    assert "output 'level' cannot be of kind \"frames\": it has one value a window, and no axis of frames" in (
        variant.notices
    )
    (job.folder / "tagging.py").write_text(TAGGING)
    job.recipe["task"]["kind"] = "python:tagging:Tagging"
    job.recipe["model"]["outputs"]["tags"] = {"kind": "window"}
    assert "output 'level' cannot be of kind \"frames\"" in _refusal(job)
    job.recipe["model"]["outputs"] |= {"level": {"kind": "window"}, "tags": UNSAID}
    assert re.search(r"output 'tags' has the shape \[527\] a window, .*; say model.outputs.tags.kind", _refusal(job))


# By hand: a says 1 of 3 words wrong, b none of 2, c 2 of 4, d its one word.
SAID = {"a": "loud soft soft", "b": "soft soft", "c": "soft soft soft soft", "d": "soft"}
SPEAKERS = {"a": "s", "b": "s", "c": "t", "d": "t"}


def _with_words(job: Job, page: str = "task.md") -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding" / page).read_text("utf-8"), re.S)
    (job.folder / "words.py").write_text(code)
    for name, text in SAID.items():
        (job.folder / f"{name}.txt").write_text(text + "\n")
    job.lines = [{"audio": f"{n}.wav", "text": f"{n}.txt", "speaker": SPEAKERS[n]} for n in SAID]


def _check_word_errors(evaluation: Evaluation) -> None:
    wrong, words = {"s": 1, "t": 3}, {"s": 5, "t": 5}
    for scores in (evaluation.source.scores, evaluation.variants[0].scores):
        score = scores["word_errors"]
        assert score.value == sum(wrong.values()) / sum(words.values())
        # Two speakers are drawn: the ends are those of one speaker twice.
        assert (score.low, score.high) == (wrong["s"] / words["s"], wrong["t"] / words["t"])
    difference = evaluation.variants[0].differences["word_errors"]
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    info = evaluation.metrics["word_errors"]
    assert (info.unit, info.direction, info.scope) == ("ratio", "lower", "dataset")
    assert [clip.group for clip in evaluation.dataset.clips] == list(SPEAKERS.values())


def test_the_page_on_adding_a_task(job: Job) -> None:
    _with_words(job)
    job.recipe["task"]["kind"] = "python:words:WordErrors"
    job.recipe["budgets"] = [{"metric": "word_errors", "max_rise": 0.05}, {"metric": "word_errors", "max": 0.7}]
    before = _evaluate(job)
    _check_word_errors(before)
    assert before.environment.packages["numpy"]
    # The text of a label file is the dataset's, and its words are heard anew.
    (job.folder / "a.txt").write_text("loud soft loud\n")
    after = _evaluate(job)
    assert after.dataset.sha256 != before.dataset.sha256
    assert after.source.scores["word_errors"].value == 0.3
    job.recipe["budgets"] = [{"metric": "word_error", "max": 0.7}]
    assert "budgets[0].metric: unknown metric 'word_error'; did you mean 'word_errors'?" in _refusal(job)
    job.recipe["budgets"] = []
    job.recipe["task"]["options"] = {"threshold": 0.3}
    assert f"{job.path}: task.options: threshold: unknown key" in _refusal(job)
    job.recipe["task"].pop("options")
    job.lines[0]["text"] = "../outside.txt"
    assert "text '../outside.txt' lies outside the dataset" in _refusal(job)


def test_a_package_offers_a_task(job: Job, tmp_path: Path) -> None:
    _with_words(job)
    packages = tmp_path / "packages"
    about = packages / "word_errors-1.5.dist-info"
    about.mkdir(parents=True)
    (job.folder / "words.py").rename(packages / "word_errors_task.py")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: word-errors\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text("[testpress.tasks]\nword_errors = word_errors_task:WordErrors\n")
    job.recipe["task"]["kind"] = "word_errors"
    path = os.pathsep.join([str(ROOT), str(packages)])
    evaluation = _evaluate(job, {**code_environment(ROOT), "PYTHONPATH": path})
    _check_word_errors(evaluation)
    assert evaluation.environment.packages["word-errors"] == "1.5"
    assert "task.kind: no task of kind 'word_errors'" in _refusal(job)


def test_the_page_on_adding_a_metric(job: Job) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/adding/metric_picture.md").read_text("utf-8"), re.S)
    (job.folder / "activity.py").write_text(code)
    job.recipe["task"]["kind"] = "python:activity:Activity"
    job.recipe["task"]["options"] = {"threshold": 0.05}
    # Level 0.1 is over that threshold, so activity begins with each clip's first window, at 0 s.
    starts: dict[str, Any] = {"a": 0.0, "b": 0.2, "c": 0.1, "d": 0.1}
    job.lines = [{"audio": f"{name}.wav", "start_s": start} for name, start in starts.items()]
    first = _evaluate(job)
    assert first.source.scores["delay_ms"].value == pytest.approx(100)
    assert first.task_options == {"threshold": 0.05}
    assert first.metrics["delay_ms"].tolerance == 1.0
    job.recipe["task"]["options"] = {"threshold": 0.3}
    second = _evaluate(job)
    delays = [clip.scores["delay_ms"] for clip in second.variants[0].clips]
    # b is never over 0.3; the others begin at 0 s.
    assert [delay.value for delay in delays] == pytest.approx([0, None, 100, 100])
    assert delays[1].reason == "no activity was found"
    spans = second.variants[0].clips[2].drawn.spans
    assert spans is not None
    assert (spans[0].start_s, spans[0].label) == (0.0, "begins")
    assert 'class="track strip' in (job.out / "report" / "report.html").read_text(encoding="utf-8")
    assert json.loads((job.out / "evaluation.json").read_text())["schema_version"] == 3


# Windows of 0.2 s, loud ones are speech: a 0 to 0.2 and 0.4 to 0.6, b none, c 0 to 0.4, d 0 to 0.2.
SPEECH = {"a": [[0, 0.2], [0.4, 0.6]], "b": [], "c": [[0, 0.3]], "d": []}
# A word is heard at the end of the first loud window, at 0.2 s, in a, c and d.
WORDS: dict[str, list[list[float]]] = {"a": [[0.1, 0.2]], "b": [], "c": [[0.7, 0.8]], "d": []}


def _check_speech(scores: dict[str, Any]) -> None:
    # By hand: of 0.7 s all are found, of 1.3 s without speech 0.3 are false; three of four stretches are right.
    expected = {
        "speech_precision": 0.7,
        "speech_recall": 1,
        "speech_f1": 1.4 / 1.7,
        "speech_false_alarm_rate": 0.3 / 1.3,
        "speech_detection_error_rate": 0.3 / 0.7,
        "speech_onset_delay_ms": 0,
        "speech_segment_f1": 6 / 7,
        "speech_error": (0.1 / 0.8 + 1) / 4,
    }
    assert {name: scores[name].value for name in expected} == pytest.approx(expected, abs=1e-4)
    assert scores["speech_f1"].low is not None
    assert scores["speech_f1"].low <= expected["speech_f1"] <= scores["speech_f1"].high


def test_speech_and_keywords_are_found_by_a_model(job: Job) -> None:
    outputs = job.recipe["model"]["outputs"]
    job.recipe["model"]["outputs"] = {
        "tags": outputs["tags"],
        "speech": {"kind": "window"},
        "keyword": {"kind": "window"},
        "wave": outputs["wave"],
    }
    job.recipe["task"] |= {"kind": "voice_activity", "options": {"minimum_speech_ms": 100.0}}
    job.lines = [{"audio": f"{name}.wav", "speech": rows} for name, rows in SPEECH.items()]
    evaluation = _evaluate(job)
    (variant,) = evaluation.variants
    _check_speech(evaluation.source.scores)
    _check_speech(variant.scores)
    assert evaluation.leading_metric == "speech_error"
    assert evaluation.metrics["speech_f1"].scope == "dataset"
    assert variant.differences["speech_f1"].value == 0
    assert 'class="track strip' in (job.out / "report" / "report.html").read_text(encoding="utf-8")

    options = {"time_offset_ms": 200.0, "tolerance_ms": 100.0}
    job.recipe["task"] |= {"kind": "keyword", "options": options}
    job.lines = [{"audio": f"{name}.wav", "keywords": rows} for name, rows in WORDS.items()]
    (variant,) = _evaluate(job).variants
    # One of two is missed; two are accepted falsely in 2 s.
    assert variant.scores["keyword_miss_rate"].value == 0.5
    assert variant.scores["keyword_false_accepts_per_hour"].value == pytest.approx(3600)
    assert variant.scores["keyword_miss_rate_at_1_per_hour"].value == 1
    assert [clip.scores["keyword_errors"].value for clip in variant.clips] == [0, 0, 2, 1]

    job.lines[0]["keywords"] = [[0.1, 0.7, "alexa"]]
    assert f"{job.folder / 'clips.jsonl'}:1: keywords[0]: unknown word 'alexa'; right is one of keyword" in _refusal(
        job
    )

"""A bundle that is as good as its source on clean clips and worse in noise: the whole way, by the real command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from reports.judging.comparison import load_evaluation
from tests.specimens import ROOT
from tests.testpress.tiny_tflite import Writer

MODEL = """\
import torch


class Louder(torch.nn.Module):
    def forward(self, audio):
        return 5.0 * audio


def build():
    return Louder(), torch.zeros(1, 800)
"""
TASK = """\
import numpy as np

from evaluators.task import Metric, Task


class Level(Task):
    label_keys = ("level", "pitch_hz", "take")
    required_outputs = ("louder",)
    metrics = {
        "level_error": Metric("ratio", "lower", "How far a tone's level is from the label."),
        "mean_error": Metric("ratio", "lower", "The same of all clips at once.", scope="dataset"),
    }

    def parse_labels(self, line, clip):
        return line["level"], line["pitch_hz"], line["take"]

    def decode(self, outputs):
        heard = np.ravel(outputs["louder"].values)
        return 2 * np.abs(np.fft.rfft(heard)) / len(heard) / 5

    def _error(self, labels, spectrum):
        level, pitch_hz, _ = labels
        return abs(spectrum[round(4 * pitch_hz)] / level - 1)  # clips of 4 s: a quarter of a hertz a bin

    def score(self, labels, spectrum):
        return {"level_error": self._error(labels, spectrum)}

    def score_dataset(self, pairs):
        return {"mean_error": sum(self._error(labels, spectrum) for labels, spectrum in pairs) / len(pairs)}
"""
RECIPE = """\
[model]
name = "louder"
version = "1"
license = "MIT"
source = "python:louder:build"
outputs = { louder = { axes = ["sample"], kind = "audio" } }
[audio]
sample_rate_hz = 8000
window_samples = 800
hop_samples = 800
[variants]
tflite = ["float32"]
[task]
kind = "python:level:Level"
dataset = "clips.jsonl"
[conditions]
set = ["clean", { name = "noisy", kind = "noise", colour = "white", snr_db = 10 }, "g711"]
[[budgets]]
metric = "level_error"
max_rise = 0.01
[[budgets]]
metric = "level_error"
condition = "noisy"
max_rise = 0.01
"""


def write_louder(path: Path, *, limited: bool) -> Path:
    """`louder` = 5 x `audio`; limited as a converter does who took the range of the clean clips for that of all."""
    w = Writer()
    shape = (1, 800)
    audio, louder = w.tensor("audio_tensor", shape), w.tensor("louder_tensor", shape)
    product = w.tensor("product", shape) if limited else louder
    w.op("MUL", [audio, w.tensor("factor", (1,), values=np.array([5.0]))], [product])
    if limited:
        w.op("RELU_N1_TO_1", [product], [louder])
    w.sign("serving_default", {"audio": audio}, {"louder": louder})
    return w.write(path, [audio], [louder])


def write_job(folder: Path) -> Path:
    folder.mkdir()
    (folder / "louder.py").write_text(MODEL)
    (folder / "level.py").write_text(TASK)
    (folder / "testpress.toml").write_text(RECIPE)
    random, lines = np.random.default_rng(11), []
    for take in range(10):
        level, pitch_hz = random.uniform(0.18, 0.195), float(round(random.uniform(200, 1500)))
        tone = level * np.sin(2 * np.pi * pitch_hz * np.arange(32_000) / 8000)
        soundfile.write(folder / f"{take}.wav", tone, 8000, subtype="PCM_16")
        lines.append(json.dumps({"audio": f"{take}.wav", "level": level, "pitch_hz": pitch_hz, "take": take}))
    (folder / "clips.jsonl").write_text("".join(f"{line}\n" for line in lines))
    write_louder(folder / "same.tflite", limited=False)
    write_louder(folder / "limited.tflite", limited=True)
    return folder


def command(folder: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    given = [sys.executable, "-m", "testpress", verb, *arguments]
    return subprocess.run(given, capture_output=True, text=True, timeout=300, env=environment, cwd=folder)


@pytest.mark.slow
@pytest.mark.pytorch
@pytest.mark.tflite
def test_a_planted_bundle_is_caught_in_noise_alone(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job")
    done = command(
        folder, "evaluate", "testpress.toml", "same.tflite", "limited.tflite", "-q", "-o", "out/evaluation.json"
    )
    assert done.returncode == 0, done.stderr
    evaluation = load_evaluation(folder / "out" / "evaluation.json")
    assert [condition.name for condition in evaluation.conditions] == ["noisy", "g711"]
    same, limited = evaluation.variants
    for row in (same, limited):
        assert row.failure is None
        assert [result.condition for result in row.conditions] == ["noisy", "g711"]
        assert [result.failure for result in row.conditions] == [None, None]
        assert row.differences["level_error"].value == pytest.approx(0, abs=1e-6)
    for result in same.conditions:
        assert not any(loss.loses_more for loss in result.extra_losses.values())
    noisy, coded = limited.conditions
    loss = noisy.extra_losses["level_error"]
    assert loss.loses_more
    assert loss.p_value is not None
    assert loss.p_value < 0.01
    assert loss.change.value is not None
    assert 0.01 < loss.change.value < 0.2
    assert noisy.extra_losses["mean_error"].loses_more
    assert set(noisy.worst_clips) < {clip.clip for clip in evaluation.dataset.clips}
    assert not coded.extra_losses["level_error"].loses_more
    source = {result.condition: result.scores["level_error"].value for result in evaluation.source.conditions}
    clean = evaluation.source.scores["level_error"].value
    assert clean is not None
    assert source["noisy"] is not None
    assert clean < source["noisy"] < 0.05

    checked = command(folder, "check", "out/evaluation.json")
    assert checked.returncode == 3, checked.stderr
    assert "limited.tflite: level_error at most 0.01 above the source model under noisy" in checked.stdout
    assert checked.stdout.count("at most 0.01 above") == 1

    before = {path: path.stat().st_mtime_ns for path in (folder / "out" / "cache").rglob("*") if path.is_file()}
    again = command(
        folder, "evaluate", "testpress.toml", "same.tflite", "limited.tflite", "-q", "-o", "out/evaluation.json"
    )
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "out" / "cache").rglob("*") if path.is_file()} == before
    assert load_evaluation(folder / "out" / "evaluation.json").variants == evaluation.variants

    text = (folder / "testpress.toml").read_text()
    (folder / "testpress.toml").write_text(text[: text.index("[conditions]")])
    plain = command(folder, "evaluate", "testpress.toml", "same.tflite", "limited.tflite", "-q", "-o", "out/plain.json")
    assert plain.returncode == 0, plain.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "out" / "cache").rglob("*") if path.is_file()} == before
    clean_rows = tuple(row.model_copy(update={"conditions": ()}) for row in evaluation.variants)
    assert load_evaluation(folder / "out" / "plain.json").variants == clean_rows
    shutil.rmtree(folder)

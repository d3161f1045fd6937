"""The first hour of somebody with a model of their own: an empty folder, `init`, `run`, a verdict, a bundle a phone.

As docs/first_model.md tells it. Each model is written here, anew; what is asked on a terminal is asked on one.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.specimens import ROOT, code_environment

pytestmark = [pytest.mark.slow, pytest.mark.tflite, pytest.mark.coreml, pytest.mark.pytorch]

PHONES = ("pixel-8", "iphone-15-pro")
RATE_HZ = 8000

TAGGER = '''\
import torch
from torch import nn

CLASSES = ["tone", "hum", "noise"]


class Tagger(nn.Module):
    """Which of three bands holds most of the sound."""

    def __init__(self):
        super().__init__()
        time = torch.arange(64) / 8000
        waves = [torch.sin(2 * torch.pi * hz * time + phase) for hz in (1000, 125) for phase in (0, 1.57)]
        self.bands = nn.Conv1d(1, 5, 64, 32, bias=False)
        self.bands.weight.data = torch.stack([*waves, torch.eye(64)[32] * 8])[:, None]

    def forward(self, audio):
        power = self.bands(audio[:, None]).square().mean(-1)
        tone, hum, all_ = power[:, :2].sum(1), power[:, 2:4].sum(1), 8 * power[:, 4]
        return torch.softmax(torch.stack([tone, hum, all_], 1) / (tone + hum + all_ + 1e-3)[:, None], 1)


def build():
    return Tagger().eval(), (torch.zeros(1, 8000),)
'''

GRU = '''\
import torch
from torch import nn

SAMPLE_RATE = 8000


class Detector(nn.Module):
    """Says of each 20 ms how loud they are, smoothed by what came before."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 4, batch_first=True)
        self.head = nn.Linear(4, 1)
        for name, value in self.gru.named_parameters():
            value.data = torch.zeros_like(value.data) if "hh" in name or "bias" in name else value.data.sign()
        self.head.weight.data, self.head.bias.data = self.gru.weight_ih_l0.data[8:].T * 4.0, torch.tensor([-4.0])

    def forward(self, audio, h):
        loudness = audio.reshape(1, -1, 160).abs().mean(-1, keepdim=True) * 20
        out, h = self.gru(loudness, h)
        return torch.sigmoid(self.head(out)), h


def make_detector():
    torch.manual_seed(1)
    return Detector().eval(), (torch.zeros(1, 800), torch.zeros(1, 1, 4))


def make_optimizer(model):
    return torch.optim.Adam(model.parameters())
'''

KERAS = """\
import keras

SR = 8000


def create():
    keras.utils.set_random_seed(3)
    audio = keras.Input((4000,), name="waveform")
    x = keras.layers.Reshape((4000, 1))(audio)
    x = keras.layers.Conv1D(4, 64, 32, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(audio, keras.layers.Dense(4, activation="softmax", name="scores")(x))
"""


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell in the folder runs it."""
    return subprocess.run(
        [sys.executable, "-m", "testpress", *arguments],
        cwd=folder,
        env=code_environment(ROOT),
        capture_output=True,
        text=True,
        timeout=1800,
    )


def answer(folder: Path, arguments: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """The command on a terminal: the beginning of each question, and what is typed then."""
    main, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "testpress", *arguments],
        cwd=folder,
        env={**code_environment(ROOT), "COLUMNS": "200"},
        stdin=child,
        stdout=child,
        stderr=child,
        close_fds=True,
    )
    os.close(child)
    seen, waiting, end_s = "", dict(answers), time.monotonic() + 900
    try:
        while time.monotonic() < end_s:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    seen += os.read(main, 4096).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    break
            for question in [one for one in waiting if one in seen]:
                os.write(main, f"{waiting.pop(question)}\n".encode())
    finally:
        code = process.wait(timeout=60)
        os.close(main)
    assert not waiting, seen
    return code, seen


def conclude(folder: Path) -> tuple[dict[str, Any], str]:
    """`testpress run`, which must end well: what is in evaluation.json, and what the terminal says."""
    done = start(folder, "run", "testpress.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: pass" in done.stdout
    shipped = re.findall(r"^  (.+?)  +(\S+): ", done.stdout.split("ship:")[1], re.MULTILINE)
    assert [name for name, _ in shipped] == ["Pixel 8", "iPhone 15 Pro"]
    assert [bundle.partition("-")[0] for _, bundle in shipped] == ["tflite", "coreml"]
    assert (folder / "testpress-out" / "report" / "report.html").is_file()
    found: dict[str, Any] = json.loads((folder / "testpress-out" / "evaluation.json").read_text())
    return found, done.stdout + done.stderr


def test_a_tagger_and_a_folder_of_folders(tmp_path: Path) -> None:
    chance, time_s = np.random.default_rng(0), np.arange(8000) / RATE_HZ
    (tmp_path / "net.py").write_text(TAGGER)
    for number in range(3):
        sounds = {
            "tone": 0.3 * np.sin(2 * np.pi * 1000 * time_s + number),
            "hum": 0.3 * np.sin(2 * np.pi * 125 * time_s + number),
            "noise": chance.normal(0, 0.1, 8000),
        }
        for name, sound in sounds.items():
            path = tmp_path / "recordings" / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.stack([sound, sound], 1) if number == 0 else sound, RATE_HZ)
    phones = [word for phone in PHONES for word in ("--device", phone)]
    made = start(tmp_path, "init", "--model", "net.py", "--data", "recordings", *phones, "--ci", "none")
    assert made.returncode == 0, made.stderr
    assert "task: tagging, since the labels are of 3 classes and the output has 3" in made.stdout
    assert "classes: tone, hum, noise, in the order of CLASSES in the model's file" in made.stdout
    assert made.stdout.endswith("next: bundles for each phone, and a verdict:\n  testpress run testpress.toml\n")
    found, told = conclude(tmp_path)
    assert found["leading_metric"] == "top1_accuracy"
    assert found["source"]["scores"]["top1_accuracy"]["value"] == 1.0
    assert "3 of 9 clips: mixed down from 2 channels to 1" in told


def test_a_streaming_gru_on_a_terminal(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    (tmp_path / "gru.py").write_text(GRU)
    rows = ["file;start;end;who"]
    for number in range(3):
        begin = 2000 * (number + 1)
        sound = chance.normal(0, 1e-4, 16000)
        sound[begin : begin + 4000] += chance.normal(0, 0.2, 4000)
        soundfile.write(tmp_path / f"{number}.wav", sound, RATE_HZ)
        start_s, end_s = (f"{at / RATE_HZ:g}".replace(".", ",") for at in (begin, begin + 4000))
        rows.append(f"{number}.wav;{start_s};{end_s};me")
    (tmp_path / "speech.csv").write_text("\ufeff" + "\r\n".join(rows))
    code, seen = answer(
        tmp_path,
        ["init", "--ci", "none"],
        {
            "Model:": "",  # the only .py file is offered
            "Audio:": "speech.csv",
            "Phones": ", ".join(PHONES),
            "Task": "voice_activity",
        },
    )
    assert code == 0, seen
    assert "state: h is fed from h_out, of equal shape" in seen
    assert "sample rate: 8000 Hz, as SAMPLE_RATE in the model's file says" in seen
    found, told = conclude(tmp_path)
    assert found["leading_metric"] == "speech_error"
    assert found["source"]["scores"]["speech_error"]["value"] < 0.1
    assert "columns not read: who" in told


@pytest.mark.tensorflow
def test_a_keras_model_and_no_data(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(KERAS)
    wrong = start(tmp_path, "init", "--model", "python:net:crate")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.endswith("has no function 'crate'; did you mean 'create'?; there are create\n")
    made = start(tmp_path, "init", "--model", "net.py", "--device", PHONES[0], "--device", PHONES[1])
    assert made.returncode == 0, made.stderr
    assert "task: parity, which holds bundles against the model and needs no labels" in made.stdout
    assert "sample_clips: clips made here, so that" in made.stdout
    again = start(tmp_path, "init", "--model", "net.py")
    assert (again.returncode, "is there already and is not overwritten" in again.stderr) == (1, True)
    found, _ = conclude(tmp_path)
    assert len(found["dataset"]["clips"]) == 4
    assert {variant["variant"].partition("-")[0] for variant in found["variants"]} == {"tflite", "coreml"}

"""What workers find of data and of models, in real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from testpress.errors import RecipeError
from testpress.starting.facts import TensorFacts
from testpress.starting.probe_jobs import probe_data as look_at
from testpress.starting.probing import probe_data, probe_model

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv1d(1, 3, 16, 16)

    def forward(self, audio, h):
        return {"frames": self.body(audio[:, None]).transpose(1, 2), "mean": audio.mean(-1, keepdim=True), "h2": h + 1}


def build():
    return Net(), (torch.zeros(1, 160), torch.zeros(1, 4))


def broken():
    raise ValueError("no weights here")
"""


def write(folder: Path, name: str, *, rate: int = 8000, channels: int = 1) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, np.full((rate, channels), 0.1), rate)


def test_a_folder_is_looked_at_by_a_worker(tmp_path: Path) -> None:
    for name, rate, channels in (("cat/a.wav", 8000, 1), ("dog/b.flac", 16000, 2), ("dog/c.wav", 8000, 1)):
        write(tmp_path, name, rate=rate, channels=channels)
    found = probe_data(tmp_path)
    assert (found.form, found.clips, found.seconds, found.longest_s) == ("a folder", 3, 3.0, 1.0)
    assert (found.rates_hz, found.channels) == ({8000: 2, 16000: 1}, {1: 2, 2: 1})
    assert found.fits == ("embedding", "key", "keyword", "tagging")
    assert (found.classes, found.single_label) == (("cat", "dog"), True)


@pytest.mark.parametrize(
    ("name", "text", "fits", "classes", "single"),
    [
        ("x.csv", "audio,label\na.wav,dog\nb.wav,cat\n", "tagging", ("cat", "dog"), True),
        ("x.csv", "audio,label\na.wav,dog\na.wav,cat\nb.wav,cat\n", "tagging", ("cat", "dog"), False),
        ("x.csv", "audio,label\na.wav,0\nb.wav,1\n", "tagging", (), True),
        ("x.csv", "audio,text\na.wav,hello\nb.wav,\n", "speech_recognition", (), False),
        ("x.csv", "audio,start,end,midi\na.wav,0,1,60\nb.wav,,,\n", "note_transcription", (), False),
        ("x.jsonl", [{"audio": "a.wav", "labels": "dog"}], "tagging", ("dog",), True),
        ("x.jsonl", [{"audio": "a.wav", "labels": ["dog"]}], "tagging", ("dog",), False),
        ("x.jsonl", [{"audio": "a.wav", "labels": [2]}], "tagging", (), False),
        ("x.jsonl", [{"audio": "a.wav"}], "", (), False),
    ],
)
def test_labels_tell_which_tasks_they_are_of(
    tmp_path: Path, name: str, text: str | list[object], fits: str, classes: tuple[str, ...], single: bool
) -> None:
    write(tmp_path, "a.wav")
    write(tmp_path, "b.wav")
    (tmp_path / name).write_text(text if isinstance(text, str) else "\n".join(map(json.dumps, text)))
    (told,) = look_at({"path": str(tmp_path / name)})
    assert fits in told.data.fits or (not fits and told.data.fits == ())
    assert (told.data.classes, told.data.single_label) == (classes, single)


def test_data_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello")
    with pytest.raises(RecipeError, match=r"^--data: .*a\.wav: cannot be read as audio"):
        probe_data(tmp_path)


@pytest.mark.slow
@pytest.mark.pytorch
def test_a_model_is_loaded_by_a_worker(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    found = probe_model("python:net:build", "torch", tmp_path, 8000)
    assert [(one.name, one.shape) for one in found.inputs] == [("audio", (1, 160)), ("h", (1, 4))]
    assert found.outputs == (
        TensorFacts(name="frames", shape=(1, 10, 3), dtype="float32", time_axis=1),
        TensorFacts(name="mean", shape=(1, 1), dtype="float32"),
        TensorFacts(name="h2", shape=(1, 4), dtype="float32"),
    )
    assert not found.is_positional
    with pytest.raises(RecipeError, match=r"^--model python:net:broken: .*no weights here"):
        probe_model("python:net:broken", "torch", tmp_path, 8000)

"""Small recipes and contracts that tests of several packages share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from packager.bundle import AudioContract
from packager.model import ModelSpec, OutputSpec
from packager.package import Variant

ROOT = Path(__file__).resolve().parent.parent
BASIC_PITCH_RECIPE = Path("examples/basic_pitch/testpress.toml")
CACHE = ROOT / ".cache" / "tests"
"""what takes long to make is kept here between sessions, under its content address; git ignores it"""

GAIN_AUDIO = AudioContract(sample_rate_hz=8000, window_samples=2048, hop_samples=2048)
GAIN_VARIANTS = (
    Variant("tflite", "float32"),
    Variant("tflite", "float16"),
    Variant("coreml", "float32"),
    Variant("coreml", "float16"),
)
HALVES = """\
import torch


class Model(torch.nn.Module):
    def forward(self, audio):
        return (0.5 * audio + 0.25).reshape(1, 8, 64)


def build():
    return Model(), torch.zeros(1, 512)
"""
"""code of a model that scales audio and shifts it, 512 samples to (8, 64)"""


def gain_spec(source: Path | str, **changes: Any) -> ModelSpec:
    given = {"name": "gain", "version": "1", "license": "Apache-2.0", "source": str(source)}
    return ModelSpec(**{**given, "outputs": {"scaled": OutputSpec(axes=("sample",))}, **changes})


def place_of(path: Path, line: str) -> str:
    """`file.py:12`, as messages name a line of code; the line is found by what it says, and must be the only one."""
    (number,) = [n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text.strip() == line]
    return f"{path.name}:{number}"


def tone(seconds: float, *, rate_hz: int = 8000, pitch_hz: float = 440.0, channels: int = 1) -> np.ndarray:
    """A sine at half scale, float32 `(samples, channels)` as soundfile writes it."""
    samples = 0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(samples[:, None], channels, axis=1).astype(np.float32)


@dataclass
class Job:
    """A small recipe on disk, for a test to bend: a model that knows no music, two clips, one phone."""

    folder: Path
    recipe: dict[str, Any]
    lines: list[Any]
    sounds: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    code: Path = ROOT
    """where the packages are imported from"""

    @property
    def path(self) -> Path:
        return self.folder / "testpress.toml"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, (samples, rate_hz) in self.sounds.items():
            # A float WAV holds the second in which it was written, so that its digest would differ from run to run.
            subtype = "PCM_16" if np.isfinite(samples).all() else "FLOAT"
            soundfile.write(self.folder / name, samples, rate_hz, subtype=subtype)
        lines = [line if isinstance(line, str) else json.dumps(line) for line in self.lines]
        (self.folder / "clips.jsonl").write_text("".join(f"{line}\n" for line in lines))
        self.path.write_text(to_toml(self.recipe))

    def command(self, verb: str = "run", *arguments: str) -> list[str]:
        return [sys.executable, "-m", "testpress", verb, str(self.path), *arguments]

    def run(self, *arguments: str, verb: str = "run", timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        """Write the files and start the real command."""
        self.write()
        command = self.command(verb, *(arguments or ("-o", str(self.out))))
        return run_command(command, timeout_s=timeout_s, code=self.code)


def run_command(command: list[str], *, timeout_s: float = 60, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=code_environment(code))


def code_environment(code: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}


def copy_code(folder: Path) -> Path:
    """The packages as they are now: results made by other code are made again, and somebody may be editing."""
    for package in ("device_profiles", "packager", "evaluators", "reports", "testpress"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def to_toml(data: dict[str, Any], name: str = "") -> str:
    """Tables within tables, JSON's other values: all that a recipe holds."""
    plain = {key: value for key, value in data.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] if name and plain else []
    lines += [f"{key} = {_inline(value)}" for key, value in plain.items()]
    text = "".join(f"{line}\n" for line in lines)
    for key, value in data.items():
        if isinstance(value, dict):
            text += to_toml(value, f"{name}.{key}" if name else key)
    return text


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_inline(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_inline(item)}' for key, item in value.items())} }}"
    return json.dumps(value)


def make_notes_job(folder: Path, model: Path) -> Job:
    recipe = {
        "model": {
            "name": "tiny",
            "version": "1",
            "license": "Apache-2.0",
            "source": str(model),
            "outputs": {"note": {"axes": ["frame", "pitch"]}, "onset": {"axes": ["frame", "pitch"]}},
        },
        "audio": {"sample_rate_hz": 8000, "channels": 1, "window_samples": 2048, "hop_samples": 2048},
        "devices": {"ids": ["pixel-8"]},
        "variants": {"tflite": ["float32"], "coreml": []},
        "task": {"kind": "note_transcription", "dataset": "clips.jsonl"},
    }
    lines = [{"audio": "a.wav", "notes": [[0.1, 0.4, 69]]}, {"audio": "b.wav", "notes": [[0.0, 0.3, 57]]}]
    return Job(folder, recipe, lines, {"a.wav": (tone(0.5), 8000), "b.wav": (tone(0.5, pitch_hz=220.0), 8000)})

"""Why a float32 bundle departs: from real bundles, of sources that hang on rounding and of sources that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluators.comparing.model_runner import EmulatorRunner
from packager.compression import Context
from packager.formats import prepare
from packager.model import ModelSpec, find_source
from packager.proving.breaks import find_hanging, find_missing
from packager.sources import load_source

pytest.importorskip("torch")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.tflite,
    # coremltools, which the conversion runs here and not in a worker, leaves its files to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOLERANCE_DB = 60.0
MODELS = """
import torch
from torch import nn


class Phase(nn.Module):
    def forward(self, audio):
        spectrum = torch.stft(audio, 256, 64, window=torch.hann_window(256), return_complex=True)
        return spectrum.angle().mean(-1)


class Gate(nn.Module):
    def forward(self, audio):
        level = (audio * 0.1).cumsum(-1) * 10 - audio.cumsum(-1)
        return torch.where(level > 0, audio, -audio)


class Chain(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 4, 9), nn.Conv1d(4, 2, 5)
        self.gain = gain

    def forward(self, audio):
        x = torch.tanh(self.first(audio[:, None]))
        x = x * self.gain
        return torch.tanh(self.second(x))


def clip():
    return (torch.sin(torch.arange(2000) * 0.05)[None] * 0.3,)


def phase():
    return Phase(), clip()


def gate():
    return Gate(), clip()


def chain():
    torch.manual_seed(0)
    return Chain(2.0), clip()


def other_chain():
    torch.manual_seed(0)
    return Chain(2.5), clip()
"""


def load(folder: Path, factory: str) -> Any:
    (folder / "break_models.py").write_text(MODELS)
    spec = ModelSpec(name="m", version="1", license="MIT", source=f"python:break_models:{factory}")
    return load_source(find_source(spec, folder), None)


def explain(source: Any, made_of: Any, format_: str, folder: Path) -> str | None:
    """What is said to be missing in a bundle that was made of one source and is held against another."""
    path = folder / ("model.tflite" if format_ == "tflite" else "model.mlpackage")
    prepare("torch", format_, made_of, Context("iOS17"))("float32", path)

    def watch(call: Any, show: Any) -> None:
        EmulatorRunner().watch(path, call, show)

    return find_missing(source, source.examples, watch)


@pytest.mark.parametrize(("factory", "op"), [("phase", "aten.angle.default"), ("gate", "aten.sub.Tensor")])
def test_a_source_that_hangs_on_rounding_is_named(tmp_path: Path, factory: str, op: str) -> None:
    """No bundle can follow it, as it does not follow its own computation in float64."""
    found = find_hanging(load(tmp_path, factory), [load(tmp_path, factory).examples], TOLERANCE_DB)
    assert found is not None
    assert found.startswith(f"{op} (break_models.py:")
    assert "the source itself hangs on rounding there" in found


@pytest.mark.parametrize("format_", ["tflite", "coreml"])
def test_the_first_op_whose_values_are_not_in_the_bundle_is_named(tmp_path: Path, format_: str) -> None:
    source, other = (load(tmp_path, factory) for factory in ("chain", "other_chain"))
    found = explain(source, other, format_, tmp_path)
    assert found is not None
    assert found.startswith("aten.mul.Tensor (break_models.py:")
    assert "x = x * self.gain): what it takes is in the bundle, what it gives is not" in found


@pytest.mark.parametrize("format_", ["tflite", "coreml"])
def test_a_bundle_that_follows_its_source_blames_no_op(tmp_path: Path, format_: str) -> None:
    source = load(tmp_path, "chain")
    assert find_hanging(source, [source.examples], TOLERANCE_DB) is None
    assert explain(source, source, format_, tmp_path) is None

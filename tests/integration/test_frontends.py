"""Models that take features, by way of `testpress run`: each kind of front end, outside of the graph and inside.

The clip is the signal that librosa, Kaldi and Whisper were given; the models are linear, so that what must come out is
those libraries' own features times a matrix.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from tests.packager.frontends.settings import AXES, RATE_HZ, SETTINGS
from tests.specimens import run_command, to_toml

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

REFERENCES = dict(np.load(Path(__file__).parents[1] / "packager" / "frontends" / "data" / "references.npz"))
SIGNAL = REFERENCES["signal"]
RELATIVE = 1e-4
"""to the reference's largest value: the libraries' own float32 after a logarithm, and the graph's"""

MODEL = """
import torch

def weights(bins):
    columns = [torch.full((bins,), 1 / bins), torch.linspace(0, 1, bins) * 2 / bins, torch.eye(bins)[bins // 3]]
    return torch.stack(columns, 1)

class Linear(torch.nn.Module):
    def __init__(self, bins):
        super().__init__()
        self.weights = torch.nn.Parameter(weights(bins))

    def forward(self, features):
        return {"score": features @ self.weights}

def build():
    return Linear(BINS), (torch.zeros(1, FRAMES, BINS),)
"""
TENSORFLOW_MODEL = """
import numpy as np
import tensorflow as tf

def build():
    bins = BINS
    columns = [np.full(bins, 1 / bins), np.linspace(0, 1, bins) * 2 / bins, np.eye(bins)[bins // 3]]
    weights = tf.constant(np.stack(columns, 1).astype(np.float32))
    return tf.function(lambda features: {"score": features @ weights}), (np.zeros([1, FRAMES, BINS], np.float32),)
"""
FRONTEND = """
import numpy as np

def loudness_and_crossings(samples, sample_rate_hz):
    assert sample_rate_hz == 16000
    frames = samples[0, : 48 * 160].reshape(48, 160)
    loudness = np.log(np.mean(frames**2, axis=1) + 1e-6)
    crossings = np.mean(np.diff(np.sign(frames), axis=1) != 0, axis=1)
    return np.stack([loudness, crossings, loudness * crossings], axis=1)[None]
"""


def _expect_code() -> npt.NDArray[np.float64]:
    rows = []
    for start in range(0, 48 * 160, 160):
        frame = [float(sample) for sample in SIGNAL[start : start + 160]]
        loudness = np.log(sum(sample * sample for sample in frame) / 160 + 1e-6)
        signs = [(sample > 0) - (sample < 0) for sample in frame]
        crossings = sum(one != other for one, other in itertools.pairwise(signs)) / 159
        rows.append([loudness, crossings, loudness * crossings])
    return np.array(rows)


def _weights(bins: int) -> npt.NDArray[np.float64]:
    return np.stack([np.full(bins, 1 / bins), np.linspace(0, 1, bins) * 2 / bins, np.eye(bins)[bins // 3]], 1)


def _write_job(folder: Path, frontend: dict[str, Any], shape: tuple[int, int], *, framework: str) -> Path:
    frames, bins = shape
    text = MODEL if framework == "torch" else TENSORFLOW_MODEL
    (folder / "net.py").write_text(text.replace("BINS", str(bins)).replace("FRAMES", str(frames)))
    (folder / "sound.py").write_text(FRONTEND)
    soundfile.write(folder / "signal.wav", SIGNAL, RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "back.wav", SIGNAL[::-1] * 0.5, RATE_HZ, subtype="FLOAT")
    (folder / "clips.jsonl").write_text('{"audio": "signal.wav"}\n{"audio": "back.wav"}\n')
    recipe = {
        "model": {
            "name": "linear", "version": "1", "license": "Apache-2.0", "source": "python:net:build",
            "framework": framework, "outputs": {"score": {"axes": ["frame", "class"]}},
        },
        "audio": {"sample_rate_hz": RATE_HZ, "window_samples": len(SIGNAL), "hop_samples": len(SIGNAL)},
        "frontend": frontend,
        "variants": {"tflite": ["float32"], "coreml": ["float32"]},
        "devices": {"ids": ["pixel-8", "iphone-15-pro"]},
        "task": {"kind": "parity", "dataset": "clips.jsonl"},
    }  # fmt: skip
    path = folder / "testpress.toml"
    path.write_text(to_toml(recipe))
    return path


def _testpress(*arguments: str) -> str:
    run = run_command([sys.executable, "-m", "testpress", *arguments], timeout_s=600)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def _check(folder: Path, recipe: Path, expected: npt.NDArray[np.float64], largest: float, *play: str) -> dict[str, Any]:
    """Run it, and hold source and bundles against what must come out; returns a manifest."""
    _testpress("run", str(recipe), "-q")
    evaluation = json.loads((folder / "testpress-out" / "evaluation.json").read_text())
    assert [row["variant"] for row in evaluation["variants"]] == ["tflite-float32", "coreml-float32"]
    for row in evaluation["variants"]:
        bundle = folder / "testpress-out" / "bundles" / row["variant"]
        (parity,) = row["parity"]
        assert parity["max_abs_error"]["value"] < RELATIVE * largest
        saved = folder / f"{row['variant']}.npz"
        _testpress("play", str(bundle), "--audio", str(folder / "signal.wav"), "-o", str(saved), *play)
        found = np.load(saved)["score"]
        assert len(found) >= len(expected) - 2  # a clip's end trims frames beyond it
        np.testing.assert_allclose(found, expected[: len(found)], rtol=0, atol=RELATIVE * largest)
        manifest: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
        proof = manifest["proof"]
        # Of a chirp, bins far from the tone hold rounding alone, which a logarithm inside the graph makes large.
        assert proof["holds"] or "the source itself hangs on rounding" in proof["breaks_at"]
        assert proof["holds"] or manifest["frontend"]["spec"]["inside"]
        assert "2 windows of the recipe's audio" in manifest["proof"]["inputs"]
    return manifest


KINDS = {"log_mel": "whisper_80", "mfcc": "kaldi_mfcc", "spectrogram": "librosa_stft"}


# Each kind once, one of them both ways; tests/packager/frontends holds every kind against the libraries.
@pytest.mark.parametrize(
    ("kind", "inside"),
    [("log_mel", False), ("log_mel", True), ("mfcc", True), ("spectrogram", False)],
    ids=lambda value: value if isinstance(value, str) else "inside" if value else "outside",
)
def test_the_librarys_features_go_into_the_model(kind: str, inside: bool, tmp_path: Path) -> None:
    reference = REFERENCES[KINDS[kind]]
    frontend = {**SETTINGS[KINDS[kind]], "axes": ["batch", "frame", AXES[kind]], "inside": inside}
    recipe = _write_job(tmp_path, frontend, reference.shape, framework="torch")
    expected = reference.astype(np.float64) @ _weights(reference.shape[1])
    manifest = _check(tmp_path, recipe, expected, float(np.abs(reference).max()))
    (taken,) = manifest["inputs"]
    assert taken["name"] == ("audio" if inside else "features")
    assert taken["axes"] == (["batch", "sample"] if inside else ["batch", "frame", AXES[kind]])
    assert {name: manifest["frontend"]["spec"][name] for name in frontend} == frontend
    bundle = tmp_path / "testpress-out" / "bundles" / "tflite-float32"
    for vector in (one for one in manifest["vectors"] if one["kind"] == "call"):
        assert (vector["audio"] is None) == inside
        features = np.fromfile(bundle / next(iter(vector["inputs"].values()))["file"], "<f4").reshape(taken["shape"])
        if not inside:
            score = np.fromfile(bundle / vector["source"]["score"]["file"], "<f4").reshape(*features.shape[:2], 3)
            largest = np.abs(features).max()
            np.testing.assert_allclose(score, features @ _weights(features.shape[2]), rtol=0, atol=1e-5 * largest)
            audio = np.fromfile(bundle / vector["audio"]["file"], "<f4")
            assert audio.shape == SIGNAL.shape


def test_tensorflow_takes_the_front_end_in(tmp_path: Path) -> None:
    reference = REFERENCES["kaldi_fbank"]
    frontend = {**SETTINGS["kaldi_fbank"], "axes": ["batch", "frame", "mel"], "inside": True}
    recipe = _write_job(tmp_path, frontend, reference.shape, framework="tensorflow")
    expected = reference.astype(np.float64) @ _weights(reference.shape[1])
    manifest = _check(tmp_path, recipe, expected, float(np.abs(reference).max()))
    assert [one["name"] for one in manifest["inputs"]] == ["audio"]


def test_code_of_the_recipe_is_a_front_end(tmp_path: Path) -> None:
    frontend = {"kind": "python:sound:loudness_and_crossings", "axes": ["batch", "frame", "feature"]}
    recipe = _write_job(tmp_path, frontend, (48, 3), framework="torch")
    features = _expect_code()
    expected = features @ _weights(3)
    manifest = _check(tmp_path, recipe, expected, float(np.abs(features).max()), "--recipe", str(recipe))
    assert manifest["frontend"]["spec"]["kind"] == frontend["kind"]
    bundle = tmp_path / "testpress-out" / "bundles" / "tflite-float32"
    audio = ["--audio", str(tmp_path / "signal.wav")]
    run = run_command([sys.executable, "-m", "testpress", "play", str(bundle), *audio], timeout_s=120)
    assert run.returncode == 1
    assert "its front end is code of its recipe" in run.stderr
    (tmp_path / "sound.py").write_text(FRONTEND.replace("1e-6", "1e-5"))
    run = run_command(
        [sys.executable, "-m", "testpress", "play", str(bundle), *audio, "--recipe", str(recipe)], timeout_s=120
    )
    assert run.returncode == 1
    assert "was made with another front end" in run.stderr

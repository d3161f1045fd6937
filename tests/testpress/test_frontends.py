"""`testpress frontend`: features of recordings, other features held against them, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result

from testpress.cli import cli
from tests.packager.frontends.make_references import make_signal
from tests.packager.frontends.settings import RATE_HZ, SETTINGS
from tests.specimens import to_toml

REFERENCES = dict(np.load(Path(__file__).parents[1] / "packager" / "frontends" / "data" / "references.npz"))
MODEL = {"name": "m", "version": "1", "license": "MIT", "source": "python:net:build"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe and the signal that the libraries were given."""
    soundfile.write(tmp_path / "signal.wav", make_signal(), RATE_HZ, subtype="FLOAT")
    _write_recipe(tmp_path, {**SETTINGS["kaldi_fbank"], "axes": ["batch", "frame", "mel"]})
    return tmp_path


def _write_recipe(folder: Path, frontend: dict[str, Any]) -> None:
    audio = {"sample_rate_hz": RATE_HZ, "window_samples": 8000, "hop_samples": 8000}
    (folder / "r.toml").write_text(to_toml({"model": MODEL, "audio": audio, "frontend": frontend}))


def _run(folder: Path, *arguments: str) -> Result:
    audio = ["--audio", str(folder / "signal.wav")]
    return CliRunner().invoke(cli, ["frontend", str(folder / "r.toml"), *audio, *arguments])


def _save(folder: Path, features: npt.NDArray[Any], name: str = "mine.npy") -> list[str]:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, features)
    else:
        path.write_bytes(features.astype("<f4").tobytes())
    return ["--against", str(path)]


@pytest.mark.slow
def test_features_are_written(folder: Path) -> None:
    ran = _run(folder, "-o", str(folder / "f.npy"))
    assert ran.exit_code == 0, ran.output
    found = np.load(folder / "f.npy")
    assert found.shape == (1, 48, 80)
    assert np.abs(found[0] - REFERENCES["kaldi_fbank"]).max() < 1e-4 * np.abs(REFERENCES["kaldi_fbank"]).max()
    assert "[1, 48, 80] (batch, frame, mel)" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine.npy", "mine.f32"])
def test_kaldis_own_features_are_the_same(name: str, folder: Path) -> None:
    ran = _run(folder, *_save(folder, REFERENCES["kaldi_fbank"], name), "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["same"] is True
    assert told["snr_db"] > 100


@pytest.mark.slow
def test_features_in_another_scale_and_order_are_told(folder: Path) -> None:
    _write_recipe(folder, {**SETTINGS["kaldi_fbank"], "axes": ["batch", "frame", "mel"], "sample_scale": 1.0})
    ran = _run(folder, *_save(folder, REFERENCES["kaldi_fbank"].T))
    assert ran.exit_code == 1
    words = "sample_scale = 32768 instead of 1, frames and bins are the other way round"
    assert f"was computed with {words}" in ran.stdout
    assert words in ran.stderr


@pytest.mark.slow
def test_a_longer_recording_is_held_against_whole_or_by_its_first_window(folder: Path) -> None:
    _write_recipe(folder, {**SETTINGS["kaldi_fbank"], "axes": ["batch", "frame", "mel"]})
    soundfile.write(folder / "signal.wav", np.tile(make_signal(), 2), RATE_HZ, subtype="FLOAT")
    ran = _run(folder, *_save(folder, REFERENCES["kaldi_fbank"]), "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["given_shape"] == [48, 80]


@pytest.mark.slow
def test_what_nothing_explains_is_said_so(folder: Path) -> None:
    noise = np.random.default_rng(3).normal(size=(48, 80))
    ran = _run(folder, *_save(folder, noise))
    assert ran.exit_code == 1
    assert "none explains them; nearest: " in ran.stdout
    assert "no known choice explains them" in ran.stderr
    ran = _run(folder, *_save(folder, noise[:7]))
    assert ran.exit_code == 1
    assert "none makes features of this size" in ran.stdout


@pytest.mark.slow
def test_code_of_the_recipe_is_compared_with_itself(folder: Path) -> None:
    (folder / "own.py").write_text("def f(samples, rate):\n    return samples.reshape(1, 80, 100).mean(2)\n")
    _write_recipe(folder, {"kind": "python:own:f"})
    right = make_signal().reshape(80, 100).mean(1)
    assert _run(folder, *_save(folder, right)).exit_code == 0
    ran = _run(folder, *_save(folder, right + 0.1))
    assert ran.exit_code == 1
    assert "other features" in ran.stdout


@pytest.mark.slow
def test_what_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "text.npy").write_text("no array")
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "pickle.npy").write_bytes(pickled.getvalue())
    (folder / "odd.f32").write_bytes(b"1234567")
    for name, message in {
        "text.npy": "is no .npy file of numbers",
        "pickle.npy": "is no .npy file of numbers",
        "odd.f32": "7 bytes are no float32 values in rows of 80",
        "missing.npy": "missing.npy",
    }.items():
        ran = _run(folder, "--against", str(folder / name))
        assert ran.exit_code == 1
        assert message in str(ran.exception), name


@pytest.mark.slow
def test_a_recipe_without_a_front_end_or_audio_is_told(folder: Path) -> None:
    ran = CliRunner().invoke(cli, ["frontend", str(folder / "r.toml")])
    assert "say what to hear, --audio FILE" in str(ran.exception)
    (folder / "r.toml").write_text(to_toml({"model": MODEL}))
    assert "has no [frontend] section" in str(_run(folder).exception)

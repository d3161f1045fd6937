"""docs/python.md: its program of ten lines runs as it stands, and importing the package imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import testpress
from testpress.interface import Model
from tests.docs.pages import read_page
from tests.specimens import ROOT, Job, code_environment, tone

pytest.importorskip("ai_edge_litert")
from tests.testpress.tiny_tflite import GAIN, WINDOW_SAMPLES, write_bundle, write_gain

pytestmark = pytest.mark.tflite

PAGE = ROOT / "docs" / "python.md"


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_pages_program_packages_plays_and_compares(notes_job: Job) -> None:
    notes_job.recipe["budgets"] = [{"metric": "size_bytes", "max": "1MB"}]
    notes_job.write()
    soundfile.write(notes_job.folder / "clip.wav", tone(0.5), 8000)
    code = read_page(PAGE)
    assert len(code.strip().splitlines()) <= 11  # ten, and a blank one
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=notes_job.folder,
        env=code_environment(ROOT),
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["note", "onset"]
    assert lines[2] == "pass"
    assert run.stderr == ""
    assert (notes_job.folder / "testpress-out" / "evaluation.json").is_file()


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import testpress, sys; print(sorted({'numpy', 'pydantic', 'click', 'scipy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=code_environment(ROOT))
    assert run.stdout.strip() == "[]"
    assert set(testpress.__all__) <= set(dir(testpress)) | set(testpress._PLACES)
    with pytest.raises(AttributeError, match="no attribute 'pakage'"):
        testpress.pakage  # noqa: B018


def test_what_the_page_lists_is_there() -> None:
    text = PAGE.read_text()
    for name in testpress.__all__:
        if name != "enable_coreml_predict":
            assert f"`{name}(" in text or f"`testpress.{name}`" in text
            assert getattr(testpress, name).__doc__
    assert "`Model.play(" in text
    assert "`Model.run(" in text


@pytest.mark.slow
def test_a_model_plays_files_and_samples_alike(tmp_path: Path) -> None:
    model = testpress.open_model(str(write_bundle(tmp_path / "b")))
    assert isinstance(model, Model)
    assert model.bundle is not None
    rate_hz = model.bundle.manifest.audio.sample_rate_hz
    samples = tone(0.05, rate_hz=rate_hz)[:, 0]
    soundfile.write(tmp_path / "clip.wav", samples, rate_hz, subtype="FLOAT")
    played = model.play(str(tmp_path / "clip.wav"))
    again = model.play(samples, sample_rate_hz=rate_hz)
    assert played.outputs.keys() == again.outputs.keys() == played.times_s.keys()
    for name, values in played.outputs.items():
        np.testing.assert_array_equal(values, again.outputs[name])
    with pytest.raises(testpress.TestpressError, match="samples need sample_rate_hz"):
        model.play(samples)


@pytest.mark.slow
def test_a_model_is_called_with_arrays_and_tells_which_call_is_wrong(tmp_path: Path) -> None:
    model = testpress.open_model(write_gain(tmp_path / "gain.tflite"))
    audio = np.linspace(-1, 1, WINDOW_SAMPLES, dtype=np.float32)[None]
    first, second = model.run([{"audio": audio}, {"audio": 2 * audio}])
    (name,) = first
    np.testing.assert_allclose(first[name].ravel(), GAIN * audio.ravel(), rtol=1e-6)
    np.testing.assert_allclose(second[name], 2 * first[name], rtol=1e-6)
    with pytest.raises(testpress.TestpressError, match="call 2 of 2: "):
        model.run([{"audio": audio}, {"sound": audio}])

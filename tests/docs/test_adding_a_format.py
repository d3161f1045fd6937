"""docs/adding/format.md, followed word by word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.docs.pages import MOST_LINES, install_page, read_page
from tests.specimens import HALVES, ROOT

PAGE = ROOT / "docs" / "adding" / "format.md"
RECIPE = """\
[model]
name = "halves"
version = "1"
license = "MIT"
source = "python:halves:build"
outputs = { scaled = { axes = ["frame", "value"] } }
[audio]
sample_rate_hz = 8000
window_samples = 512
hop_samples = 512
[variants]
exported = ["float32"]
[task]
kind = "parity"
dataset = "clips.jsonl"
"""


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= MOST_LINES


@pytest.mark.slow
@pytest.mark.pytorch
def test_what_the_page_adds_is_packaged_played_and_reported(tmp_path: Path) -> None:
    offers = {
        "formats": "exported = exported:FORMAT",
        "readers": "exported = exported:READER",
        "targets": "exported = exported:PLAYER",
    }
    install_page(read_page(PAGE), tmp_path / "site", module="exported", entry_points=offers)
    job = tmp_path / "job"
    job.mkdir()
    (job / "halves.py").write_text(HALVES)
    (job / "testpress.toml").write_text(RECIPE)
    soundfile.write(job / "a.wav", 0.3 * np.random.default_rng(7).standard_normal(3000), 8000, subtype="PCM_16")
    (job / "clips.jsonl").write_text(json.dumps({"audio": "a.wav"}) + "\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    command = [sys.executable, "-m", "testpress", "run", str(job / "testpress.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((job / "testpress-out" / "evaluation.json").read_text())["variants"]
    assert (row["variant"], row["failure"], row["broken"]) == ("exported-float32", None, None)
    assert row["parity"][0]["snr_db"]["reason"] == "identical"
    assert "exported-float32" in (job / "testpress-out" / "report" / "report.html").read_text()

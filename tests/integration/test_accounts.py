"""What a first run does to files, and whether the code that keys are made of is all that workers use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from packager.jobs.code import find_code
from tests.specimens import ROOT, make_notes_job

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite, pytest.mark.coreml]
COUNTERS = Path(__file__).parent / "accounting"
PACKAGES = ("device_profiles", "packager", "evaluators", "reports", "testpress")
TARGETS = {
    "packager.conversion:convert_bundles",
    "packager.proving.reference:run_reference",
    "evaluators.datasets.preparation:prepare",
    "evaluators.pictures.previewing:preview",
    *(f"evaluators.playing.trial:{verb}" for verb in ("play", "time_calls", "find_drift")),
    "evaluators.playing.predictions:predict",
}


@pytest.fixture(scope="module")
def run(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A first run, and what each of its processes told of itself."""
    folder = tmp_path_factory.mktemp("accounts")
    job = make_notes_job(folder / "job", saved_models / "notes")
    job.recipe["devices"]["ids"] = ["pixel-8", "iphone-15-pro"]
    job.recipe["variants"] = {"tflite": ["float32", "static_wi8_ai8"], "coreml": ["float32", "float16"]}
    job.write()
    (folder / "accounts").mkdir()
    time.sleep(0.2)  # a file that was written just now may be read twice: its times may not tell of a change
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(COUNTERS), str(ROOT)]),
        "ACCOUNTS": str(folder / "accounts"),
    }
    command = [sys.executable, COUNTERS / "counted_run.py", job.path, job.out]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["reasons"] == [None] * 4
    told["accounts"] = {path.name: json.loads(path.read_text()) for path in (folder / "accounts").iterdir()}
    return told


def test_a_first_run_decodes_a_clip_twice_and_hashes_a_file_once(run: dict[str, Any]) -> None:
    decoded = Counter(Path(name).name for each in run["accounts"].values() for name in each["decoded"])
    assert decoded.pop("clip.wav") <= 4 * 4  # of the golden vectors: of each bundle, once for each thing that is varied
    assert set(decoded) == {"a.wav", "b.wav"}
    assert max(decoded.values()) <= 2
    hashed = Counter(name for each in run["accounts"].values() for name in each["hashed"])
    assert {"a.wav", "b.wav", "saved_model.pb", "windows.npy"} <= {Path(name).name for name in hashed}
    assert {name: count for name, count in hashed.items() if count > 1} == {}


def test_what_a_job_declares_covers_what_its_worker_used(run: dict[str, Any]) -> None:
    assert {job["target"] for job in run["jobs"]} == TARGETS
    for job in run["jobs"]:
        accounts = [run["accounts"][name] for name in job["accounts"]]
        used = {Path(path) for each in accounts for path in (*each["modules"], *each["tables"])}
        ours = {path for path in used if any(path.is_relative_to(ROOT / package) for package in PACKAGES)}
        assert ours, job["target"]
        assert sorted(ours - set(find_code(*job["code"]))) == [], job["target"]

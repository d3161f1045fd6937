"""A run that is killed at any moment leaves nothing half-written, and the next one does nothing twice."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from specimens import Job, code_environment, copy_code

from evaluators.evaluation import Evaluation
from packager.bundle import MANIFEST_NAME, read_bundle
from packager.storage import digest_files
from reports.comparison import load_evaluation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.tflite,
    pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told to its workers on Linux alone"),
]

SEED = 1123
N_KILLS = 6
LONGEST_S = 9.0
"""about as long as the job takes when nothing disturbs it"""

ENDS = {".html": "</html>", ".xml": "</testsuites>\n", ".txt": "# EOF\n", ".md": "`\n"}
"""how each file of a report ends when it is whole"""


def check_whole(out: Path) -> dict[Path, tuple[int, int]]:
    """Whatever stands under its final name is whole. Returns inode and age of every finished file."""
    finished: dict[Path, tuple[int, int]] = {}
    for folder in _visible(out / "bundles"):
        bundle = read_bundle(folder)
        found = digest_files(folder)
        assert found.pop(MANIFEST_NAME).size_bytes > 0
        assert found == bundle.manifest.files
        finished |= _ages(folder)
    if (out / "evaluation.json").exists():
        assert isinstance(load_evaluation(out / "evaluation.json"), Evaluation)
    for verb in ("play", "time_calls", "find_drift"):
        for path in _visible(out / "cache" / verb):
            json.loads(path.read_text())
            finished |= _ages(path)
    for kind in ("windows", "reference"):
        for folder in _visible(out / "cache" / kind):
            finished |= _ages(folder)
    for path in (path for path in _visible(out / "report") if path.is_file()):
        assert path.read_text().endswith(ENDS[path.suffix]), path
    return finished


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _ages(root: Path) -> dict[Path, tuple[int, int]]:
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def _start(job: Job) -> subprocess.Popen[bytes]:
    command = job.command("run", "-o", str(job.out), "-q")
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=code_environment(job.code)
    )


@pytest.fixture
def job(notes_job: Job, tmp_path: Path) -> Job:
    notes_job.recipe["variants"]["tflite"] = ["float32", "float16", "dynamic_wi8_afp32"]
    notes_job.code = copy_code(tmp_path / "code")
    notes_job.write()
    return notes_job


def _kill(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill the leader alone, as the system does when memory runs out; returns the workers it had."""
    workers: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return workers


def test_a_killed_run_resumes(job: Job) -> None:
    generator = random.Random(SEED)
    finished: dict[Path, tuple[int, int]] = {}
    for _ in range(N_KILLS):
        process = _start(job)
        end = time.monotonic() + generator.uniform(0.3, LONGEST_S)
        while time.monotonic() < end and process.poll() is None:
            check_whole(job.out)
            time.sleep(0.1)
        workers = _kill(process)
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
        now = check_whole(job.out)
        assert {path: now.get(path) for path in finished} == finished  # nothing was made twice
        finished = now
    last = job.run()
    assert last.returncode == 0, last.stderr
    now = check_whole(job.out)
    assert {path: now.get(path) for path in finished} == finished
    evaluation = load_evaluation(job.out / "evaluation.json")
    assert [variant.failure for variant in evaluation.variants] == [None] * 3
    assert not list(job.out.rglob("*.partial"))
    again = job.run()
    assert again.returncode == 0
    assert check_whole(job.out) == now


def test_a_kill_within_a_conversion_leaves_only_what_the_next_run_sweeps(job: Job) -> None:
    """The moment that chance may miss: the worker is writing a bundle."""
    process = _start(job)
    bundles = job.out / "bundles"
    end = time.monotonic() + 120
    while not list(bundles.glob(".*.partial")) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    psutil.wait_procs(_kill(process), timeout=10)
    check_whole(job.out)
    assert not (job.out / "evaluation.json").exists()
    assert job.run().returncode == 0
    assert not list(job.out.rglob("*.partial"))
    assert sorted(path.name for path in bundles.iterdir()) == [
        "tflite-dynamic_wi8_afp32",
        "tflite-float16",
        "tflite-float32",
    ]


def test_an_interrupt_ends_the_workers(job: Job) -> None:
    process = _start(job)
    end = time.monotonic() + 60
    while not (workers := psutil.Process(process.pid).children()):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    check_whole(job.out)

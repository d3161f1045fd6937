"""A run that is killed at any moment leaves nothing half-written, and the next one does nothing twice.

`python -m tests.integration.kills` does the same for as long as one likes.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from reports.judging.comparison import load_evaluation
from tests.integration.kills import Tally, Victim, check_whole, disturb, kill, start, workers_of
from tests.specimens import Job, copy_code

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.tflite,
    pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told to its workers on Linux alone"),
]

SEED = 1123
N_KILLS = 6


@pytest.fixture
def job(notes_job: Job, tmp_path: Path) -> Job:
    notes_job.code = copy_code(tmp_path / "code")
    notes_job.write()
    return notes_job


def test_a_killed_run_resumes(job: Job, tmp_path: Path) -> None:
    tally, generator = Tally(), random.Random(SEED)
    (tmp_path / "tmp").mkdir()
    disturb(job, generator, temporary=tmp_path / "tmp", most=N_KILLS, tally=tally)
    assert tally.n_kills > 2
    now = check_whole(job.out)
    again = job.run()
    assert again.returncode == 0
    assert check_whole(job.out) == now


def test_a_kill_within_a_conversion_leaves_only_what_the_next_run_sweeps(job: Job) -> None:
    """The moment that chance may miss: a worker is writing a bundle."""
    job.recipe["variants"]["tflite"] = ["float32", "float16", "dynamic_wi8_afp32"]
    job.write()
    _kill_within_conversion(job, "worker")
    assert not list(job.out.rglob("*.partial"))  # the run itself goes on and cleans up behind its worker
    _kill_within_conversion(job, "parent")
    assert not (job.out / "evaluation.json").exists()
    assert job.run().returncode == 0
    assert not list(job.out.rglob("*.partial"))
    names = ["tflite-dynamic_wi8_afp32", "tflite-float16", "tflite-float32"]
    assert sorted(path.name for path in (job.out / "bundles").iterdir()) == names
    evaluation = load_evaluation(job.out / "evaluation.json")
    assert [variant.failure for variant in evaluation.variants] == [None] * 3


def _kill_within_conversion(job: Job, victim: Victim) -> None:
    process = start(job)
    end = time.monotonic() + 120
    while not list((job.out / "bundles").glob(".worker.*.partial/*")) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert kill(process, victim, random.Random(SEED))
    check_whole(job.out)


def test_an_interrupt_ends_the_workers(job: Job) -> None:
    process = start(job)
    end = time.monotonic() + 60
    while not (workers := workers_of(process)):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    check_whole(job.out)

"""Page faults are counted by the system, not timed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .programs import Op, Program, write_package

SHAPE = (256, 1024)
N_BRANCHES = 8
COUNT = """
import resource, sys
import numpy as np
from evaluators.emulators.coreml import CoreMLModel
model = CoreMLModel(sys.argv[1])
x = np.full((256, 1024), -1.0, np.float32)
counts = []
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    model.predict({"x": x})
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(counts)[len(counts) // 4])  # what most runs have, whatever the system takes back meanwhile
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow  # two processes that import torch
@pytest.mark.skipif(sys.platform != "linux", reason="about glibc's malloc")
def test_a_run_uses_the_memory_of_the_one_before(tmp_path: Path) -> None:
    branches = [Op("exp", {"x": "x"}, f"a{i}", shape=SHAPE) for i in range(N_BRANCHES)]
    total = Op("concat", {"values": [op.output for op in branches], "axis": 0, "interleave": False}, "all", shape=SHAPE)
    result = Op("reduce_max", {"x": "all"}, "y")
    program = Program([*branches, total, result], {"y": ("float32", ())}, inputs={"x": ("float32", SHAPE)})
    path = str(write_package(tmp_path, program))
    assert int(run(COUNT, path)) < 100
    # With its first thresholds malloc gives the megabyte of each branch back and fetches its 256 pages anew.
    assert int(run(COUNT, path, MALLOC_TRIM_THRESHOLD_="131072")) > 1000


@pytest.mark.parametrize(("name", "value"), [("MALLOC_MMAP_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "")])
def test_what_the_environment_sets_is_left_alone(name: str, value: str) -> None:
    code = "from evaluators.emulators.coreml.allocation import keep_freed_memory; print(keep_freed_memory())"
    assert run(code, **{name: value}) == "False"

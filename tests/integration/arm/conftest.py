"""The emulation, where it is set up; `.ci/run` sets it up, and where it cannot be these tests are skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.emulators.arm.installation import Installation, find_installation
from evaluators.errors import EvaluationError


@pytest.fixture(scope="session")
def installation() -> Installation:
    try:
        return find_installation()
    except EvaluationError as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="session")
def models(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("models.py")
    run = subprocess.run([sys.executable, script, folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder

"""The emulation, where it is set up; `.ci/run` sets it up, and where it cannot be these tests are skipped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators.emulators.arm.installation import Installation, find_installation
from evaluators.errors import EvaluationError
from tests.conftest import OWN_CACHE
from tests.specimens import CACHE


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """In `.cache/tests/arm`, where `.ci/run` puts it, else in the user's own cache."""
    reason = ""
    with pytest.MonkeyPatch.context() as patch:
        for cache in (str(CACHE / "arm"), OWN_CACHE):
            if cache is None:
                patch.delenv("TESTPRESS_CACHE")
            else:
                patch.setenv("TESTPRESS_CACHE", cache)
            try:
                found = find_installation()
            except EvaluationError as fault:
                reason = str(fault)
                continue
            yield found
            return
        pytest.skip(reason)


@pytest.fixture(scope="module")
def models(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("models.py")
    run = subprocess.run([sys.executable, script, folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from packager.storage import stage_folder
from tests.specimens import CACHE


@pytest.fixture(scope="session")
def flatbuffers() -> Path:
    """A folder with one float32 model a kind, see `tiny_flatbuffers.py`."""
    script = Path(__file__).parent / "tiny_flatbuffers.py"
    address = hashlib.sha256(script.read_bytes() + importlib.metadata.version("tensorflow").encode()).hexdigest()
    folder = CACHE / f"flatbuffers-{address[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "flatbuffers.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with stage_folder(folder) as stage:
                run = subprocess.run([sys.executable, script, stage], capture_output=True, text=True)
                assert run.returncode == 0, run.stderr[-3000:]
    return folder

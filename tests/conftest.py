from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from packager.bundle import Bundle
from packager.model import ModelSource, find_source
from packager.package import PackageRequest, package
from packager.storage import stage_folder
from tests import sampling
from tests.specimens import (
    BASIC_PITCH_RECIPE,
    CACHE,
    GAIN_AUDIO,
    GAIN_VARIANTS,
    ROOT,
    Job,
    gain_spec,
    make_notes_job,
    run_command,
)

# No example is timed: speed is measured in benchmarks/, and machines that test are busy. Examples are the same in every
# run, so that what passes once passes again; `pytest --hypothesis-profile=drawn` draws others.
hypothesis.settings.register_profile("drawn", deadline=None)
hypothesis.settings.register_profile("seeded", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("seeded")


# A user's own cache is neither read nor written: with Arm cores in it, every recipe of a test would play them.
OWN_CACHE = os.environ.get("TESTPRESS_CACHE")
os.environ["TESTPRESS_CACHE"] = str(CACHE / "user")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Whoever names a single test means it, with all of its cases.
    if any("::" in argument for argument in config.args):
        return
    items[:], left_out = sampling.choose(items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Two sessions on one machine wait for each other instead of making the same thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def saved_models() -> Path:
    """A folder with one SavedModel a kind, see `tiny_models.py`."""
    script = ROOT / "tests" / "tiny_models.py"
    address = hashlib.sha256(script.read_bytes() + importlib.metadata.version("tensorflow").encode()).hexdigest()
    folder = CACHE / f"models-{address[:16]}"
    with held(CACHE / "models.lock"):
        if not folder.is_dir():
            with stage_folder(folder) as stage:
                run = subprocess.run([sys.executable, script, stage], capture_output=True, text=True)
                assert run.returncode == 0, run.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def gain_source(saved_models: Path) -> ModelSource:
    """A model whose outputs are known in closed form: half the input plus a quarter."""
    return find_source(gain_spec(saved_models / "gain"), saved_models)


@pytest.fixture(scope="session")
def gain_order(gain_source: ModelSource) -> PackageRequest:
    return PackageRequest(source=gain_source, audio=GAIN_AUDIO, variants=GAIN_VARIANTS, out=CACHE / "gain")


@pytest.fixture(scope="session")
def gain_bundles(gain_order: PackageRequest) -> dict[str, Bundle]:
    """The gain's bundles by variant; converted once, for as long as nothing they are made of changes."""
    with held(CACHE / "gain.lock"):
        outcomes = package(gain_order)
    assert not [outcome for outcome in outcomes if outcome.bundle is None], outcomes
    return {outcome.variant.name: outcome.bundle for outcome in outcomes if outcome.bundle is not None}


@pytest.fixture
def notes_job(tmp_path: Path, saved_models: Path) -> Job:
    """A job that runs whole; each test takes its own copy and bends it."""
    return make_notes_job(tmp_path / "job", saved_models / "notes")


@pytest.fixture(scope="session")
def basic_pitch() -> Path:
    """The output folder of the default job, run by the real command; what was finished in an earlier session stays."""
    if importlib.util.find_spec("basic_pitch") is None:
        pytest.skip("basic_pitch is not installed")
    out = CACHE / "basic-pitch"
    with held(CACHE / "basic-pitch.lock"):
        run = run_command(
            [sys.executable, "-m", "testpress", "run", str(ROOT / BASIC_PITCH_RECIPE), "-o", str(out)], timeout_s=900
        )
    assert run.returncode in {0, 3}, run.stderr[-3000:]
    return out


@pytest.fixture
def own_draws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator for each test of a module that draws from `RNG`, so that no test changes what another is given."""
    monkeypatch.setattr(request.module, "RNG", np.random.default_rng(zlib.crc32(request.node.name.encode())))

"""Recipes on a Ray cluster of two nodes, one of them killed half-way: what they find is what a local run finds."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packager.jobs.executors import OnEvent
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.worker_process import Ended
from packager.storage import digest_files
from testpress import several
from testpress.progress import TerminalProgress
from testpress.recipe import read_recipe
from testpress.work import Work
from tests.specimens import ROOT, make_notes_job

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.tflite,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    # Ray forks to start a node, and JAX, if a test before this one loaded it, warns of every fork.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]
VARIANTS = {"tflite": ["float32"], "coreml": ["float32", "float16"]}
STARTS = 5
NAMES = ("one", "two")


def _start_cluster() -> Any:
    """Again where a raylet gave up: it does so when its agents, in Python, are not there within 15 s."""
    from ray.cluster_utils import Cluster

    for attempt in range(STARTS):
        made = Cluster()
        try:
            made.add_node(num_cpus=1, include_dashboard=False)
            made.add_node(num_cpus=1)
        except Exception:  # Ray raises no narrower one
            if attempt == STARTS - 1:
                raise
            made.shutdown()
        else:
            return made
    raise AssertionError


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two raylets on this machine, one core each; the driver belongs to the first."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "20",  # read once, when Ray is imported
        "PYTHONPATH": str(ROOT),
    }.items():
        monkeypatch.setenv(name, value)
    import ray

    made = _start_cluster()
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


class _Counted:
    """An executor that tells how many jobs it was given, and how many of them have ended."""

    spreads = True

    def __init__(self, inner: Any) -> None:
        self._inner, self.given, self.ended = inner, 0, 0

    def run(self, jobs: Any, on_event: OnEvent) -> list[Ended]:
        self.given += len(jobs)
        ended: list[Ended] = self._inner.run(jobs, on_event)
        self.ended += len(jobs)
        return ended

    def close(self) -> None:
        self._inner.close()


def _findings(path: Path) -> dict[str, Any]:
    """An evaluation without the clock, the machine's own numbers and the folder that it was made in."""
    data: dict[str, Any] = json.loads(path.read_text())
    for row in data["variants"]:
        row.pop("timing")
        row["scores"].pop("peak_memory_bytes", None)
    for key in ("created", "command"):
        data.pop(key)
    return data


def _works(folder: Path, models: Path, executor: Any, progress: TerminalProgress) -> list[Work]:
    works = []
    for index, name in enumerate(NAMES):
        job = make_notes_job(folder.parent / "recipes" / name, models)
        job.recipe["model"]["version"] = str(index)
        job.recipe["devices"]["ids"] = ["pixel-8", "iphone-15-pro"]
        job.recipe["variants"] = VARIANTS
        if not job.path.is_file():
            job.write()
        works.append(Work(read_recipe(job.path), folder / name, progress, executor))
    return works


def _kill_half_way(cluster: Any, counted: _Counted, killed: list[int]) -> None:
    """Kill the node that the driver is not on, in the middle of the packaging or playing, as a power cut would."""
    while counted.ended < len(NAMES) + 1:
        time.sleep(0.05)
    time.sleep(2)
    (node,) = cluster.worker_nodes
    killed.append(counted.ended)
    cluster.remove_node(node, allow_graceful=False)


def test_a_cluster_that_loses_a_node_finds_what_this_machine_finds(
    saved_models: Path, cluster: Any, tmp_path: Path
) -> None:
    import ray

    from packager.jobs.executors.ray import RayExecutor

    counted, killed = _Counted(RayExecutor("ray", None)), list[int]()
    killer = threading.Thread(target=_kill_half_way, args=(cluster, counted, killed), daemon=True)
    killer.start()
    with TerminalProgress(quiet=True) as progress:
        far = several.run_all(_works(tmp_path / "far", saved_models / "notes", counted, progress), command="x")
        near = several.run_all(
            _works(tmp_path / "near", saved_models / "notes", LocalExecutor(), progress), command="x"
        )
    killer.join()
    assert [one.reason for one in (*far, *near)] == [None] * 2 * len(NAMES)
    assert 0 < killed[0] < counted.given  # it was lost while there was work
    assert [node["Alive"] for node in ray.nodes()].count(True) == 1
    for name in NAMES:
        found = [_findings(tmp_path / where / name / "evaluation.json") for where in ("far", "near")]
        assert [row["failure"] for row in found[0]["variants"]] == [None] * 3
        assert found[0] == found[1]
        bundles = [digest_files(tmp_path / where / name / "bundles") for where in ("far", "near")]
        assert bundles[0] == bundles[1]
    assert not list(tmp_path.rglob("*.partial"))

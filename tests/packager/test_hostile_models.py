"""Model files that attack whoever loads them: without trust they are refused in one sentence, and nothing happens."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from packager.jobs.workers import Job, Limits, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="needs inotify, to see reads below Python"),
]

TABLES = {
    "KERAS": ("tests.packager.hostile_keras", 18),
    "KERAS_QUIET": ("tests.packager.hostile_keras", 28),
    "GRAPHS": ("tests.packager.hostile_graphs", 20),
    "GRAPHS_QUIET": ("tests.packager.hostile_graphs", 8),
    "TORCH": ("tests.packager.hostile_torch", 11),
    "TORCH_QUIET": ("tests.packager.hostile_torch", 20),
}
"""where attacks stand, and at least how many"""
NEEDED = {"tf_keras": ["KERAS", "KERAS_QUIET", "GRAPHS", "GRAPHS_QUIET"], "torch": ["TORCH", "TORCH_QUIET"]}


@pytest.mark.parametrize("package", NEEDED)
def test_nothing_is_run_written_or_read_without_trust(package: str, tmp_path: Path) -> None:
    """And what stands in a table of real attacks does run, write or read, once it is trusted or not looked at."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    tables = [[TABLES[name][0], name, not name.endswith("QUIET")] for name in NEEDED[package]]
    request = {"tables": tables, "folder": str(tmp_path)}
    events = run_job(Job("tests.packager.hostile_jobs:attack", request, tmp_path / "log.txt", Limits(time_s=400)))
    for name in NEEDED[package]:
        assert sum(event["table"] == name for event in events) >= TABLES[name][1]
    faults = [line for event in events for line in _judge(event, tmp_path)]
    assert not faults, "\n".join(faults)


def _judge(event: dict[str, Any], folder: Path) -> list[str]:
    """What was not as it should be."""
    name, fault = event["name"], event["fault"] or ""
    checks = {
        "was not refused, or not in our words": event["kind"] == "PackagingError",
        "wrote": not event["wrote"],
        "read": not event["read"],
        "tells what it should not": "secret-0123" not in fault,
        "does not say where": str(folder) in fault,
        "is more than a sentence": "\n" not in fault and len(fault.replace(str(folder), "")) < 600,
        "is no attack: nothing happens with trust either": event.get("real", True),
    }
    return [f"{name}: {what}: {event}" for what, good in checks.items() if not good]

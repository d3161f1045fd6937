"""Model files that attack whoever loads them: without trust they are refused in one sentence, and nothing happens."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from packager.workers import Job, Limits, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="needs inotify, to see reads below Python"),
]

FOLDER = Path(__file__).parent
TABLES = {
    "KERAS": ("hostile_keras", "tf_keras"),
    "KERAS_QUIET": ("hostile_keras", "tf_keras"),
    "GRAPHS": ("hostile_graphs", "tensorflow"),
    "GRAPHS_QUIET": ("hostile_graphs", "tensorflow"),
    "TORCH": ("hostile_torch", "torch"),
    "TORCH_QUIET": ("hostile_torch", "torch"),
}
FEWEST = {"KERAS": 18, "KERAS_QUIET": 28, "GRAPHS": 20, "GRAPHS_QUIET": 8, "TORCH": 11, "TORCH_QUIET": 20}
"""so that a table that was emptied is seen"""


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_run_written_or_read_without_trust(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what stands in a table of real attacks does run, write or read, once it is trusted or not looked at."""
    module, needs = TABLES[table]
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    real = not table.endswith("QUIET")
    request = {"module": module, "table": table, "folder": str(tmp_path), "real": real}
    events = run_job(Job("hostile_jobs:attack", request, tmp_path / "log.txt", Limits(time_s=300)))
    assert len(events) >= FEWEST[table]
    faults = [line for event in events for line in _judge(event, tmp_path, real=real)]
    assert not faults, "\n".join(faults)


def _judge(event: dict[str, Any], folder: Path, *, real: bool) -> list[str]:
    """What was not as it should be."""
    name, fault = event["name"], event["fault"] or ""
    checks = {
        "was not refused, or not in our words": event["kind"] == "PackagingError",
        "wrote": not event["wrote"],
        "read": not event["read"],
        "tells what it should not": "secret-0123" not in fault,
        "does not say where": str(folder) in fault,
        "is more than a sentence": "\n" not in fault and len(fault.replace(str(folder), "")) < 600,
        "is no attack: nothing happens with trust either": not real or event["real"],
    }
    return [f"{name}: {what}: {event}" for what, good in checks.items() if not good]

from __future__ import annotations

import pytest

from evaluators.evaluation import Evaluation
from evaluators.identity import Identity
from reports.history.runs import Run, summarize_run


@pytest.fixture(scope="session")
def run(evaluation: Evaluation) -> Run:
    """The example evaluation's run; tests make others of it."""
    identity = Identity(commit="a" * 40, branch="main", dirty=False, run_url="https://ci.example/runs/1")
    return summarize_run(evaluation.model_copy(update={"identity": identity}))


@pytest.fixture(scope="session")
def runs(run: Run) -> list[Run]:
    """Thirty runs, a day apart; from the 21st on one bundle's latency on one phone is 8 % higher."""
    return [make_run(run, number, factor=1.08 if number >= 20 else 1.0) for number in range(30)]


def make_run(run: Run, number: int, *, factor: float = 1.0) -> Run:
    """The run of another day and commit, with one number times a factor."""
    line = run.bundles["tflite-float16"]
    phone = line.phones["pixel-8"]
    latency = tuple(end * factor for end in phone["latency_ms"])
    changed = line.model_copy(update={"phones": {**line.phones, "pixel-8": {**phone, "latency_ms": latency}}})
    assert run.identity is not None
    return run.model_copy(
        update={
            "run": f"{number:064x}",
            "created": f"2026-09-{number + 1:02d}T12:00:00+00:00",
            "identity": run.identity.model_copy(update={"commit": f"{number:040x}"}),
            "bundles": {**run.bundles, "tflite-float16": changed},
        }
    )

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.errors import EvaluationError
from evaluators.task import Metric, absent, load_task, present, task_kinds

ROOT = Path(__file__).parents[2]


def test_kinds_are_the_file_names() -> None:
    files = {path.stem for path in (ROOT / "evaluators" / "tasks").glob("*.py")} - {"__init__"}
    assert set(task_kinds()) == files
    assert "note_transcription" in files
    assert list(task_kinds()) == sorted(task_kinds())


def test_listing_kinds_imports_no_task_and_no_metric_library() -> None:
    code = (
        "import sys; from evaluators.task import task_kinds; assert task_kinds();"
        "print([m for m in sys.modules if m.startswith(('evaluators.tasks.', 'mir_eval', 'scipy', 'soundfile'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", task_kinds())
def test_every_task_meets_the_protocol(kind: str) -> None:
    task = load_task(kind)
    assert task.kind == kind
    assert bool(task.label_keys) == bool(task.metrics), "what is scored is scored against labels"
    assert not {"audio", "tags"} & set(task.label_keys)
    assert bool(task.required_outputs) == bool(task.metrics)
    assert task.metrics or kind == "parity"
    for metric in task.metrics.values():
        assert metric.direction in ("higher", "lower")
        assert metric.unit
        assert metric.description.endswith(".")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("note_transkription", "no task of kind 'note_transkription'; did you mean 'note_transcription'?"),
        ("zzz", f"no task of kind 'zzz'; known kinds: {', '.join(task_kinds())}"),
        ("", f"no task of kind ''; known kinds: {', '.join(task_kinds())}"),
    ],
)
def test_unknown_kind(kind: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task(kind)
    assert str(caught.value) == message


def test_scores_take_unit_and_direction_from_the_metric() -> None:
    metric = Metric("db", "lower", "An example.")
    here, gone = present(metric, 3, basis="emulated"), absent(metric, "nothing there", basis="measured_host")
    assert (here.value, here.unit, here.direction, here.basis, here.reason) == (3.0, "db", "lower", "emulated", None)
    assert (gone.value, gone.unit, gone.direction, gone.basis) == (None, "db", "lower", "measured_host")
    assert gone.reason == "nothing there"

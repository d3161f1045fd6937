from __future__ import annotations

import math

import pytest

from evaluators.errors import EvaluationError
from evaluators.task import Absent, Found, Metric, Task, make_scores
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task, list_tasks, load_task
from evaluators.unlabelled import Unlabelled
from testpress.diagnosis import REQUIREMENTS


class _Levels(Task):
    metrics = {"level": Metric("db", "lower", "An example."), "all": Metric("ratio", "higher", "All.", "dataset")}


@pytest.mark.parametrize("kind", list_tasks())
def test_every_task_declares_what_there_is(kind: str) -> None:
    task = load_task(kind)
    assert bool(task.label_keys) == bool(task.metrics), "what is scored is scored against labels"
    assert bool(task.required_outputs) == bool(task.metrics)
    assert task.metrics or kind == "parity"
    for metric in task.metrics.values():
        assert metric.direction in ("higher", "lower")
        assert metric.unit
        assert metric.description.endswith(".")
    assert set(task.libraries) <= {requirement.package for requirement in REQUIREMENTS}, "testpress doctor tells of it"
    assert ask_task(find_task(kind)).reference.kind == kind


def test_scores_take_unit_and_direction_from_the_metric() -> None:
    found = make_scores(_Levels(), {"level": 3}, "clip", basis="emulated")
    assert found["level"].model_dump(exclude_none=True) == {
        "value": 3.0,
        "unit": "db",
        "direction": "lower",
        "basis": "emulated",
    }
    gone = make_scores(_Levels(), {"all": Absent("nothing there")}, "dataset", basis="measured_host")["all"]
    assert (gone.value, gone.unit, gone.direction, gone.basis) == (None, "ratio", "higher", "measured_host")
    assert gone.reason == "nothing there"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, '_Levels.score returned nothing; right are its metrics of scope "clip": level'),
        ({"level": 1.0, "all": 1.0}, '_Levels.score returned level, all; right are its metrics of scope "clip": level'),
        ({"level": math.nan}, "the metric level is nan; right is a finite number, or Absent with a reason"),
        ({"level": math.inf}, "the metric level is inf; right is a finite number, or Absent with a reason"),
    ],
)
def test_what_is_no_score_is_told(found: Found, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        make_scores(_Levels(), found, "clip", basis="emulated")
    assert str(caught.value) == message


class _Loud(_Levels):
    label_free = ("level",)
    wrong = False

    def score_alone(self, estimate: float) -> Found:
        return {} if self.wrong else {"level": estimate}


def test_what_needs_no_labels_is_scored_without_them() -> None:
    bare = Unlabelled(_Loud())
    assert list(bare.metrics) == ["level"]
    assert make_scores(bare, bare.score(None, 3.0), "clip", basis="emulated")["level"].value == 3.0
    assert not Unlabelled(_Levels()).metrics
    wrong = _Loud()
    wrong.wrong = True
    bare = Unlabelled(wrong)
    with pytest.raises(EvaluationError) as caught:
        make_scores(bare, bare.score(None, 3.0), "clip", basis="emulated")
    assert str(caught.value) == '_Loud.score_alone returned nothing; right are its metrics of scope "clip": level'

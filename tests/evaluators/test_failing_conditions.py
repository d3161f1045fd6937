"""A condition that cannot be made is a failure of that condition alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluators import under_conditions
from evaluators.condition_sets import find_conditions
from evaluators.errors import EvaluationError
from evaluators.evaluation import SourceResult, VariantResult
from evaluators.playing.schedule import Outcome
from evaluators.playing.trial import TrialResult
from evaluators.results import Context
from tests.benches import TASK_INFO

CONDITIONS = find_conditions(["street", "g711"], 8000)
EMPTY = TrialResult(runtime="x", parity=(), clips=(), worst_window=0, notices=())


def refuse(windows: Any, condition: Any, **_: Any) -> None:
    raise EvaluationError(f"the condition {condition.name} cannot be made: the worker was killed\n(log: somewhere)")


def test_it_is_told_for_the_source_and_every_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(under_conditions, "store_conditioned", refuse)
    setup: Any = SimpleNamespace(out=tmp_path, limits=None, executor=None, windows=None, audio=None, targets={})
    told: list[tuple[int, int]] = []
    models, source_model = {"a": tmp_path / "a.tflite"}, None
    played = under_conditions.play_conditions(
        CONDITIONS, models, source_model, setup, lambda _, done, total: told.append((done, total))
    )
    assert told == [(2, 4), (4, 4)]
    source = SourceResult(framework="torch", sha256="", scores={}, clips=())
    row = VariantResult(variant="a", origin="file", path="a", format="tflite", precision="float32", key="")
    other = row.model_copy(update={"variant": "failed"})
    context = Context(source, EMPTY, TASK_INFO, (), tmp_path)
    found, rows = under_conditions.add_conditions(source, [row, other], {"a": EMPTY}, played, context)
    for owner in (found, rows[0]):
        assert [result.condition for result in owner.conditions] == ["street", "g711"]
        reasons = [result.failure.reason for result in owner.conditions if result.failure is not None]
        assert reasons == [f"the condition {one.name} cannot be made: the worker was killed" for one in CONDITIONS]
    assert rows[1].conditions == ()


def test_a_bundle_that_fails_under_a_condition_is_told_and_the_others_are_compared(tmp_path: Path) -> None:
    source = SourceResult(framework="torch", sha256="", scores={}, clips=())
    rows = [
        VariantResult(variant=name, origin="file", path=name, format="tflite", precision="float32", key="")
        for name in ("a", "b")
    ]
    info = TASK_INFO.model_copy(update={"metrics": {}, "agreements": {}})
    killed = Outcome(None, "the worker was killed")
    played = [under_conditions.Played(CONDITIONS[0], Outcome(EMPTY), {"a": killed, "b": Outcome(EMPTY)})]
    context = Context(source, EMPTY, info, (), tmp_path)
    _, (first, second) = under_conditions.add_conditions(source, rows, dict.fromkeys("ab", EMPTY), played, context)
    assert first.conditions[0].failure is not None
    assert first.conditions[0].failure.reason == "the worker was killed"
    assert second.conditions[0].failure is None

"""Every example says what it is for, on labelled audio, and promises something in the units of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.datasets.builtin.making import PREFIX, find_dataset
from evaluators.task_loading import load_task
from testpress.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "examples").glob("*/*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_has_labels_and_a_budget_on_its_task(path: Path) -> None:
    written = read_recipe(path).written
    assert written.task is not None
    task = load_task(written.task.kind, written.task.options)
    assert task.label_keys
    assert set(task.required_outputs) <= set(written.model.outputs)
    if written.task.dataset.startswith(PREFIX):
        labels = find_dataset(written.task.dataset, written.task.dataset_options).collection.labels
        assert set(task.label_keys) <= set(labels)
    assert any(budget.metric in task.metrics and budget.limit in ("max_drop", "max_rise") for budget in written.budgets)
    conditions = {budget.condition for budget in written.budgets} - {None}
    assert bool(conditions) == (written.conditions is not None)  # what is measured in noise is promised in noise

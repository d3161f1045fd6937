"""The wake word in Keras: what PyTorch's model gives with the same weights, promised the same things."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from packager.jobs.workers import Job, Limits, run_job
from testpress.recipe import read_recipe
from tests.specimens import ROOT

pytest.importorskip("torch")

CALLS = 6
"""more than the 36 frames that the blocks remember, 8 a call"""


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.pytorch
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed")
def test_the_weights_make_the_same_model_in_both_frameworks(tmp_path: Path) -> None:
    job = Job("tests.examples.keras_twin:compare_twins", {"seed": 0, "calls": CALLS}, tmp_path / "log", Limits(300))
    events = list(run_job(job))
    assert len(events) == CALLS
    for event in events:
        assert set(event["differences"]) == {"keyword", "context_next", "memory_next"}
        assert event["spread"] > 0.05, "the probabilities say something"
        assert max(event["differences"].values()) < 1e-4, event  # measured: 3e-6


def test_both_recipes_promise_the_same() -> None:
    torch_recipe, keras_recipe = (
        read_recipe(ROOT / "examples" / "wake_word" / name).written for name in ("testpress.toml", "keras.toml")
    )
    assert keras_recipe.model.framework == "tensorflow"
    assert keras_recipe.model.state == torch_recipe.model.state
    assert keras_recipe.model.outputs == torch_recipe.model.outputs
    assert keras_recipe.model_copy(update={"model": torch_recipe.model}) == torch_recipe

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.datasets.builtin.trained import keep_trained
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def test_what_is_there_is_not_trained_again_and_any_change_is(tmp_path: Path) -> None:
    script, trainings = tmp_path / "train.py", list[str]()
    script.write_text("STEPS = 1\n")

    def keep(dataset: str = "keyboard-noise", version: str = "1") -> Path:
        def train() -> bytes:
            trainings.append(script.read_text())
            return f"weights {len(trainings)}".encode()

        return keep_trained("spotter", script, [dataset], train, torch=version)

    first = keep()
    assert keep() == first
    assert (first.read_bytes(), len(trainings)) == (b"weights 1", 1)
    assert len({first, keep("hold-music"), keep(version="2")}) == 3
    script.write_text("STEPS = 2\n")
    assert keep() != first
    assert len(trainings) == 4


def test_a_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("")

    def fail() -> bytes:
        raise ValueError("diverged")

    with pytest.raises(ValueError, match="diverged"):
        keep_trained("spotter", script, [], fail)
    assert not list((tmp_path / "cache" / "trained").glob("*.pt"))
    with pytest.raises(EvaluationError, match="no dataset 'nothing'"):
        keep_trained("spotter", script, ["nothing"], fail)

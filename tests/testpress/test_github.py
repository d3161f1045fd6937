from __future__ import annotations

from pathlib import Path

import pytest

from reports.judging.comparison import Comparison, compare
from testpress.github import annotation_lines
from tests.reports.example_evaluation import make_evaluation

ON = {"GITHUB_ACTIONS": "true"}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(make_evaluation())


def told(comparison: Comparison, command: str) -> Comparison:
    evaluation = comparison.evaluation.model_copy(update={"command": command})
    return comparison.model_copy(update={"evaluation": evaluation})


def test_elsewhere_there_is_nothing_to_say(comparison: Comparison) -> None:
    assert annotation_lines(comparison, Path("testpress.toml"), {}) == ()


def test_the_recipe_is_named_from_the_root_of_the_repository(comparison: Comparison, tmp_path: Path) -> None:
    place = {**ON, "GITHUB_WORKSPACE": str(tmp_path)}
    lines = annotation_lines(comparison, tmp_path / "jobs" / "testpress.toml", place)
    assert all(" file=jobs/testpress.toml,title=" in line for line in lines)
    assert " file=" not in annotation_lines(comparison, tmp_path.parent / "testpress.toml", place)[0]


def test_without_a_recipe_it_is_the_one_of_the_command(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = told(comparison, "testpress run 'my job.toml' -o out")
    assert " file=" not in annotation_lines(asked, None, ON)[0]
    Path("my job.toml").touch()
    assert " file=my job.toml," in annotation_lines(asked, None, ON)[0]


@pytest.mark.parametrize("command", ["'", "", "testpress run " + "x" * 5000 + ".toml", "a\x00.toml"])
def test_a_command_that_names_none_is_no_fault(comparison: Comparison, command: str) -> None:
    assert " file=" not in annotation_lines(told(comparison, command), None, ON)[0]

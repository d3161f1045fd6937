from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from testpress.ci_jobs import CI_FILES, find_job_files
from testpress.errors import RecipeError
from testpress.recipe import read_recipe
from testpress.starter import as_text, make_starter


def load(path: Path) -> dict[Any, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    "source", [None, "pkg://basic_pitch/saved_models/icassp_2022/nmp", "python:net:build", 'a"b\\c']
)
def test_the_recipe_is_one(tmp_path: Path, source: str | None) -> None:
    made = make_starter(tmp_path / "new", source=source)
    recipe = read_recipe(made.recipe)
    assert recipe.written.model.source == (source or "python:net:build")
    assert recipe.written.audio is not None
    assert recipe.written.task is not None
    assert {profile.platform for profile in recipe.profiles} == {"android", "ios"}
    assert len(recipe.variants) == 4
    assert len(recipe.written.budgets) == 4


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (None, "my-model"),
        ("pkg://basic_pitch/saved_models/icassp_2022/nmp", "nmp"),
        ("python:silero:build", "silero"),
        ("models/tiny.pt2", "tiny"),
    ],
)
def test_the_model_is_named_after_its_source(tmp_path: Path, source: str | None, name: str) -> None:
    assert read_recipe(make_starter(tmp_path, source=source).recipe).written.model.name == name


def test_a_path_of_the_shell_becomes_one_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.pt2").touch()
    monkeypatch.chdir(tmp_path)
    made = make_starter(Path("jobs/audio"), source="model.pt2", systems=())
    assert read_recipe(made.recipe).written.model.source == "../../model.pt2"
    assert made.jobs == {}


@pytest.mark.parametrize("source", ["", "x" * 201, "a\nb", "\udc80"])
def test_a_source_no_recipe_can_hold_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(RecipeError, match="--model: a source has 1 to 200 printable signs"):
        make_starter(tmp_path, source=source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["testpress.toml", *CI_FILES.values()])
def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(RecipeError) as caught:
        make_starter(tmp_path)
    assert str(caught.value).startswith(f"{path}: is there already and is not overwritten")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]
    assert path.read_text() == "mine"


def test_a_link_to_nowhere_is_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "testpress.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecipeError, match="is there already"):
        make_starter(tmp_path)


def test_a_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="cannot be written"):
        make_starter(tmp_path / "file")


def test_what_was_written_goes_when_the_rest_cannot_be(tmp_path: Path) -> None:
    (tmp_path / ".github").touch()
    with pytest.raises(RecipeError, match="cannot be written"):
        make_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".github"]


def test_jobs_go_to_the_root_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    made = make_starter(tmp_path / "models" / "my \"voice\" 'é'")
    assert made.jobs == find_job_files(tmp_path, tuple(CI_FILES))
    assert all(path.is_file() and path.is_relative_to(tmp_path) for path in made.jobs.values())


def test_the_text_says_what_is_next(tmp_path: Path) -> None:
    lines = as_text(make_starter(tmp_path)).splitlines()
    jobs = find_job_files(tmp_path, tuple(CI_FILES)).values()
    assert lines[:4] == [str(path) for path in (tmp_path / "testpress.toml", *jobs)]
    assert f"  testpress run {tmp_path / 'testpress.toml'}" in lines
    assert "include testpress.gitlab-ci.yml" in lines[-1]

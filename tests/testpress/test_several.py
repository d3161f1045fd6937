"""Several recipes in one run: where each writes, what is told at the end; one that cannot be run ends no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testpress.errors import RecipeError
from testpress.recipe import Recipe, read_recipe
from testpress.several import choose_folders
from tests.specimens import Job, make_notes_job, run_command


def _recipes(folder: Path, *names: str) -> list[Recipe]:
    recipes = []
    for name in names:
        job = make_notes_job((folder / name).parent, folder / "model")
        job.write()
        (folder / name).write_bytes(job.path.read_bytes())
        recipes.append(read_recipe(folder / name))
    return recipes


@pytest.mark.parametrize(
    ("names", "out", "expected"),
    [
        (["a/testpress.toml"], None, ["a/testpress-out"]),
        (["a/testpress.toml"], "o", ["o"]),
        (["a/testpress.toml", "b/testpress.toml"], None, ["a/testpress-out", "b/testpress-out"]),
        (["a/testpress.toml", "b/other.toml"], "o", ["o/a", "o/other"]),
    ],
)
def test_where_each_recipe_writes(names: list[str], out: str | None, expected: list[str], tmp_path: Path) -> None:
    found = choose_folders(_recipes(tmp_path, *names), None if out is None else tmp_path / out)
    assert found == [tmp_path / each for each in expected]


@pytest.mark.parametrize(
    ("names", "out"),
    [(["a/one.toml", "a/two.toml"], None), (["a/x.toml", "b/x.toml"], "o"), (["a/x.toml", "a/x.toml"], "o")],
)
def test_two_recipes_in_one_folder_are_refused(names: list[str], out: str | None, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        choose_folders(_recipes(tmp_path, *names), None if out is None else tmp_path / out)
    place = tmp_path / ("a/testpress-out" if out is None else "o/x")
    first, second = (tmp_path / name for name in names)
    assert str(caught.value) == (
        f"{place}: {first} and {second} would both write here; give them names or folders of their own"
    )


@pytest.fixture
def jobs(saved_models: Path, tmp_path: Path) -> list[Job]:
    """One that is good, one that breaks a budget, and one whose audio is missing."""
    made = [make_notes_job(tmp_path / name, saved_models / "notes") for name in ("good", "broken", "faulty")]
    for job, size in ((made[0], "1GB"), (made[1], 1)):
        job.recipe["budgets"] = [{"metric": "size_bytes", "max": size}]
    made[2].lines[0]["audio"] = "missing.wav"
    for job in made:
        job.write()
    return made


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
def test_one_table_one_list_and_the_highest_exit_code(jobs: list[Job], tmp_path: Path) -> None:
    paths = [str(job.path) for job in jobs]
    ran = run_command([*jobs[0].command()[:4], *paths, "-o", str(tmp_path / "o"), "--jobs", "1"], timeout_s=300)
    assert ran.returncode == 3, ran.stderr
    head, *rows = ran.stdout.splitlines()
    assert head.split() == ["recipe", "verdict", "bundles", "report"]
    assert [row.split()[:2] for row in rows[:3]] == [[paths[0], "pass"], [paths[1], "fail"], [paths[2], "not"]]
    assert "missing.wav does not exist" in rows[2]
    assert rows[3].startswith(f"  - {paths[1]}: tflite-float32: size_bytes at most ")
    assert f"{paths[0]}: package …" in ran.stderr
    again = run_command([*jobs[0].command()[:4], *paths, "-o", str(tmp_path / "o"), "--json", "-q"], timeout_s=300)
    assert again.returncode == 3
    good, broken, faulty = json.loads(again.stdout)
    assert (good["recipe"], good["error"], good["outcome"]["status"]) == (paths[0], None, "pass")
    assert broken["outcome"]["status"] == "fail"
    assert "missing.wav does not exist" in faulty["error"]
    assert Path(good["report"]) == tmp_path / "o" / "good" / "report" / "report.html"


@pytest.mark.slow
def test_a_baseline_of_several_is_refused(tmp_path: Path) -> None:
    job = make_notes_job(tmp_path, tmp_path / "model")
    ran = run_command([*job.command(), str(job.path), "--baseline", "old.json"])
    assert ran.returncode == 2
    assert "--baseline is one recipe's" in ran.stderr

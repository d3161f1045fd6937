from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import testpress
from testpress.errors import RecipeError
from testpress.recipe import read_recipe
from testpress.starter import CI_FILES, as_text, make_starter

GH = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  "run list"*) printf '%s' "$RUN_ID" ;;
  "run download"*) mkdir -p baseline && echo '{}' > baseline/evaluation.json ;;
  *--paginate*) printf '%s' "$FOUND"; printf '%s' "$MARKER" > marker.txt ;;
esac
"""
TESTPRESS = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
exit "${EXIT:-0}"
"""


def load(path: Path) -> dict[Any, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(make_starter(tmp_path).jobs["github"])["jobs"]["testpress"]
    return found


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """Runs a step's script as GitHub does, with a `gh` and a `testpress` that only write down what they are asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("gh", GH), ("testpress", TESTPRESS)):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)

    def run(script: str, **environment: str) -> tuple[int, list[str]]:
        calls = tmp_path / "calls"
        calls.write_text("")
        known = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "OUT": "testpress-out",
            "RECIPE": "testpress.toml",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "NUMBER": "7",
            "BRANCH": "main",
            "RUN_ID": "",
            "FOUND": "",
            **environment,
        }
        done = subprocess.run(["bash", "-e", "-c", script], env=known, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, calls.read_text().splitlines()

    return run


def step(job: dict[str, Any], name: str) -> str:
    (found,) = (each["run"] for each in job["steps"] if each.get("name") == name)
    assert isinstance(found, str)
    return found


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
    assert made.jobs == {system: tmp_path / name for system, name in CI_FILES.items()}
    path = "models/my \"voice\" 'é'/testpress.toml"
    assert load(made.jobs["github"])["jobs"]["testpress"]["env"]["RECIPE"] == path
    assert load(made.jobs["gitlab"])["testpress"]["variables"]["RECIPE"] == path


def test_the_text_says_what_is_next(tmp_path: Path) -> None:
    lines = as_text(make_starter(tmp_path)).splitlines()
    assert lines[:3] == [str(tmp_path / name) for name in ("testpress.toml", *CI_FILES.values())]
    assert f"  testpress run {tmp_path / 'testpress.toml'}" in lines
    assert "include testpress.gitlab-ci.yml" in lines[-1]


def test_the_github_job_may_do_what_it_must_and_no_more(tmp_path: Path) -> None:
    workflow = load(make_starter(tmp_path).jobs["github"])
    assert workflow["permissions"] == {"contents": "read", "actions": "read", "pull-requests": "write"}
    assert set(workflow[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    steps = workflow["jobs"]["testpress"]["steps"]
    assert all("${{" not in each.get("run", "") for each in steps)  # values come by the environment, never as code
    (upload,) = (each for each in steps if "upload-artifact" in each.get("uses", ""))
    assert upload["with"]["path"].split() == ["testpress-out/report/", "testpress-out/evaluation.json"]
    assert f"testpress[all]=={testpress.__version__}" in step(workflow["jobs"]["testpress"], "Install testpress")
    after = [each for each in steps if each.get("name", "").startswith("Write") or each is upload]
    assert len(after) == 3
    assert all("!cancelled()" in each["if"] for each in after)


def test_every_script_is_shell(tmp_path: Path) -> None:
    made = make_starter(tmp_path)
    scripts = [each["run"] for each in load(made.jobs["github"])["jobs"]["testpress"]["steps"] if "run" in each]
    scripts += load(made.jobs["gitlab"])["testpress"]["script"]
    assert len(scripts) == 7
    for script in scripts:
        assert subprocess.run(["bash", "-n", "-c", script], capture_output=True).returncode == 0, script


@pytest.mark.parametrize("code", ["0", "1", "3"])
def test_the_job_ends_as_testpress_does(job: dict[str, Any], shell: Any, code: str) -> None:
    assert shell(step(job, "Run testpress"), EXIT=code) == (int(code), ["run testpress.toml -o testpress-out"])


def test_a_baseline_is_fetched_and_used_where_there_is_one(job: dict[str, Any], shell: Any, tmp_path: Path) -> None:
    code, calls = shell(step(job, "Fetch the baseline"))
    assert (code, len(calls)) == (0, 1)
    code, calls = shell(step(job, "Fetch the baseline"), RUN_ID="99")
    assert (code, calls[1]) == (0, "run download 99 --repo o/r --name testpress --dir baseline")
    code, calls = shell(step(job, "Run testpress"), EXIT="3")
    assert calls == ["run testpress.toml -o testpress-out --baseline baseline/evaluation.json"]
    assert code == 3


def test_the_summary_is_the_report(job: dict[str, Any], shell: Any, tmp_path: Path) -> None:
    assert shell(step(job, "Write the summary"))[0] == 0
    report = tmp_path / "testpress-out" / "report"
    report.mkdir(parents=True)
    (report / "report.md").write_text("# Pass\n")
    assert shell(step(job, "Write the summary"))[0] == 0
    assert (tmp_path / "summary.md").read_text() == "# Pass\n"


def test_the_comment_is_found_by_its_first_line_and_updated(job: dict[str, Any], shell: Any, tmp_path: Path) -> None:
    script = step(job, "Write the comment")
    assert shell(script) == (0, [])
    report = tmp_path / "testpress-out" / "report"
    report.mkdir(parents=True)
    (report / "comment.md").write_text("<!-- testpress: m -->\n## Pass\n")
    body = "--field body=@testpress-out/report/comment.md"
    code, calls = shell(script)
    assert (code, calls[-1]) == (0, f"api --silent --method POST repos/o/r/issues/7/comments {body}")
    code, calls = shell(script, FOUND="11\n12\n")
    assert (code, calls[-1]) == (0, f"api --silent --method PATCH repos/o/r/issues/comments/11 {body}")
    assert (tmp_path / "marker.txt").read_text() == "<!-- testpress: m -->"
    assert "repos/o/r/issues/7/comments?per_page=100" in calls[0]


def test_the_gitlab_job_hands_over_every_report(tmp_path: Path) -> None:
    found = load(make_starter(tmp_path).jobs["gitlab"])["testpress"]
    assert found["artifacts"]["when"] == "always"
    assert found["artifacts"]["reports"] == {
        "junit": "testpress-out/report/junit.xml",
        "metrics": "testpress-out/report/metrics.txt",
    }
    assert found["artifacts"]["paths"] == ["testpress-out/report/", "testpress-out/evaluation.json"]
    assert json.dumps(found["script"]).count("testpress run") == 1


def test_the_gitlab_job_uses_a_baseline_where_there_is_one(tmp_path: Path, shell: Any) -> None:
    script = load(make_starter(tmp_path).jobs["gitlab"])["testpress"]["script"][-1]
    assert shell(script.replace("curl", "false"), EXIT="3") == (3, ["run testpress.toml -o testpress-out"])
    assert shell(script.replace("curl", "true"))[1] == ["run testpress.toml -o testpress-out --baseline baseline.json"]

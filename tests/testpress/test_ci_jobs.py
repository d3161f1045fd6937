from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testpress.ci_jobs import CI_FILES, describe_origin, find_job_files
from testpress.starter import make_starter
from tests.specimens import ROOT, Job
from tests.testpress.workflow_steps import (
    RECORDER,
    TESTPRESS,
    Runner,
    find_step,
    list_scripts,
    list_uses,
    load,
)

ACTION = ROOT / "action.yml"
COMMIT = "c" * 40
WHEEL = "https://example.org/testpress-1.0-py3-none-any.whl"
MARKER = "<!-- testpress: m -->"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("new")
    make_starter(folder)
    return find_job_files(folder, tuple(CI_FILES))


@pytest.fixture
def steps(files: dict[str, Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load(files["github"])["jobs"]["testpress"]["steps"]
    return found


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    environment = {"OUT": "testpress-out", "RECIPE": "testpress.toml", "NAME": "testpress", "TESTPRESS": WHEEL}
    programs = {"testpress": RECORDER, "pip": RECORDER}
    return Runner(tmp_path / "machine", tmp_path / "work", programs, environment)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    ran = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def make_history(folder: Path, count: int) -> list[str]:
    """A repository of as many commits, the latest first."""
    git(folder, "init", "-q", "-b", "main")
    for number in range(count):
        git(folder, "commit", "-q", "--allow-empty", "-m", str(number))
    return git(folder, "rev-list", "HEAD").split()


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        ({"url": WHEEL, "archive_info": {}}, f"testpress[all] @ {WHEEL}"),
        (
            {"url": WHEEL, "archive_info": {"hashes": {"sha256": "a" * 64}}},
            f"testpress[all] @ {WHEEL}#sha256={'a' * 64}",
        ),
        (
            {"url": "https://example.org/t.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"testpress[all] @ git+https://example.org/t.git@{COMMIT}",
        ),
        ({"url": "file:///repository/vendor/testpress", "dir_info": {}}, "./vendor/testpress[all]"),
        ({"url": "file:///elsewhere/testpress", "dir_info": {"editable": True}}, ""),
        ({"url": 'https://example.org/"$(id)".whl'}, ""),
        ({"url": "https://example.org/t.git", "vcs_info": {"vcs": "git", "commit_id": "main"}}, ""),
        ({}, ""),
    ],
)
def test_where_testpress_was_installed_from_is_what_ci_installs(origin: dict[str, Any], requirement: str) -> None:
    assert describe_origin(origin, Path("/repository")) == requirement


def test_jobs_are_of_the_recipe_they_were_written_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    made = make_starter(tmp_path / "models" / "my \"voice\" 'é'")
    (entry,) = load(made.jobs["github"])["jobs"]["testpress"]["strategy"]["matrix"]["include"]
    assert entry == {"name": "models-my-voice", "recipe": "models/my \"voice\" 'é'/testpress.toml"}
    assert load(made.jobs["gitlab"])["models-my-voice"]["variables"]["RECIPE"] == entry["recipe"]


def test_the_reading_job_may_read_and_the_writing_one_runs_nothing_of_others(files: dict[str, Path]) -> None:
    reading, writing = load(files["github"]), load(files["github-comment"])
    assert reading["permissions"] == writing["permissions"] == {}
    assert reading["jobs"]["testpress"]["permissions"] == {"contents": "read", "actions": "read"}
    assert writing["jobs"]["comment"]["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert set(reading[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert writing[True] == {"workflow_run": {"workflows": [reading["name"]], "types": ["completed"]}}
    assert list_uses(files["github-comment"].read_text()) == []
    for script in list_scripts([reading, writing, load(ACTION)]):
        assert "${{" not in script  # values come by the environment, never as code


def test_actions_are_pinned_by_hash_and_the_image_by_digest(files: dict[str, Path]) -> None:
    used = [use for path in (files["github"], ACTION) for use in list_uses(path.read_text())]
    assert len(used) == 14
    assert all(re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40}", use) for use in used)
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (base,) = (line for line in lines if line.startswith("FROM"))
    assert re.fullmatch(r"FROM python:3\.11[\w.-]+@sha256:[0-9a-f]{64}", base)
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)


def test_everything_is_handed_over_whatever_the_verdict(steps: list[dict[str, Any]], files: dict[str, Path]) -> None:
    last = [each.get("name", each.get("uses", "")) for each in steps].index("Run testpress")
    assert all("!cancelled()" in each["if"] for each in steps[last + 1 :])
    kept = [each["with"] for each in steps if "upload-artifact" in each.get("uses", "")]
    uploads = {each["name"]: each["path"] for each in kept}
    names = [name.removeprefix("testpress-${{ matrix.name }}") for name in uploads]
    assert names == ["", "-bundles", "-comment"]
    for what in ("evaluation.json", "history.jsonl", "report/", "previews/", "logs/"):
        assert f"testpress-out/{what}" in uploads["testpress-${{ matrix.name }}"].split()
    gitlab = load(files["gitlab"])[".testpress"]["artifacts"]
    assert gitlab["when"] == "always"
    assert gitlab["reports"] == {
        "junit": "testpress-out/report/junit.xml",
        "metrics": "testpress-out/report/metrics.txt",
    }
    assert "testpress-out/bundles/" in gitlab["paths"]


@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_without_a_place_to_install_from_the_job_says_so(system: str, files: dict[str, Path], runner: Runner) -> None:
    script = next(script for script in list_scripts(load(files[system])) if "pip install" in script)
    ended = runner.run(script, TESTPRESS="")
    assert ended.returncode == 1
    assert "does not say where testpress is" in ended.stdout + ended.stderr
    assert runner.calls == []
    assert runner.run(script).returncode == 0
    assert runner.calls == [f"pip install --extra-index-url https://download.pytorch.org/whl/cpu {WHEEL}"]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_job_ends_as_testpress_does(steps: list[dict[str, Any]], runner: Runner, code: int) -> None:
    ended = runner.run(find_step(steps, "Run testpress"), EXIT=str(code))
    alone = "testpress run testpress.toml -o testpress-out"
    assert (ended.returncode, runner.calls) == (code, [f"{alone} --baseline baseline"])


def test_the_baseline_is_of_the_nearest_commit_that_was_evaluated(steps: list[dict[str, Any]], runner: Runner) -> None:
    script = find_step(steps, "Fetch the baseline")
    commits = make_history(runner.workspace, 5)
    assert "there is no baseline yet" in runner.run(script).stdout
    # The commit itself is none; the one before was cancelled and left nothing, the next left no evaluation.
    (runner.answers / "runs").write_text("".join(f"{commit} {n}\n" for n, commit in enumerate(commits)))
    (runner.answers / "2" / "testpress-testpress").mkdir(parents=True)
    found = runner.answers / "3" / "testpress-testpress"
    found.mkdir(parents=True)
    (found / "evaluation.json").write_text("{}")
    assert f"the baseline is {commits[3]}" in runner.run(script).stdout
    downloads = [call for call in runner.calls if call.startswith("run download")]
    assert [call.split()[2] for call in downloads] == ["1", "2", "3"]
    listed = next(call for call in runner.calls if call.startswith("run list"))
    assert "--event push --status completed" in listed  # whatever the verdict, and of no fork
    runner.run(find_step(steps, "Run testpress"))
    assert runner.calls[-1] == "testpress run testpress.toml -o testpress-out --baseline baseline"


def test_of_a_merge_the_base_is_followed(steps: list[dict[str, Any]], runner: Runner) -> None:
    """A pull request's commit is its merge into the base: the request's own commits are no baseline."""
    make_history(runner.workspace, 2)
    base = git(runner.workspace, "rev-parse", "HEAD")
    git(runner.workspace, "checkout", "-q", "-b", "topic")
    git(runner.workspace, "commit", "-q", "--allow-empty", "-m", "topic")
    topic = git(runner.workspace, "rev-parse", "HEAD")
    git(runner.workspace, "checkout", "-q", "--detach", "main")
    git(runner.workspace, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    (runner.answers / "runs").write_text(f"{topic} 1\n{base} 2\n")
    for number in ("1", "2"):
        (runner.answers / number / "testpress-testpress").mkdir(parents=True)
        (runner.answers / number / "testpress-testpress" / "evaluation.json").write_text("{}")
    assert f"the baseline is {base}" in runner.run(find_step(steps, "Fetch the baseline")).stdout


def test_the_summary_is_the_report_or_what_went_wrong(steps: list[dict[str, Any]], runner: Runner) -> None:
    script = find_step(steps, "Write the summary")
    assert runner.run(script).returncode == 0
    (runner.workspace / "testpress.log").write_text("testpress: x.toml: no such file\n```\n")
    runner.run(script)
    assert runner.summary.read_text().endswith("\n    testpress: x.toml: no such file\n    ```\n")
    (runner.workspace / "testpress-out" / "report").mkdir(parents=True)
    (runner.workspace / "testpress-out" / "report" / "report.md").write_text("# Pass\n")
    runner.run(script)
    assert runner.summary.read_text().endswith("# Pass\n")


class TestComment:
    """What the second workflow writes, given what the first one left."""

    @pytest.fixture
    def script(self, files: dict[str, Path]) -> str:
        (script,) = list_scripts(load(files["github-comment"]))
        assert isinstance(script, str)
        return script

    @pytest.fixture
    def left(self, runner: Runner) -> Path:
        runner.environment |= {"RUN_ID": "9", "HEAD_OWNER": "fork", "HEAD_BRANCH": "topic", "HEAD_SHA": COMMIT}
        (runner.answers / "pulls").write_text("7\n")
        folder = runner.answers / "9" / "testpress-m-comment"
        folder.mkdir(parents=True)
        (folder / "comment.md").write_text(f"{MARKER}\n## Pass\n")
        return folder / "comment.md"

    def test_it_is_new_or_written_anew(self, runner: Runner, script: str, left: Path) -> None:
        body = "--field body=@comments/testpress-m-comment/comment.md"
        assert runner.run(script).returncode == 0
        assert runner.calls[0].startswith("api --method GET repos/o/r/pulls --raw-field state=open ")
        assert "head=fork:topic" in runner.calls[0]
        assert runner.calls[-1] == f"api --silent --method POST repos/o/r/issues/7/comments {body}"
        (runner.answers / "comments").write_text(f"10 <!-- testpress: n -->\n11 {MARKER}\n12 {MARKER}\n")
        shutil.rmtree(runner.workspace / "comments")
        runner.run(script)
        assert runner.calls[-1] == f"api --silent --method PATCH repos/o/r/issues/comments/11 {body}"

    def test_every_recipe_has_its_own(self, runner: Runner, script: str, left: Path) -> None:
        other = left.parent.parent / "testpress-n-comment"
        other.mkdir()
        (other / "comment.md").write_text("<!-- testpress: n -->\n")
        runner.run(script)
        assert sum("--method POST" in call for call in runner.calls) == 2

    @pytest.mark.parametrize(
        "text",
        [
            "## Pass\n",
            "<!-- testpress: a --> b\n",
            "<!-- testpress: --> <b> -->\n",
            "",
            MARKER + "\n" + "x" * 65536,
        ],
    )
    def test_a_text_that_is_none_is_left_out(self, runner: Runner, script: str, left: Path, text: str) -> None:
        left.write_text(text)
        ended = runner.run(script)
        assert ended.returncode == 0
        assert "is no comment of testpress and is left out" in ended.stdout
        assert not any("--method P" in call for call in runner.calls)

    def test_a_link_is_not_followed(self, runner: Runner, script: str, left: Path) -> None:
        secret = left.parent.parent / "secret"
        secret.write_text(f"{MARKER}\n")
        left.unlink()
        left.symlink_to(secret)
        runner.run(script)
        assert not any("--method P" in call for call in runner.calls)

    def test_a_request_that_moved_on_gets_none(self, runner: Runner, script: str, left: Path) -> None:
        (runner.answers / "pulls").write_text("")
        assert "no open pull request" in runner.run(script).stdout
        assert "the fork is gone" in runner.run(script, HEAD_OWNER="").stdout
        assert not any("download" in call for call in runner.calls)


def test_the_gitlab_job_finds_its_baseline_by_commit(files: dict[str, Path], runner: Runner) -> None:
    curl = """#!/usr/bin/env bash
    printf 'curl %s\\n' "$*" >> "$CALLS"
    while [ $# -gt 1 ]; do [ "$1" = --output ] && out="$2"; shift; done
    case "$1" in *"/$HELD/evaluation.json") echo '{}' > "$out" ;; *) exit 22 ;; esac
    """
    (runner.folder / "bin" / "curl").write_text(curl.replace("\n    ", "\n"))
    (runner.folder / "bin" / "curl").chmod(0o700)
    commits = make_history(runner.workspace, 4)
    variables = {
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "5",
        "CI_JOB_TOKEN": "t",
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_SHA": commits[0],
        "HELD": commits[3],
    }
    script = "\n".join(load(files["gitlab"])[".testpress"]["script"][1:])
    ended = runner.run(script, EXIT="3", CI_MERGE_REQUEST_DIFF_BASE_SHA=commits[1], **variables)
    assert (ended.returncode, "the baseline is " + commits[3] in ended.stdout) == (3, True)
    assert [call for call in runner.calls if call.startswith("testpress")] == [
        "testpress run testpress.toml -o testpress-out --baseline baseline"
    ]
    assert [call.split("/")[-2] for call in runner.calls if call.startswith("curl")] == [*commits[1:], commits[3]]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_action_ends_as_testpress_does_after_all_is_handed_over(runner: Runner, code: int) -> None:
    steps = load(ACTION)["runs"]["steps"]
    assert all(step["shell"] == "bash" for step in steps if "run" in step)
    assert runner.run(find_step(steps, "Run testpress"), EXIT=str(code), BASELINE="").returncode == 0
    written = dict(line.split("=", 1) for line in (runner.folder / "output").read_text().splitlines())
    assert written == {"exit-code": str(code), "report": "testpress-out/report"}
    assert "testpress made no report" in runner.summary.read_text()
    assert runner.run(find_step(steps, "End by testpress's exit code"), ENDED=written["exit-code"]).returncode == code


@pytest.mark.parametrize("name", ["old/evaluation.json", "old"])
def test_the_action_hands_a_baseline_on_where_there_is_one(runner: Runner, name: str) -> None:
    script = find_step(load(ACTION)["runs"]["steps"], "Run testpress")
    runner.run(script, BASELINE=name)
    (runner.workspace / "old").mkdir()
    (runner.workspace / "old" / "evaluation.json").write_text("{}")
    runner.run(script, BASELINE=name)
    alone = "testpress run testpress.toml -o testpress-out"
    assert runner.calls == [alone, f"{alone} --baseline {name}"]


def find_tool(name: str) -> str:
    """A linter, beside this Python or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def lint(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_actionlint_finds_nothing(files: dict[str, Path]) -> None:
    lint(find_tool("actionlint"), *(str(files[name]) for name in ("github", "github-comment")))


def test_zizmor_finds_nothing(files: dict[str, Path]) -> None:
    lint(find_tool("zizmor"), "--offline", *(str(path) for path in (files["github"], files["github-comment"], ACTION)))


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("vendor.github-workflows", ("github", "github-comment")),
        ("vendor.github-actions", ("action",)),
        ("vendor.gitlab-ci", ("gitlab",)),
    ],
)
def test_the_schemas_hold(files: dict[str, Path], schema: str, names: tuple[str, ...]) -> None:
    transform = ("--data-transform", "gitlab-ci") if "gitlab" in schema else ()
    paths = [str({**files, "action": ACTION}[name]) for name in names]
    lint(find_tool("check-jsonschema"), "--builtin-schema", schema, *transform, *paths)


@pytest.mark.parametrize("name", ["github", "github-comment", "gitlab", "action"])
def test_every_script_is_shell(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    scripts = list_scripts(load({**files, "action": ACTION}[name]))
    shell = "sh" if name == "gitlab" else "bash"
    assert scripts
    for number, script in enumerate(scripts):
        (tmp_path / f"{number}.sh").write_text(f"#!/usr/bin/env {shell}\n{script}\n")
        assert subprocess.run([shell, "-n", tmp_path / f"{number}.sh"], capture_output=True).returncode == 0, script
    whole = tmp_path / "whole.sh"
    whole.write_text(f"#!/usr/bin/env {shell}\n" + "\n".join(f"(\n{script}\n)" for script in scripts))
    if name == "gitlab":  # its scripts are one
        whole.write_text(f"#!/usr/bin/env {shell}\n" + "\n".join(scripts))
    lint(find_tool("shellcheck"), "--severity=style", str(whole))


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
def test_a_strangers_repository_from_clone_to_verdict(notes_job: Job, tmp_path: Path) -> None:
    """The job as it was written, in a clone, with the real testpress: a verdict, a report, a baseline, a history."""
    origin = notes_job.folder
    origin.mkdir(parents=True)
    git(origin, "init", "-q", "-b", "main")
    jobs = find_job_files(origin, ("github",))
    make_starter(origin, systems=("github",))
    shutil.copytree(notes_job.recipe["model"]["source"], origin / "model")
    notes_job.recipe["model"]["source"] = "model"
    notes_job.write()
    with notes_job.path.open("a") as file:
        file.write('[[budgets]]\nmetric = "size_bytes"\nmax = 1\n')  # breaks
    (origin / ".gitignore").write_text("testpress-out\nbaseline\ntestpress.log\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "first")

    job = load(jobs["github"])["jobs"]["testpress"]
    variables = {
        "OUT": "testpress-out",
        "RECIPE": "testpress.toml",
        "NAME": "testpress",
        "TESTPRESS": WHEEL,
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_RUN_ID": "1",
        "GITHUB_REF_NAME": "main",
        "GITHUB_HEAD_REF": "",
    }
    first = Runner(tmp_path / "one", tmp_path / "clone", {"testpress": TESTPRESS, "pip": RECORDER}, variables)
    git(tmp_path, "clone", "-q", str(origin), str(first.workspace))
    code, done = first.run_job(job)
    assert code == 3, done["Run testpress"].stdout
    assert "::error" in done["Run testpress"].stdout
    assert first.summary.read_text().startswith((first.workspace / "testpress-out/report/report.md").read_text()[:40])
    out = first.workspace / "testpress-out"
    head = git(origin, "rev-parse", "HEAD")
    identity = json.loads((out / "evaluation.json").read_text())["identity"]
    assert (identity["commit"], identity["branch"], identity["dirty"]) == (head, "main", False)
    assert identity["run_url"] == "https://github.example/o/r/actions/runs/1"
    for name in ("report.html", "report.md", "comment.md", "junit.xml", "metrics.txt", "history.html"):
        assert (out / "report" / name).stat().st_size > 0
    assert len((out / "history.jsonl").read_text().splitlines()) == 1

    # The next commit mends the budget; its baseline is the run before, though that one was red.
    notes_job.path.write_text(notes_job.path.read_text().replace("max = 1\n", 'max = "1MB"\n'))
    git(origin, "commit", "-q", "-a", "-m", "second")
    git(first.workspace, "pull", "-q")
    second = Runner(tmp_path / "two", first.workspace, {"testpress": TESTPRESS, "pip": RECORDER}, variables)
    (second.answers / "runs").write_text(f"{head} 1\n")
    kept = second.answers / "1" / "testpress-testpress"
    kept.mkdir(parents=True)
    for name in ("evaluation.json", "history.jsonl"):
        shutil.move(out / name, kept / name)
    code, done = second.run_job(job)
    assert code == 0, done["Run testpress"].stdout
    assert f"the baseline is {head}" in done["Fetch the baseline"].stdout
    assert "no worse than the baseline" in (out / "report" / "junit.xml").read_text()
    assert len((out / "history.jsonl").read_text().splitlines()) == 2

    # What is to be mended is told where people look, and ends the job by 1.
    git(first.workspace, "checkout", "-q", "-b", "broken")
    (first.workspace / "testpress.toml").write_text("[model]\n")
    shutil.rmtree(out / "report")
    (out / "evaluation.json").unlink()
    third = Runner(tmp_path / "three", first.workspace, {"testpress": TESTPRESS, "pip": RECORDER}, variables)
    assert third.run_job(job)[0] == 1
    assert "testpress.toml: model.name: missing" in third.summary.read_text()

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from device_profiles.record import parse_record
from evaluators.errors import EvaluationError
from evaluators.identity import Identity, describe_identity

COMMIT = "0123456789abcdef" * 2 + "01234567"
SYSTEMS = {
    "GitHub": (
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SHA": COMMIT,
            "GITHUB_REF_NAME": "7/merge",
            "GITHUB_HEAD_REF": "topic",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "5",
        },
        "topic",
        "https://github.example/o/r/actions/runs/5",
    ),
    "GitLab": (
        {
            "GITLAB_CI": "true",
            "CI_COMMIT_SHA": COMMIT,
            "CI_COMMIT_REF_NAME": "main",
            "CI_JOB_URL": "https://gitlab.example/o/r/-/jobs/5",
        },
        "main",
        "https://gitlab.example/o/r/-/jobs/5",
    ),
    "Azure": (
        {
            "TF_BUILD": "True",
            "BUILD_SOURCEVERSION": COMMIT,
            "BUILD_SOURCEBRANCH": "refs/heads/a/b",
            "SYSTEM_COLLECTIONURI": "https://dev.example/o/",
            "SYSTEM_TEAMPROJECT": "my project",
            "BUILD_BUILDID": "5",
        },
        "a/b",
        "https://dev.example/o/my%20project/_build/results?buildId=5",
    ),
    "Jenkins": (
        {
            "JENKINS_URL": "https://ci.example/",
            "GIT_COMMIT": COMMIT,
            "BRANCH_NAME": "main",
            "BUILD_URL": "https://ci.example/job/r/5/",
        },
        "main",
        "https://ci.example/job/r/5/",
    ),
}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    ran = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "spring")
    (tmp_path / "testpress.toml").write_text("x")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_git_says_commit_branch_and_whether_files_changed(repository: Path) -> None:
    found = describe_identity(repository, {"a": 1}, {})
    assert (found.commit, found.branch, found.dirty) == (git(repository, "rev-parse", "HEAD"), "spring", False)
    assert found.committed == git(repository, "log", "-1", "--format=%cI")
    assert found.run_url is None
    (repository / "testpress-out").mkdir()
    (repository / "testpress-out" / "new").touch()  # git does not track what testpress writes
    assert describe_identity(repository, {"a": 1}, {}).dirty is False
    (repository / "testpress.toml").write_text("y")
    changed = describe_identity(repository, {"a": 1}, {})
    assert changed.dirty
    assert changed.words == f"{git(repository, 'rev-parse', 'HEAD')[:12]} on spring, changed since"


def test_the_recipe_counts_and_not_how_it_is_written(tmp_path: Path) -> None:
    first, same, other = (
        describe_identity(tmp_path, recipe, {}).recipe_sha256
        for recipe in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2})
    )
    assert first == same != other


@pytest.mark.parametrize("system", SYSTEMS)
def test_ci_systems_say_branch_and_run(system: str, tmp_path: Path) -> None:
    environment, branch, url = SYSTEMS[system]
    found = describe_identity(tmp_path, {}, environment)
    assert (found.commit, found.branch, found.run_url, found.dirty) == (COMMIT, branch, url, None)


def test_the_commit_is_what_is_there_and_the_branch_what_ci_says(repository: Path) -> None:
    environment, branch, _ = SYSTEMS["GitHub"]
    git(repository, "checkout", "-q", "--detach")
    found = describe_identity(repository, {}, environment)
    assert (found.commit, found.branch) == (git(repository, "rev-parse", "HEAD"), branch)


@pytest.mark.parametrize(
    "value",
    ["", "x" * 5000, "javascript:alert(1)", "https://a/<script>", "https://a/ b", "https://a/\x1b[31m", "\udc80"],
)
def test_what_is_no_commit_or_address_is_left_out(value: str, tmp_path: Path) -> None:
    environment = {"GITLAB_CI": "1", "CI_COMMIT_SHA": value, "CI_JOB_URL": value, "CI_COMMIT_REF_NAME": value}
    found = describe_identity(tmp_path, {}, environment)
    assert (found.commit, found.run_url) == (None, None)
    assert found.branch is None or (len(found.branch) <= 200 and "\x1b" not in found.branch)


def test_nothing_is_asked_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert describe_identity(tmp_path / "gone", {}, {}).commit is None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a/\n", "ftp://a/b", "https://a/" + "x" * 1000])
def test_a_file_cannot_hold_another_address(url: str) -> None:
    with pytest.raises(EvaluationError, match="run_url"):
        parse_record({"run_url": url}, Identity, where="x", error=EvaluationError)

"""Which state of which repository an evaluation is of, and which run of a CI system made it.

The commit is what git says of the recipe's folder, and only without git what the CI system says. The branch is what the
CI system says, whose checkouts are of no branch. What comes from either is bounded and cleaned, and what does not look
like what it should be is left out: an evaluation without it is as good.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.git import run_git
from packager.storage import digest_facts

_LONGEST_BRANCH = 200
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:/[A-Za-z0-9_\-.~:/?#\[\]@!$&()*+,;=%]*)?")
_LONGEST_URL = 1000
_SHORT = 12

Commit = Annotated[str, pydantic.Field(pattern=rf"^(?:{_COMMIT.pattern})$")]
"""a git object's name: SHA-1 or SHA-256"""


class Identity(Record):
    """Which state of which repository an evaluation is of, and which run made it; each absent where it is not known."""

    commit: Commit | None = None
    committed: Annotated[str, pydantic.Field(pattern=r"^\d{4}-\d\d-\d\dT[\d:+Z-]{1,20}$")] | None = None
    """when that commit was made, ISO 8601"""
    branch: Annotated[str, pydantic.Field(min_length=1, max_length=_LONGEST_BRANCH)] | None = None
    dirty: bool | None = None
    """whether files that git tracks were changed since the commit; files it does not track do not count"""
    run_url: Annotated[str, pydantic.Field(pattern=rf"^(?:{_URL.pattern})$", max_length=_LONGEST_URL)] | None = None
    """the page of the CI system's run"""
    recipe_sha256: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """over the recipe as read, so that comments and white space do not count"""

    @property
    def words(self) -> str:
        """The commit and branch in a few words, for example "3f2a1b0c9d8e on main, changed since"; may be empty."""
        commit = "" if self.commit is None else shorten_commit(self.commit)
        branch = "" if self.branch is None else f"on {shorten(self.branch)}"
        changed = ", changed since" if self.dirty and self.commit else ""
        return " ".join(word for word in (commit, branch) if word) + changed


def shorten_commit(commit: str) -> str:
    """A commit's first digits, by which people know it."""
    return commit[:_SHORT]


def describe_identity(
    folder: Path, recipe: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Identity:
    """What git and the CI system say of a recipe's folder.

    Args:
        folder: Where the recipe lies.
        recipe: The recipe as read.
        environment: Default: the process' environment variables.
    """
    system = _ask_ci(os.environ if environment is None else environment)
    commit = _keep(_COMMIT, _ask_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")) if folder.is_dir() else None
    committed = branch = dirty = None
    if commit is not None:
        committed = _ask_git(folder, "show", "--no-patch", "--no-show-signature", "--format=%cI", commit, "--")
        branch = _ask_git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
        status = _ask_git(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
        dirty = None if status is None else bool(status)
    branch = shorten(system.branch or branch or "", _LONGEST_BRANCH)
    return Identity(
        commit=commit or _keep(_COMMIT, system.commit.lower()),
        committed=_keep(re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}(?:Z|[+-][\d:]{5})"), committed),
        branch=branch or None,
        dirty=dirty,
        run_url=_keep(_URL, system.run_url[:_LONGEST_URL]),
        recipe_sha256=digest_facts(dict(recipe)),
    )


class _Run(Record):
    """What a CI system's variables say."""

    commit: str = ""
    branch: str = ""
    run_url: str = ""


_Read = Callable[[str], str]
_SYSTEMS: dict[str, Callable[[_Read], _Run]] = {
    "GITHUB_ACTIONS": lambda read: _Run(
        commit=read("GITHUB_SHA"),
        branch=read("GITHUB_HEAD_REF") or read("GITHUB_REF_NAME"),
        run_url=_join(read("GITHUB_SERVER_URL"), read("GITHUB_REPOSITORY"), "actions/runs", read("GITHUB_RUN_ID")),
    ),
    "GITLAB_CI": lambda read: _Run(
        commit=read("CI_COMMIT_SHA"),
        branch=read("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or read("CI_COMMIT_REF_NAME"),
        run_url=read("CI_JOB_URL") or read("CI_PIPELINE_URL"),
    ),
    "BUILDKITE": lambda read: _Run(
        commit=read("BUILDKITE_COMMIT"), branch=read("BUILDKITE_BRANCH"), run_url=read("BUILDKITE_BUILD_URL")
    ),
    "CIRCLECI": lambda read: _Run(
        commit=read("CIRCLE_SHA1"), branch=read("CIRCLE_BRANCH"), run_url=read("CIRCLE_BUILD_URL")
    ),
    "TF_BUILD": lambda read: _Run(  # Azure Pipelines
        commit=read("BUILD_SOURCEVERSION"),
        branch=(read("SYSTEM_PULLREQUEST_SOURCEBRANCH") or read("BUILD_SOURCEBRANCH")).removeprefix("refs/heads/"),
        run_url=_join(
            read("SYSTEM_COLLECTIONURI"),
            read("SYSTEM_TEAMPROJECT").replace(" ", "%20"),
            "_build/results?buildId=" + read("BUILD_BUILDID") if read("BUILD_BUILDID") else "",
        ),
    ),
    "BITBUCKET_BUILD_NUMBER": lambda read: _Run(
        commit=read("BITBUCKET_COMMIT"),
        branch=read("BITBUCKET_BRANCH"),
        run_url=_join(read("BITBUCKET_GIT_HTTP_ORIGIN"), "pipelines/results", read("BITBUCKET_BUILD_NUMBER")),
    ),
    "JENKINS_URL": lambda read: _Run(
        commit=read("GIT_COMMIT"),
        branch=read("CHANGE_BRANCH") or read("BRANCH_NAME") or read("GIT_BRANCH"),
        run_url=read("BUILD_URL"),
    ),
}
"""the variable that a CI system sets on all its runs → what its others say. Sources: each system's list of predefined
variables"""


def _ask_ci(environment: Mapping[str, str]) -> _Run:
    for name, describe in _SYSTEMS.items():
        if environment.get(name):
            return describe(lambda variable: environment.get(variable, "").strip()[:_LONGEST_URL])
    return _Run()


def _join(*parts: str) -> str:
    """An address of its parts, or none where one is missing."""
    return "/".join(part.strip("/") for part in parts) if all(parts) else ""


def _ask_git(folder: Path, *arguments: str) -> str | None:
    """What git answers; none where there is no git, no repository, or no answer in time."""
    try:
        ran = run_git(folder, *arguments)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.decode("utf-8", "replace").strip() if ran.returncode == 0 else None


def _keep(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.fullmatch(text) else None

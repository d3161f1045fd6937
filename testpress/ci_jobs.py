"""Where CI systems look for their jobs, and what `testpress init` fills into them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from testpress.starting.recipe_text import quote

CI_FILES = {"github": ".github/workflows/testpress.yml", "gitlab": "testpress.gitlab-ci.yml"}
"""by CI system, where its job is written: GitHub reads it there, GitLab where `.gitlab-ci.yml` includes it"""
_COMMENT_JOB, _COMMENT_FILE = "github-comment", ".github/workflows/testpress-comment.yml"
"""GitHub's second job, which alone may write"""
_EXTRAS = "testpress[all]"
_FIT = re.compile(r"[!-~]{1,1000}")
"""what an address may hold: printable ASCII, no blanks"""


def find_job_files(root: Path, systems: Sequence[str]) -> dict[str, Path]:
    """By template, the files of CI systems in a repository.

    Args:
        root: Of the repository.
        systems: Keys of `CI_FILES`.
    """
    files = {system: root / CI_FILES[system] for system in dict.fromkeys(systems)}
    return files | ({_COMMENT_JOB: root / _COMMENT_FILE} if "github" in files else {})


def describe_job(recipe: Path, job: Path, root: Path) -> dict[str, str]:
    """What stands for the words between at-signs in a job's template; strings are quoted as YAML reads them."""
    path = Path(os.path.relpath(recipe.resolve(), root.resolve()))
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.parent.as_posix()).strip("-")[:40]
    return {
        "RECIPE": quote(path.as_posix()),
        "NAME": quote(name or "testpress"),
        "FILE": job.name,
        "TESTPRESS": quote(find_requirement(root)),
    }


def find_requirement(root: Path) -> str:
    """What pip installs to have this testpress elsewhere; empty where that cannot be told.

    It is where this one was installed from, as pip wrote it down (PEP 610): a wheel's address, a commit's, or a folder
    or wheel in the repository whose root is given.
    """
    try:
        written = importlib.metadata.distribution("testpress").read_text("direct_url.json")
        data = json.loads(written or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""
    return describe_origin(data if isinstance(data, dict) else {}, root)


def describe_origin(origin: dict[str, Any], root: Path) -> str:
    """As `find_requirement`, of what pip wrote down."""
    url, parts = str(origin.get("url", "")), urlsplit(str(origin.get("url", "")))
    if not _FIT.fullmatch(url) or any(sign in url for sign in "\"'`$\\"):
        return ""
    if parts.scheme == "file":
        path = Path(unquote(parts.path)).resolve()
        inside = path.is_relative_to(root.resolve()) and path != root.resolve()
        return f"./{path.relative_to(root.resolve()).as_posix()}[all]" if inside else ""
    commit = (origin.get("vcs_info") or {}).get("commit_id")
    if isinstance(commit, str) and re.fullmatch("[0-9a-f]{40,64}", commit):
        return f"{_EXTRAS} @ git+{url}@{commit}"
    if parts.scheme == "https" and parts.path.endswith(".whl"):
        digest = ((origin.get("archive_info") or {}).get("hashes") or {}).get("sha256")
        known = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
        return f"{_EXTRAS} @ {url}" + (f"#sha256={digest}" if known else "")
    return ""

"""The baseline that a run is compared with: an evaluation, or the nearest of a folder that holds some by commit.

A folder of evaluations by commit is what CI fetches: `<sha>/evaluation.json`, whatever their verdicts were. The one of
the merge base of HEAD and the default branch is taken, or of its nearest ancestor that has one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from device_profiles.files import is_file, is_folder
from device_profiles.text import shorten
from evaluators.evaluation import Evaluation
from evaluators.git import run_git
from reports.errors import ReportError
from reports.judging.comparison import load_evaluation
from testpress.work import EVALUATION_NAME

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_MOST_COMMITS = 100_000
_LIMIT_S = 60


@dataclass(frozen=True)
class Baseline:
    """An earlier evaluation.

    Attributes:
        evaluation: What was found then; none where a folder has none for this commit.
        path: Its file, with previews beside it; of a folder that has none, the folder.
        words: What it is, for whoever reads the terminal.
        is_chosen: Whether it is one of several.
    """

    evaluation: Evaluation | None
    path: Path
    words: str
    is_chosen: bool = False

    @property
    def folder(self) -> Path | None:
        """Where its previews are."""
        return None if self.evaluation is None else self.path.parent


def open_baseline(path: Path, *, branch: str | None = None, repository: Path | None = None) -> Baseline:
    """Read the baseline that a path names.

    Args:
        path: An evaluation.json, a folder with one, or a folder of folders named by commits.
        branch: The branch that HEAD is to be merged into; default: the remote's default branch.
        repository: Where git is asked; default: the working directory.

    Raises:
        ReportError: There is no evaluation, or git cannot say which it is.
    """
    if not is_folder(path):
        return Baseline(load_evaluation(path), path, str(path))
    if is_file(path / EVALUATION_NAME):
        return Baseline(load_evaluation(path / EVALUATION_NAME), path / EVALUATION_NAME, str(path))
    names = {child.name for child in path.iterdir()}
    commits = {name for name in names if _COMMIT.fullmatch(name) and is_file(path / name / EVALUATION_NAME)}
    if names and not commits:
        raise ReportError(
            f"{path}: holds neither {EVALUATION_NAME} nor folders named by commits with one; right is an output "
            f"folder, or <commit>/{EVALUATION_NAME} with all 40 digits"
        )
    if not commits:
        return Baseline(None, path, f"{path} is empty")
    base, ancestors = _list_ancestors(branch, repository or Path.cwd())
    for distance, commit in enumerate(ancestors):
        if commit in commits:
            file = path / commit / EVALUATION_NAME
            away = "" if not distance else f", {distance} commit{'' if distance == 1 else 's'} before it"
            words = f"{commit[:12]} (merge base {base[:12]}{away})"
            return Baseline(load_evaluation(file), file, words, is_chosen=True)
    return Baseline(None, path, f"{path} has no evaluation of {base[:12]} or a commit before it")


def _list_ancestors(branch: str | None, repository: Path) -> tuple[str, list[str]]:
    """The merge base of HEAD and a branch, and its ancestors from it on; HEAD itself is no baseline of its own."""
    if branch is not None and branch.startswith("-"):
        raise ReportError(f"--baseline-branch: {shorten(branch)!r} is no branch; right is for example origin/main")
    head = _ask(["rev-parse", "HEAD"], repository)
    names = (branch,) if branch else _BRANCHES
    known = [name for name in names if _try(["rev-parse", "-q", "--verify", f"{name}^{{commit}}"], repository)]
    if branch and not known:
        raise ReportError(f"git: there is no branch {shorten(branch)!r} here; right is for example origin/main")
    if not known:
        raise ReportError("git: there is no default branch to compare with; name it with --baseline-branch")
    base = _try(["merge-base", "HEAD", known[0]], repository)
    if not base:
        raise ReportError(
            f"git: HEAD and {shorten(known[0])} have no common commit here; fetch the whole history "
            "(fetch-depth: 0 of actions/checkout, GIT_DEPTH: 0 on GitLab)"
        )
    ancestors = _ask(["rev-list", f"--max-count={_MOST_COMMITS}", "--topo-order", base], repository).split()
    return base, [commit for commit in ancestors if commit != head]


def _ask(arguments: list[str], repository: Path) -> str:
    found = _run(arguments, repository)
    if found.returncode != 0:
        raise ReportError(f"git {arguments[0]}: {shorten(found.stderr.decode('utf-8', 'replace'), 300) or 'failed'}")
    return _decode(found.stdout)


def _try(arguments: list[str], repository: Path) -> str:
    """What git says; empty where it refuses."""
    found = _run(arguments, repository)
    return _decode(found.stdout) if found.returncode == 0 else ""


def _decode(output: bytes) -> str:
    """What git writes of commits is ASCII."""
    return output.decode("utf-8", "replace").strip()


def _run(arguments: list[str], repository: Path) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("git") is None:
        raise ReportError("git is not installed, which says the merge base; name one evaluation.json with --baseline")
    try:
        return run_git(repository, *arguments, timeout_s=_LIMIT_S)
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise ReportError(f"git {arguments[0]}: {shorten(str(fault), 300)}") from None

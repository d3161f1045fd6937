from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from testpress.baselines import open_baseline
from tests.reports.example_evaluation import make_evaluation


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    whole = make_evaluation()
    return whole.model_copy(update={"variants": whole.variants[:1]})


class Repository:
    """A repository whose commits are made one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        names = {f"GIT_{who}_{what}": f"x@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    def commit(self) -> str:
        self.count += 1  # else commits of one second would be one
        self.git("commit", "-q", "--allow-empty", "-m", f"change {self.count}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def keep(folder: Path, commit: str, evaluation: Evaluation) -> Path:
    place = folder / commit
    place.mkdir(parents=True)
    (place / "evaluation.json").write_text(dump_json(evaluation), encoding="utf-8")
    return place / "evaluation.json"


def test_the_merge_bases_evaluation_is_taken_or_that_of_its_nearest_ancestor(
    repository: Repository, evaluation: Evaluation, tmp_path: Path
) -> None:
    first, second, third = (repository.commit() for _ in range(3))
    repository.git("switch", "-q", "-c", "work")
    repository.commit()
    own = repository.commit()
    repository.git("switch", "-q", "main")
    later = repository.commit()
    repository.git("switch", "-q", "work")
    for commit in (later, own):  # neither is an ancestor that both have
        keep(tmp_path / "old", commit, evaluation)
    assert open_baseline(tmp_path / "old", repository=repository.folder).evaluation is None
    oldest = keep(tmp_path / "old", first, evaluation)
    found = open_baseline(tmp_path / "old", repository=repository.folder)
    assert (found.path, found.evaluation, found.folder) == (oldest, evaluation, oldest.parent)
    assert found.words == f"{first[:12]} (merge base {third[:12]}, 2 commits before it)"
    nearer = keep(tmp_path / "old", second, evaluation)
    assert open_baseline(tmp_path / "old", repository=repository.folder).path == nearer
    exact = keep(tmp_path / "old", third, evaluation)
    found = open_baseline(tmp_path / "old", repository=repository.folder, branch="main")
    assert (found.path, found.words) == (exact, f"{third[:12]} (merge base {third[:12]})")


def test_on_the_default_branch_it_is_the_commit_before(
    repository: Repository, evaluation: Evaluation, tmp_path: Path
) -> None:
    first, second = repository.commit(), repository.commit()
    before = keep(tmp_path / "old", first, evaluation)
    keep(tmp_path / "old", second, evaluation)  # of an earlier try at this commit
    assert open_baseline(tmp_path / "old", repository=repository.folder).path == before


def test_a_file_and_its_folder_ask_no_repository(evaluation: Evaluation, tmp_path: Path) -> None:
    path = keep(tmp_path, "old", evaluation)
    for place in (path, path.parent):
        found = open_baseline(place, repository=tmp_path)
        assert (found.evaluation, found.folder, found.is_chosen) == (evaluation, path.parent, False)


def test_an_empty_folder_has_no_baseline_yet(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    found = open_baseline(tmp_path / "old", repository=tmp_path)
    assert (found.evaluation, found.folder) == (None, None)


def test_what_cannot_be_is_one_message(repository: Repository, evaluation: Evaluation, tmp_path: Path) -> None:
    commit = repository.commit()
    (tmp_path / "other" / "abc").mkdir(parents=True)
    with pytest.raises(ReportError, match=r"holds neither evaluation\.json nor folders named by commits"):
        open_baseline(tmp_path / "other", repository=repository.folder)
    keep(tmp_path / "old", commit, evaluation)
    with pytest.raises(ReportError, match="there is no branch 'none' here"):
        open_baseline(tmp_path / "old", repository=repository.folder, branch="none")
    with pytest.raises(ReportError, match="is no branch"):
        open_baseline(tmp_path / "old", repository=repository.folder, branch="--all")
    with pytest.raises(ReportError, match="git rev-parse: "):
        open_baseline(tmp_path / "old", repository=tmp_path)
    repository.git("switch", "-q", "--orphan", "other")
    repository.commit()
    with pytest.raises(ReportError, match="have no common commit here; fetch the whole history"):
        open_baseline(tmp_path / "old", repository=repository.folder)

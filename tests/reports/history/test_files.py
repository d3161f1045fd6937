from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.history.files import add_runs, parse_runs, read_branch, read_runs
from reports.history.runs import Run, write_line
from reports.history.trends import find_trends
from tests.specimens import ROOT


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    ran = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout


def test_a_run_added_twice_is_one(runs: list[Run], tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    assert add_runs(runs[:3], path) == runs[:3]
    before = path.read_bytes()
    assert add_runs([runs[1], runs[3], runs[3]], path) == [runs[3]]
    assert path.read_bytes().startswith(before)
    assert len(read_runs(path).runs) == 4


def test_a_last_line_without_its_end_stays_a_line(runs: list[Run], tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(write_line(runs[0]).rstrip("\n"))
    add_runs([runs[1]], path)
    assert len(path.read_text().splitlines()) == len(read_runs(path).runs) == 2


@pytest.mark.slow
def test_two_who_add_at_once_lose_nothing(runs: list[Run], tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    code = (
        "import sys; from pathlib import Path; from reports.history.files import add_runs, parse_runs\n"
        "for line in sys.stdin.read().splitlines(): add_runs(parse_runs(line, where='x'), Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(path)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    for number, writer in enumerate(writers):
        assert writer.stdin is not None
        writer.stdin.write("".join(write_line(run) for run in runs[number:8:2]))
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert {run.run for run in read_runs(path).runs} == {run.run for run in runs[:8]}


def test_git_merges_two_histories_by_union(runs: list[Run], tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    path = tmp_path / "history.jsonl"
    (tmp_path / ".gitattributes").write_text("history.jsonl merge=union\n")
    add_runs(runs[:2], path)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "0")
    git(tmp_path, "checkout", "-q", "-b", "other")
    add_runs(runs[2:5], path)
    git(tmp_path, "commit", "-q", "-a", "-m", "1")
    git(tmp_path, "checkout", "-q", "main")
    add_runs(runs[4:7], path)
    git(tmp_path, "commit", "-q", "-a", "-m", "2")
    git(tmp_path, "merge", "-q", "-m", "3", "other")
    ordered = find_trends(read_runs(path).runs).runs
    assert [run.run for run in ordered] == [run.run for run in runs[:7]]
    there = read_branch("other", "history.jsonl", tmp_path)
    assert {run.run for run in there.runs} == {run.run for run in runs[:5]}


@pytest.mark.parametrize(
    ("branch", "path", "message"),
    [
        ("gone", "history.jsonl", "gone:history.jsonl: git does not have it: .*fetch the branch"),
        ("main", "gone.jsonl", "main:gone.jsonl: git does not have it"),
        ("--output=x", "y", "--branch: '--output=x' is no branch's name"),
        ("main:x", "y", "is no branch's name"),
        ("", "y", "is no branch's name"),
    ],
)
def test_a_branch_that_is_not_there_is_one_message(branch: str, path: str, message: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "0")
    with pytest.raises(ReportError, match=message):
        read_branch(branch, path, tmp_path)


def test_lines_are_no_order(runs: list[Run]) -> None:
    shuffled = random.Random(1).sample(runs, len(runs))
    text = "".join(write_line(run) for run in [*shuffled, *shuffled[:5]])
    assert find_trends(parse_runs(text, where="x")).runs == tuple(runs)


def test_of_two_lines_of_one_run_the_same_counts_in_any_order(run: Run) -> None:
    lines = [write_line(run), write_line(run.model_copy(update={"machine": "another"}))]
    first, second = (parse_runs("".join(each), where="x") for each in (lines, lines[::-1]))
    assert first == second
    assert len(first) == 1


def test_a_conflict_mark_is_told(run: Run) -> None:
    with pytest.raises(ReportError, match="line 1: is a mark of a merge's conflict; keep all runs"):
        parse_runs(f"<<<<<<< HEAD\n{write_line(run)}", where="x")


def test_a_folder_of_evaluations_and_histories_is_read_whole(
    evaluation: Evaluation, runs: list[Run], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "evaluation.json").write_text(dump_json(evaluation))
    later = evaluation.model_copy(update={"created": "2026-12-24T00:00:00Z"})
    (tmp_path / "2026-12-24.json").write_text(dump_json(later))
    (tmp_path / "one" / "manifest.json").write_text("{}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "evaluation.json").write_text("{")
    (tmp_path / "artefact").mkdir()
    add_runs(runs[:2], tmp_path / "artefact" / "history.jsonl")
    found = read_runs(tmp_path)
    assert len(found.runs) == 4
    (reason,) = found.left_out
    assert reason.startswith(f"{tmp_path}/broken/evaluation.json: not valid JSON")


def test_a_folder_without_a_run_says_what_is_right(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="there is no run in it: right are history"):
        read_runs(tmp_path)


def test_what_cannot_be_written_is_one_message(runs: list[Run], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot be written"):
        add_runs(runs, tmp_path / "file" / "history.jsonl")
    with pytest.raises(ReportError, match="is no regular file"):
        add_runs(runs, tmp_path)

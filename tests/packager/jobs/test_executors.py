"""Executors: which there are, what they refuse, and the page that says how to add one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.plugins import list_plugins
from packager.errors import PackagingError
from packager.jobs.executors import list_executors, open_executor
from packager.jobs.executors.local import LocalExecutor, count_cores
from packager.jobs.workers import Ended, Job, Limits

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "adding" / "executor.md"


@pytest.fixture(autouse=True)
def _jobs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def _job(name: str, folder: Path, **options: Any) -> Job:
    request = options.pop("request", {})
    return Job(f"job_targets:{name}", request, folder / f"{name}.log", Limits(time_s=60), **options)


def test_the_executors_there_are() -> None:
    assert list_executors() == ("local", "ray")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("locl", "no executor 'locl'; did you mean 'local'?"),
        ("slurm://head:1", "no executor 'slurm'; known: local, ray"),
        ("local://here", "the executor 'local://here': local takes no address"),
    ],
)
def test_an_executor_that_is_not_there(address: str, message: str) -> None:
    with pytest.raises(PackagingError) as caught, open_executor(address):
        pass
    assert str(caught.value) == message


def _meet(folder: Path, seconds: float, *, is_alone: bool) -> list[Ended]:
    """Two jobs that end well only when they run at the same time."""
    folder.mkdir()
    asked = [{"folder": str(folder), "name": name, "s": seconds} for name in "ab"]
    jobs = [_job("wait_for_another", folder, request=each, is_alone=is_alone) for each in asked]
    return LocalExecutor(2).run(jobs, lambda *_: None)


@pytest.mark.slow
def test_jobs_run_at_once_but_for_those_that_must_be_alone(tmp_path: Path) -> None:
    assert _meet(tmp_path / "together", 60, is_alone=False) == [Ended(None)] * 2
    assert _meet(tmp_path / "alone", 0.2, is_alone=True)[0] == Ended("nobody came", is_refusal=True)


def test_by_default_as_many_as_cores_and_as_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("packager.jobs.executors.local.run_jobs", lambda *_, parallel: seen.append(parallel) or [])
    for jobs in (None, 1, 7):
        LocalExecutor(jobs).run([], lambda *_: None)
    assert seen == [count_cores(), 1, 7]


@pytest.fixture
def throw_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else's, as the page says: its module, and what pip would write of it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "throw_away_executor.py").write_text(code)
    group, line = re.findall(r'\[project\.entry-points\."([\w.]+)"\]`, `(\w+ = "module:\w+")`', PAGE.read_text())[0]
    facts = tmp_path / "throw_away-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: throw-away\nVersion: 1\n")
    entry = line.replace('"', "").replace("module:", "throw_away_executor:")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    list_plugins.cache_clear()
    yield
    list_plugins.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("throw_away")
def test_what_the_page_says_adds_an_executor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(PAGE.read_text().splitlines()) <= 30
    assert "counting" in list_executors()
    seen: list[int] = []
    with open_executor("counting", 1) as executor:
        ended = executor.run(
            [_job("count", tmp_path, request={"to": 3})] * 2, lambda _, event: seen.append(event["number"])
        )
    assert (ended, seen) == ([Ended(None)] * 2, [0, 1, 2, 0, 1, 2])
    assert capsys.readouterr().out == "2 jobs\n"

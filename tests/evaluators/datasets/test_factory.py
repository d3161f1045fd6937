from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluators.datasets.factory import locate_dataset
from evaluators.errors import EvaluationError
from packager.jobs.executors.local import LocalExecutor

MAKER = """
import dataclasses
import sys


@dataclasses.dataclass  # looks its module up while it is made
class Clip:
    name: str = "{name}"


def make(folder):
    assert not folder.exists()
    folder.mkdir()
    print("made", Clip().name)
    (folder / "clips.jsonl").write_text(Clip().name)
    return folder / "clips.jsonl"


def other(folder):
    return make(folder)


def fail(folder):
    folder.mkdir()
    (folder / "half").touch()
    raise ValueError("no SoundFont is installed")


def lose(folder):
    return folder.parent.parent / "clips.jsonl"


def forget(folder):
    folder.mkdir()
    return folder / "clips.jsonl"
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "maker.py").write_text(MAKER.replace("{name}", "one"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "maker.py").write_text(MAKER.replace("{name}", "deep"))
    return tmp_path


def _locate(base: Path, uri: str = "python:maker:make") -> Path:
    return locate_dataset(uri, base, base / "out", executor=LocalExecutor())


def test_a_path_starts_from_the_recipe(tmp_path: Path) -> None:
    assert _locate(tmp_path, "data/clips.jsonl") == tmp_path / "data" / "clips.jsonl"
    assert _locate(tmp_path, "/data/clips.jsonl") == Path("/data/clips.jsonl")


def test_a_dataset_is_made_once(base: Path) -> None:
    path = _locate(base)
    assert path.read_text() == "one"
    assert path.is_relative_to(base / "out" / "data")
    assert "made one" in (base / "out" / "logs" / "dataset.log").read_text()
    (base / "out" / "logs" / "dataset.log").unlink()
    age = path.stat().st_mtime_ns
    assert _locate(base) == path
    assert path.stat().st_mtime_ns == age
    assert not (base / "out" / "logs" / "dataset.log").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["clips/clips.jsonl", "manifest", ".seal"])
def test_a_dataset_that_was_damaged_is_made_again(damaged: str, base: Path) -> None:
    path = _locate(base)
    folder = path.parent.parent
    (folder / damaged).write_bytes(b"")
    assert _locate(base) == path
    assert path.read_text() == "one"


@pytest.mark.slow
def test_other_code_makes_another(base: Path) -> None:
    paths = [_locate(base), _locate(base, "python:maker:other"), _locate(base, "python:deep.maker:make")]
    before = (base / "maker.py").stat().st_mtime_ns
    (base / "maker.py").write_text(MAKER.replace("{name}", "two"))
    os.utime(base / "maker.py", ns=(before, before))  # saved within the second, and as long
    paths.append(_locate(base))
    assert len(set(paths)) == 4
    assert [path.read_text() for path in paths] == ["one", "one", "deep", "two"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("python:maker", "task.dataset: 'python:maker' should read python:module:function"),
        ("python:maker:", "task.dataset: 'python:maker:' should read python:module:function"),
        ("python:maker:make it", "task.dataset: 'python:maker:make it' should read python:module:function"),
        (
            "python:nobody:make",
            "task.dataset: 'python:nobody:make': there is no file {base}/nobody.py, and no such module is installed",
        ),
    ],
)
def test_a_factory_that_is_not_there(uri: str, message: str, base: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        _locate(base, uri)
    assert str(caught.value) == message.format(base=base)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("fail", "ValueError: no SoundFont is installed"),
        ("nothing", "{maker}: has no function or class 'nothing'"),
        ("lose", "it returned {lost}, which is not a file in the folder it was given"),
        ("forget", "it returned {forgotten}, which is not a file in the folder it was given"),
    ],
)
def test_a_factory_that_fails_leaves_nothing(function: str, reason: str, base: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        _locate(base, f"python:maker:{function}")
    message = str(caught.value)
    assert message.startswith(f"task.dataset: maker.py:{function} failed: {reason.partition('{')[0]}")
    assert message.endswith(f"\n(log: {base / 'out' / 'logs' / 'dataset.log'})")
    assert reason.rpartition("}")[2] in message
    assert list((base / "out" / "data").iterdir()) == [] if (base / "out" / "data").exists() else True

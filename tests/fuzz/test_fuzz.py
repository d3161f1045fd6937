"""The fuzzer finds what it looks for, makes the same inputs again, and finds nothing in some hundreds of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.campaign import plan
from tests.fuzz.checks import CHECKS
from tests.fuzz.corpus import make_corpus
from tests.fuzz.kinds import kind_names, load_kind
from tests.fuzz.plants import GOOD, PLANTS
from tests.fuzz.sandbox import Sandbox
from tests.specimens import ROOT

INPUTS = 200
"""`make fuzz` takes ten thousand"""


def start(*arguments: str, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=timeout_s,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "corpus"
    make_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def planted() -> dict[str, list[str]]:
    """Name of a plant → the checks that fail. In a process of its own: this one may hold frameworks and threads."""
    run = start("tests.fuzz.plants")
    assert run.returncode == 0, run.stderr
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


def test_every_check_has_a_plant() -> None:
    assert {check for _, check in PLANTS.values()} == set(CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_a_broken_promise_is_found(name: str, planted: dict[str, list[str]]) -> None:
    assert planted[name] == [PLANTS[name][1]]


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_what_breaks_no_promise_passes(name: str, planted: dict[str, list[str]]) -> None:
    assert planted[name] == []


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.parametrize("kind", kind_names())
def test_the_same_seed_makes_the_same_input(kind: str, corpus: Path, tmp_path: Path) -> None:
    made = []
    for top in ("one", "two"):
        for index in range(8):
            sandbox = Sandbox(tmp_path / top / str(index), corpus)
            sandbox.make()
            case = load_kind(kind).make_case(random.Random(f"7/{kind}/{index}"), sandbox.place)
            made.append((case.arguments, case.environment, _contents(sandbox)))
    assert made[:8] == made[8:]
    assert len({repr(each) for each in made}) > 4


def _contents(sandbox: Sandbox) -> dict[str, bytes]:
    root = str(sandbox.top).encode()
    files = [path for path in sandbox.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(sandbox.folder)): path.read_bytes().replace(root, b"") for path in files}


@pytest.mark.parametrize("kinds", [(), ("profile",), ("profile", "audio")])
@pytest.mark.parametrize("inputs", [1, 7, 1000, 10_000])
def test_a_plan_is_as_large_as_asked(inputs: int, kinds: tuple[str, ...]) -> None:
    counts = plan(inputs, kinds)
    assert sum(counts.values()) == inputs
    assert set(counts) == set(kinds or kind_names())


def test_ten_thousand_hold_enough_of_every_kind() -> None:
    counts = plan(10_000)
    assert min(counts.values()) >= 150
    assert counts["tflite"] + counts["mlpackage"] >= 1500


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.coreml
def test_hundreds_of_inputs_break_no_promise(tmp_path: Path) -> None:
    report = tmp_path / "results.json"
    choice = (
        "--inputs",
        str(INPUTS),
        "--quick",
        "--seed",
        "1",
        "--report",
        str(report),
        "--keep",
        str(tmp_path / "kept"),
    )
    run = start("tests.fuzz", *choice, timeout_s=1500)
    assert run.returncode == 0, run.stdout
    results = json.loads(report.read_text())
    assert len(results) == INPUTS

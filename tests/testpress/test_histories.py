from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from evaluators.identity import Identity
from testpress.cli import cli
from tests.reports.example_evaluation import make_evaluation
from tests.specimens import run_command


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in ("history", *arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six evaluations; from the fourth on a bundle is 8 % larger."""
    folder, base = tmp_path_factory.mktemp("runs"), make_evaluation()
    for number in range(6):
        evaluation = base if number < 3 else _enlarge(base)
        identity = Identity(commit=f"{number:x}" * 40, branch="main")
        update = {"created": f"2026-11-0{number + 1}T00:00:00Z", "identity": identity}
        (folder / f"{number}").mkdir()
        (folder / f"{number}" / "evaluation.json").write_text(dump_json(evaluation.model_copy(update=update)))
    return folder


def _enlarge(evaluation: Evaluation) -> Evaluation:
    first, *others = evaluation.variants
    size = first.scores["size_bytes"]
    assert size.value is not None
    larger = size.model_copy(update={"value": size.value * 1.08})
    first = first.model_copy(update={"scores": {**first.scores, "size_bytes": larger}})
    return evaluation.model_copy(update={"variants": (first, *others)})


def test_add_and_report_tell_the_step_and_its_commit(evaluations: Path, tmp_path: Path) -> None:
    history, page = tmp_path / "history.jsonl", tmp_path / "page.html"
    assert invoke("add", evaluations / "0", "--to", history).stdout == f"{history}: 1 run added\n"
    assert invoke("add", evaluations, "--to", history).stdout == f"{history}: 5 runs added; 1 run there already\n"
    told = invoke("report", history, "-o", page)
    assert told.exit_code == 0
    assert "basic-pitch: 6 runs from 2026-11-01 to 2026-11-06, " in told.stdout
    assert "1 step:\n  - tflite-float32: size_bytes" in told.stdout
    assert f"(+8.0 %) since run 4, {'3' * 12} on main, 2026-11-04; between {'2' * 12} and {'3' * 12}" in told.stdout
    assert told.stdout.endswith(f"page: {page}\n")
    data = json.loads(invoke("report", history, "-o", page, "--json").stdout)
    (step,) = data["steps"]
    assert (step["bundle"], step["metric"], step["commit"]) == ("tflite-float32", "size_bytes", "3" * 12)
    assert [run["identity"]["commit"] for run in data["runs"]] == [f"{number:x}" * 40 for number in range(6)]
    assert len(data["trends"]) > 100


def test_a_folder_needs_no_history_and_says_what_it_left_out(evaluations: Path, tmp_path: Path) -> None:
    page = tmp_path / "history.html"
    assert "6 runs" in invoke("report", evaluations, "-o", page).stdout
    (evaluations / "broken").mkdir()
    (evaluations / "broken" / "evaluation.json").write_text("{}")
    told = invoke("report", evaluations, "-o", page)
    assert "6 runs" in told.stdout
    assert told.stderr.startswith(f"testpress: left out: {evaluations}/broken/evaluation.json: not an evaluation")
    (evaluations / "broken" / "evaluation.json").unlink()
    assert page.read_text().count("<!doctype html>") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("report", "gone.jsonl"), 1, "testpress: gone.jsonl: no such file\n"),
        (("report", "pyproject.toml"), 1, "testpress: pyproject.toml: line 1: not valid JSON"),
        (("add", "gone"), 1, "testpress: gone: no such file\n"),
        (("report", "--branch", "no-such-branch"), 1, "testpress: no-such-branch:history.jsonl: git does not have it"),
        (("add",), 2, "Usage: "),
        (("gone",), 2, "Usage: "),
    ],
)
def test_faults_are_one_message(arguments: tuple[str, ...], code: int, message: str) -> None:
    ended = run_command([sys.executable, "-m", "testpress", "history", *arguments])
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(message)
    assert "Traceback" not in ended.stderr

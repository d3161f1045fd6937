"""What a failed command leaves on standard output and error, with and without --json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testpress import edge
from tests.specimens import ROOT, run_command

BROKEN_RECIPE = (
    '[model]\nname = "m"\nversion = "1"\nlicense = "MIT"\nsource = "model.py"\n[variants]\ntflite = ["flaot32"]\n'
)


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["testpress", *map(str, words)])
    code = edge.run_arguments()
    written = capsys.readouterr()
    return code, written.out, written.err


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "testpress.toml"
    path.write_text(BROKEN_RECIPE)
    return path


@pytest.mark.parametrize("verb", ["run", "package", "evaluate"])
def test_under_json_an_error_is_the_one_object_on_standard_output(
    verb: str, recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = f"{recipe}: variants.tflite: unknown precision 'flaot32'; did you mean 'float32'?"
    code, out, err = _run(monkeypatch, capsys, verb, recipe, "--json")
    assert (code, json.loads(out)) == (1, {"error": {"message": message, "exit": 1}})
    assert err == f"testpress: {message}\n"
    assert _run(monkeypatch, capsys, verb, recipe) == (1, "", err)


@pytest.mark.parametrize(
    "words",
    [
        ("devices", "pixl-8"),
        ("inspect", "no-such-file.tflite"),
        ("report", "no-such.json"),
        ("check", "no-such.json"),
        ("diff", "a", "b"),
        ("datasets", "show", "no-such"),
    ],
)
def test_every_command_tells_its_error_so(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(monkeypatch, capsys, *words, "--json")
    found: dict[str, Any] = json.loads(out)["error"]
    assert (code, found["exit"]) == (1, 1)
    assert err == f"testpress: {found['message']}\n"


@pytest.mark.parametrize("words", [("run", "--json"), ("devices", "--no-such", "--json"), ("no-such", "--json")])
def test_wrong_usage_is_told_so_too(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(monkeypatch, capsys, *words)
    found = json.loads(out)["error"]
    assert (code, found["exit"]) == (2, 2)
    assert found["message"] in err
    assert "Usage: " in err


def test_a_result_that_is_there_stays_the_only_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of an evaluation in which every row failed: the rows say more than the error."""
    from testpress.commands import doctor

    def show_and_fail(as_json: bool) -> None:
        from testpress.errors import RecipeError
        from testpress.options import show

        show({"rows": []}, as_json)
        raise RecipeError("nothing was evaluated")

    monkeypatch.setattr(doctor.doctor, "callback", show_and_fail)
    code, out, err = _run(monkeypatch, capsys, "doctor", "--json")
    assert (code, json.loads(out), err) == (1, {"rows": []}, "testpress: nothing was evaluated\n")


def test_a_bundle_that_the_recipe_does_not_make_is_told_with_those_it_makes(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(BROKEN_RECIPE.replace("flaot32", "float32"))
    code, _, err = _run(monkeypatch, capsys, "package", recipe, "--variant", "tflite-float16")
    assert code == 1
    assert err == (
        f"testpress: {recipe}: --variant: makes no bundle 'tflite-float16'; did you mean 'tflite-float32'?; "
        "it makes tflite-float32\n"
    )


def test_quiet_and_verbose_contradict_each_other(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _run(monkeypatch, capsys, "run", recipe, "-q", "-v")
    assert code == 2
    assert "--quiet and --verbose contradict each other" in err


def test_the_real_command_does_it(recipe: Path) -> None:
    run = run_command([sys.executable, "-m", "testpress", "package", str(recipe), "--json"])
    assert run.returncode == 1
    assert json.loads(run.stdout)["error"]["message"] in run.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [("devices", "--json"), ("devices", "pixl-8", "--json"), ("devices",)])
def test_what_standard_output_cannot_take_is_told_once(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "testpress", *words], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert run.returncode == 1
    assert run.stderr.count("testpress: ") == run.stderr.count("\n") == 1

"""The verbs for one file as a shell sees them: data on stdout, messages on stderr, exit codes, help with an example."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from device_profiles.record import dump_json
from testpress.cli import cli
from testpress.recipe import read_recipe
from tests.evaluators.emulators.coreml.programs import Op, gain, write_package
from tests.reports.example_evaluation import make_evaluation
from tests.specimens import ROOT, code_environment, run_command, tone

pytest.importorskip("ai_edge_litert")
from tests.testpress.tiny_tflite import GAIN, WINDOW_SAMPLES, write_bundle, write_chain, write_features, write_gain

pytestmark = pytest.mark.tflite

VERBS = cli.list_commands(click.Context(cli))


def command_of(verb: str) -> click.Command:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return command


def invoke(*arguments: object) -> Result:
    """A run that must not raise: faults of the user are for `main`, which tests start as a process of its own."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def start(*arguments: object) -> tuple[int, str, str]:
    run = run_command([sys.executable, "-m", "testpress", *map(str, arguments)])
    return run.returncode, run.stdout, run.stderr


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "clip.wav", tone(0.05), 8000, subtype="FLOAT")
    return tmp_path / "clip.wav"


def test_the_command_lists_every_verb_with_what_it_does() -> None:
    assert {"run", "package", "evaluate"} < set(VERBS)
    _, listed = invoke("--help").output.split("Commands:\n")
    lines = [line.split(maxsplit=1) for line in listed.split("\n\n")[0].splitlines()]
    assert [verb for verb, _ in lines] == VERBS
    assert all(text for _, text in lines)


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_with_an_example_that_the_verb_can_read(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    _, example = result.output.split("Example:\n")
    (line,) = example.strip().splitlines()
    program, called, *arguments = shlex.split(line)
    assert (program, called) == ("testpress", verb)
    command_of(verb).make_context(verb, arguments)  # raises where the example is wrong usage
    assert "--json" in result.output


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_usage_exits_2(verb: str) -> None:
    assert invoke(verb, "--no-such-option").exit_code == 2
    needs = any(parameter.required for parameter in command_of(verb).params)
    if needs:
        assert invoke(verb).exit_code == 2


def test_an_unknown_verb_is_usage() -> None:
    assert invoke("options").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [("latency", "x.tflite"), ("play", "x.tflite"), ("play", "x.tflite", "--audio", "x", "--sample-rate", 0)],
)
def test_what_a_verb_cannot_do_without_is_usage(arguments: tuple[object, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


@pytest.mark.slow
def test_devices_lists_and_shows() -> None:
    listed = json.loads(invoke("devices", "--json").stdout)
    assert [profile["id"] for profile in listed] == sorted(profile["id"] for profile in listed)
    one = json.loads(invoke("devices", "pixel-8", "--json").stdout)
    assert one in listed
    assert one["memory_bytes"]["source"] in invoke("devices", "pixel-8").stdout
    assert all(profile["id"] in invoke("devices").stdout for profile in listed)


@pytest.mark.slow
def test_an_unknown_phone_is_one_message_and_exit_1() -> None:
    code, out, err = start("devices", "pixl-8")
    assert (code, out) == (1, "")
    assert err.startswith("testpress: unknown device 'pixl-8'; did you mean 'pixel-8'?")


@pytest.mark.slow
def test_inspect_shows_a_file_as_text_and_as_json(tmp_path: Path) -> None:
    path = write_features(tmp_path / "x.tflite")
    assert "FULLY_CONNECTED" in invoke("inspect", path).stdout
    found = json.loads(invoke("inspect", path, "--json").stdout)
    assert found["signatures"][0]["inputs"] == [{"name": "audio", "shape": [1, 64], "dtype": "float32", "note": ""}]


@pytest.mark.slow
def test_inspect_of_a_broken_bundle_still_shows_it_and_exits_1(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    assert invoke("inspect", folder).exit_code == 0
    (folder / "extra").touch()
    result = invoke("inspect", folder, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["hash_faults"] == [f"{folder}/extra: not in the manifest"]
    assert result.stderr == f"testpress: {folder}: 1 files are not what the manifest says\n"


@pytest.mark.slow
def test_inspect_watches_the_ops_of_a_core_ml_model(tmp_path: Path, clip: Path) -> None:
    path = write_package(tmp_path, gain(1e6))
    heard = ("--audio", clip, "--sample-rate", 8000)
    loud = invoke("inspect", path, "--ranges")
    assert "too large for float16  1 op, the first is y (mul)" in loud.stdout
    assert loud.stderr == "run …\n"
    quiet = invoke("inspect", path, "--ranges", "--json", "--quiet")
    (op,) = json.loads(quiet.stdout)["ops"]
    assert (op["op"], op["elements"], quiet.stderr) == ("y", 6, "")
    double = Op("mul", {"x": "x", "y": np.float32(2)}, "y", shape=(1, 64))
    mono = {"ops": [double], "inputs": {"x": ("float32", (1, 64))}, "outputs": {"y": ("float32", (1, 64))}}
    found = json.loads(
        invoke(
            "inspect", write_package(tmp_path, gain(**mono), name="m.mlpackage"), "--ranges", *heard, "--json"
        ).stdout
    )
    assert found["inputs_from"] == f"7 of 7 windows of {clip}"
    assert found["ops"][0]["maximum"] == pytest.approx(1.0, rel=1e-2)


@pytest.mark.slow
def test_inspect_says_where_two_models_part(tmp_path: Path) -> None:
    right, wrong = write_package(tmp_path, gain(2.0)), write_package(tmp_path, gain(3.0), name="wrong.mlpackage")
    result = invoke("inspect", wrong, "--against", right)
    assert f"{wrong}: where it parts from its reference\n  against         {right}\n" in result.stdout
    assert "first op apart  y (mul): " in result.stdout
    found = json.loads(invoke("inspect", wrong, "--against", right, "--json").stdout)
    assert (found["comparison"]["first"], found["comparison"]["worst"]) == ("y", "y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ranges", "--against", "y"), "--ranges watches one model and --against two; give one of them"),
        (("--audio", "x.wav"), "--audio, --recipe, --sample-rate and --all go with --ranges or --against"),
        (("--all",), "--audio, --recipe, --sample-rate and --all go with --ranges or --against"),
        (("--ranges", "--sample-rate", 8000), "--recipe and --sample-rate say how --audio is heard; give --audio"),
    ],
)
def test_options_of_inspect_that_make_no_sense_together_are_usage(arguments: tuple[object, ...], message: str) -> None:
    result = invoke("inspect", "x.mlpackage", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.slow
def test_latency_lists_ten_ops_or_all(tmp_path: Path) -> None:
    path = write_features(tmp_path / "x.tflite")
    text = invoke("latency", path, "--device", "pixel-8", "--device", "galaxy-a14").stdout
    assert text.index("Pixel 8 (pixel-8)") < text.index("Galaxy A14 (Exynos 850) (galaxy-a14)")
    chain = ("latency", write_chain(tmp_path / "chain.tflite", 12), "--device", "pixel-8")
    assert invoke(*chain).stdout.count(" MUL  ") == 10
    assert invoke(*chain, "--all").stdout.count(" MUL  ") == 12
    found = json.loads(invoke(*chain, "--json").stdout)
    assert found["phones"][0]["scores"]["latency_ms"]["basis"] == "predicted"
    assert len(found["phones"][0]["ops"]) == 12
    assert (found["phones"][0]["compute_unit"], found["phones"][0]["threads"]) == ("cpu", 4)
    asked = json.loads(invoke(*chain, "--unit", "cpu", "--threads", 2, "--runtime", "LiteRT", "--json").stdout)
    assert (asked["phones"][0]["runtime"], asked["phones"][0]["threads"]) == ("LiteRT", 2)
    assert "the app asked for the CPU" in asked["phones"][0]["placement_reason"]


@pytest.mark.slow
def test_play_writes_the_outputs_and_says_where(tmp_path: Path, clip: Path) -> None:
    model, out = write_gain(tmp_path / "x.tflite"), tmp_path / "new" / "o.npz"
    result = invoke("play", model, "--audio", clip, "--sample-rate", 8000, "-o", out)
    assert result.stdout.rstrip().endswith(f"outputs: {out}")
    with np.load(out) as archive:
        np.testing.assert_allclose(archive["scaled"], GAIN * tone(0.05)[:, 0], rtol=1e-6)


@pytest.mark.slow
def test_play_as_json_keeps_progress_off_stdout(tmp_path: Path, clip: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    loud = invoke("play", folder, "--audio", clip, "--json")
    assert json.loads(loud.stdout)["windows"] == -(-400 // WINDOW_SAMPLES)
    assert loud.stderr == "play …\n"
    assert invoke("play", folder, "--audio", clip, "--json", "--quiet").stderr == ""


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_recipe_tells_the_notes_from_the_onsets(notes_job: Any, tmp_path: Path) -> None:
    """With the real converter: what `package` makes, `play` plays."""
    notes_job.write()
    assert notes_job.run("-o", str(notes_job.out), verb="package").returncode == 0
    bundle = notes_job.out / "bundles" / "tflite-float32"
    result = invoke("play", bundle, "--audio", notes_job.folder / "a.wav", "--notes", "--json", "-q")
    found = json.loads(result.stdout)
    assert [output["name"] for output in found["outputs"]] == ["note", "onset"]
    assert found["notes"] is not None
    bare = ("play", bundle / "model.tflite", "--audio", notes_job.folder / "a.wav", "--recipe", notes_job.path)
    again = json.loads(invoke(*bare, "--notes", "--json", "-q").stdout)
    assert again["outputs"] == found["outputs"]
    assert (again["notes"], again["contract_from"]) == (found["notes"], "the recipe")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["proof"] |= {"holds": False, "tolerance_db": 999.0}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    broken = notes_job.run("-o", str(notes_job.out), verb="package")
    assert broken.returncode == 3
    assert "tflite-float32 departs from its source, 999 dB are promised: " in broken.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "shown"), [("ascii", rb"\xe9\U0001f3a7"), ("latin-1", b"\xe9\\U0001f3a7")])
@pytest.mark.parametrize("arguments", [("devices", "é🎧"), ("devices", "pixel-8", "é🎧")], ids=["unknown", "usage"])
def test_a_stream_is_given_nothing_that_its_encoding_lacks(
    encoding: str, shown: bytes, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    run = subprocess.run(
        [sys.executable, "-m", "testpress", *arguments], capture_output=True, env=code_environment(ROOT)
    )
    assert shown in run.stderr
    assert run.stderr.decode(encoding)
    assert (run.stdout, run.returncode) == (b"", 1 if len(arguments) == 2 else 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "gone.tflite"), "gone.tflite: no such file or folder"),
        (("latency", "gone.tflite", "--device", "pixel-8"), "gone.tflite: no such file or folder"),
        (("play", "gone.tflite", "--audio", "x.wav"), "gone.tflite: no such file or folder"),
        (("inspect", "gone.mlpackage", "--ranges"), "gone.mlpackage: no such file or folder"),
    ],
)
def test_what_the_user_can_mend_is_one_message_without_a_traceback(arguments: tuple[str, ...], message: str) -> None:
    code, out, err = start(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"testpress: {message}")
    assert len(err.splitlines()) == 1


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "evaluation.json"
    path.parent.mkdir()
    path.write_text(dump_json(make_evaluation()))
    return path


def test_report_says_where_each_file_is(evaluation: Path) -> None:
    folder = evaluation.parent / "report"
    assert invoke("report", evaluation).stdout == f"{folder / 'report.html'}\n"
    found = json.loads(invoke("report", evaluation, "--json", "--baseline", evaluation).stdout)
    assert found == {
        "html": str(folder / "report.html"),
        "markdown": str(folder / "report.md"),
        "comment": str(folder / "comment.md"),
        "junit": str(folder / "junit.xml"),
        "metrics": str(folder / "metrics.txt"),
        "drift": [str(folder / "drift" / "coreml-float16.json")],
    }


def test_check_annotates_on_github_and_keeps_its_result_clean(
    evaluation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert (invoke("check", evaluation).exit_code, invoke("check", evaluation).stderr) == (3, "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = invoke("check", evaluation, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["outcome"]["status"] == "fail"
    lines = result.stderr.splitlines()
    assert lines[0].startswith("::error ")
    assert "title=tflite-dynamic_wi8_afp32::note_f1 at most 0.01 below the source model: " in lines[0]
    assert lines[-1].startswith("::notice ")
    assert "title=testpress%3A basic-pitch 0.4.0::Fail: " in lines[-1]


def test_init_writes_what_run_reads(tmp_path: Path) -> None:
    found = json.loads(invoke("init", tmp_path, "--model", "python:net:build", "--ci", "gitlab", "--json").stdout)
    assert found == {
        "recipe": str(tmp_path / "testpress.toml"),
        "gitlab": str(tmp_path / "testpress.gitlab-ci.yml"),
    }
    assert read_recipe(tmp_path / "testpress.toml").written.model.name == "net"
    code, out, err = start("init", tmp_path, "--ci", "none")
    assert (code, out) == (1, "")
    assert err.startswith(f"testpress: {tmp_path / 'testpress.toml'}: is there already")
    assert invoke("init", tmp_path, "--ci", "none", "--ci", "github").exit_code == 2


@pytest.mark.slow
def test_diff_is_no_verdict(tmp_path: Path, evaluation: Path) -> None:
    first, second = write_bundle(tmp_path / "a"), write_bundle(tmp_path / "b", output="other")
    result = invoke("diff", first, second)
    assert result.exit_code == 0
    assert "output scaled" in result.stdout
    facts = json.loads(invoke("diff", first, second, "--json").stdout)["facts"]
    assert {fact["fact"] for fact in facts} >= {"output scaled", "output other"}
    assert "did not change" in invoke("diff", evaluation, evaluation.parent).stdout
    code, out, err = start("diff", evaluation, first)
    assert (code, out, len(err.splitlines())) == (1, "", 1)


def test_doctor_exits_by_whether_recipes_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke("doctor", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ready"] else 1)
    monkeypatch.setattr("testpress.diagnosis.OLDEST_PYTHON", (99, 0))
    old = invoke("doctor")
    assert old.exit_code == 1
    assert "NOT run" in old.stdout

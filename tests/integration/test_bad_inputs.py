"""Every fault of a recipe or its data, through the real command: exit code 1, no traceback, file and field named."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from testpress.edge import run_arguments
from tests.specimens import Job, make_notes_job, run_command, tone

Bend = Callable[[Job], None]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A good job but for its model, whose bytes are no graph: nothing here may come so far as to load it."""
    model = tmp_path / "job" / "model"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"no graph")
    made = make_notes_job(tmp_path / "job", Path("model"))
    made.recipe["model"]["source"] = "model"
    return made


class Command:
    """The command's own edge, in this process: what a shell would see, without the start of an interpreter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["testpress", *arguments])
        code = run_arguments()
        out, err = self._capfd.readouterr()
        return code, out, err


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capfd)


def _set(*path: str, value: Any) -> Bend:
    def bend(job: Job) -> None:
        table = job.recipe
        for key in path[:-1]:
            table = table.setdefault(key, {})
        table[path[-1]] = value

    return bend


def _drop(*path: str) -> Bend:
    def bend(job: Job) -> None:
        table = job.recipe
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]

    return bend


def _sound(samples: np.ndarray, rate_hz: int = 8000) -> Bend:
    def bend(job: Job) -> None:
        job.sounds["a.wav"] = (samples, rate_hz)

    return bend


def _line(line: Any) -> Bend:
    def bend(job: Job) -> None:
        job.lines[1] = line

    return bend


def _lines(*lines: Any) -> Bend:
    def bend(job: Job) -> None:
        job.lines = list(lines)

    return bend


def _file(name: str, content: bytes) -> Bend:
    def bend(job: Job) -> None:
        job.sounds.pop(name, None)
        job.folder.mkdir(exist_ok=True)
        (job.folder / name).write_bytes(content)

    return bend


def _nan() -> np.ndarray:
    samples = tone(0.5)
    samples[1234] = np.nan
    return samples


def _budget(**budget: Any) -> Bend:
    return _set("budgets", value=[budget])


RECIPE_FAULTS: list[tuple[str, Bend, str]] = [
    (
        "a section is missing",
        _drop("audio"),
        "{recipe}: has no [audio] section; playing the model on audio needs sample_rate_hz, window_samples and hop_",
    ),
    (
        "a key is missing",
        _drop("model", "license"),
        "{recipe}: model.license: missing (the model's licence, for example",
    ),
    (
        "a key is misspelt",
        _set("audio", "sample_rate", value=8000),
        "{recipe}: audio.sample_rate: unknown key; did you mean 'sample_rate_hz'?",
    ),
    (
        "a section is misspelt",
        _set("device", value={"ids": ["x"]}),
        "{recipe}: device: unknown key; did you mean 'devices'?",
    ),
    (
        "a number is a text",
        _set("audio", "window_samples", value="2048"),
        '{recipe}: audio.window_samples: Input should be a valid integer; found "2048"',
    ),
    (
        "a window of nothing",
        _set("audio", "window_samples", value=0),
        "{recipe}: audio.window_samples: Input should be greater than 0; found 0",
    ),
    (
        "the hop is longer than the window",
        _set("audio", "hop_samples", value=4096),
        "{recipe}: audio: hop_samples 4096 is larger than window_samples 2048",
    ),
    (
        "an unknown phone",
        _set("devices", "ids", value=["pixle-8"]),
        "{recipe}: devices.ids: unknown device 'pixle-8'; did you mean 'pixel-8'?",
    ),
    (
        "no phone",
        _set("devices", "ids", value=[]),
        "{recipe}: devices.ids: no phone is named; name at least one; found []",
    ),
    ("a phone twice", _set("devices", "ids", value=["pixel-8"] * 2), "{recipe}: devices.ids: a phone is named twice"),
    (
        "an unknown precision",
        _set("variants", "tflite", value=["flaot16"]),
        "{recipe}: variants.tflite: unknown precision 'flaot16'; did you mean 'float16'?",
    ),
    (
        "nothing to package",
        _set("variants", "tflite", value=[]),
        "{recipe}: variants: nothing is to be packaged; name at least one precision of tflite",
    ),
    (
        "an unknown task",
        _set("task", "kind", value="note_transciption"),
        "{recipe}: task.kind: no task of kind 'note_transciption'; did you mean 'note_transcription'?",
    ),
    (
        "a budget on an unknown metric",
        _budget(metric="note_f2", min=0.5),
        "{recipe}: budgets[0].metric: unknown metric 'note_f2'; did you mean 'note_f1'?",
    ),
    (
        "a budget without a limit",
        _budget(metric="note_f1"),
        "{recipe}: budgets[0]: a budget has exactly one of max, min, max_drop, max_rise; none given for 'note_f1'",
    ),
    ("an unknown framework", _set("model", "framework", value="jax"), "{recipe}: model.framework: Input should be "),
    (
        "the model is not there",
        _set("model", "source", value="modle"),
        "model.source: 'modle': no such file or folder ({folder}/modle)",
    ),
    (
        "the package is not installed",
        _set("model", "source", value="pkg://no_such_package/model"),
        "'pkg://no_such_package/model': the package 'no_such_package' is not installed in this environment; install",
    ),
    (
        "the task's output is not named",
        _drop("model", "outputs", "onset"),
        "task note_transcription reads the outputs note, onset; model.outputs does not name onset",
    ),
    (
        "the dataset is not there",
        _set("task", "dataset", value="data/notes.jsonl"),
        "{folder}/data/notes.jsonl: no such file; the recipe's dataset must be a JSONL manifest",
    ),
    (
        "the dataset's code is not there",
        _set("task", "dataset", value="python:maker:make"),
        "task.dataset: 'python:maker:make': there is no file {folder}/maker.py",
    ),
    (
        "the dataset's function is not named",
        _set("task", "dataset", value="python:maker"),
        "task.dataset: 'python:maker' should read python:module:function",
    ),
]

DATA_FAULTS: list[tuple[str, Bend, str]] = [
    ("no clip", _lines(), "{folder}/clips.jsonl: holds no clip; one JSON object a line is expected"),
    ("not JSON", _line('{"audio": "b.wav", '), "{folder}/clips.jsonl:2: not valid JSON: "),
    ("not an object", _line("[]"), "{folder}/clips.jsonl:2: must be a JSON object, found list"),
    (
        "no labels",
        _line({"audio": "b.wav"}),
        "{folder}/clips.jsonl:2: key 'notes' is missing; note_transcription needs audio",
    ),
    (
        "a misspelt key",
        _line({"audio": "b.wav", "note": []}),
        "{folder}/clips.jsonl:2: key 'notes' is missing; note_transcription needs audio, notes; it has 'note'; did you",
    ),
    (
        "labels outside the clip",
        _line({"audio": "b.wav", "notes": [[0.1, 9.0, 60]]}),
        "{folder}/clips.jsonl:2: notes[0]",
    ),
    (
        "a clip twice",
        _lines({"audio": "a.wav", "notes": []}, {"audio": "a.wav", "notes": []}),
        "{folder}/clips.jsonl:2: clip 'a' is there twice",
    ),
    (
        "audio missing",
        _line({"audio": "c.wav", "notes": []}),
        "{folder}/clips.jsonl:2: audio file {folder}/c.wav does not",
    ),
    (
        "audio outside",
        _line({"audio": "../c.wav", "notes": []}),
        "{folder}/clips.jsonl:2: audio '../c.wav' lies outside the dataset",
    ),
    ("audio empty", _sound(tone(0.0)), "{folder}/clips.jsonl:1: {folder}/a.wav: empty: it holds no sample"),
    (
        "audio not finite",
        _sound(_nan()),
        "{folder}/clips.jsonl:1: {folder}/a.wav: holds a value that is not finite, first at sample 1234",
    ),
    ("audio not audio", _file("a.wav", b"hello"), "{folder}/clips.jsonl:1: {folder}/a.wav: cannot be read as audio: "),
    ("audio of no byte", _file("a.wav", b""), "{folder}/clips.jsonl:1: {folder}/a.wav: cannot be read as audio: "),
]


def _cases(faults: list[tuple[str, Bend, str]]) -> Any:
    return pytest.mark.parametrize(
        ("bend", "message"), [fault[1:] for fault in faults], ids=[fault[0] for fault in faults]
    )


def _check(job: Job, message: str, status: int, out: str, err: str) -> None:
    lines = [line for line in err.splitlines() if not line.endswith("…")]  # stages
    expected = message.format(recipe=job.path, folder=job.folder.resolve())
    assert lines, err
    assert lines[0].replace(str(job.folder), str(job.folder.resolve())).startswith(f"testpress: {expected}"), err
    assert status == 1
    assert out == ""
    assert "Traceback" not in err
    assert not (job.out / "evaluation.json").exists()


@_cases(RECIPE_FAULTS)
def test_a_faulty_recipe(bend: Bend, message: str, job: Job, command: Command) -> None:
    bend(job)
    job.write()
    _check(job, message, *command("run", str(job.path), "-o", str(job.out)))


@pytest.mark.slow
@_cases(DATA_FAULTS)
def test_faulty_data_is_told_before_anything_is_converted(bend: Bend, message: str, job: Job, command: Command) -> None:
    bend(job)
    job.write()
    _check(job, message, *command("run", str(job.path), "-o", str(job.out)))
    assert not (job.out / "bundles").exists()


def test_all_faults_are_listed_at_once(job: Job, command: Command) -> None:
    for bend in (_drop("model", "license"), _set("audio", "sample_rate", value=1), _set("devices", "ids", value=[])):
        bend(job)
    job.write()
    _, _, err = command("run", str(job.path))
    for field in ("model.license: missing", "audio.sample_rate: unknown key", "devices.ids: no phone"):
        assert f"{job.path}: {field}" in err


def test_names_are_all_checked_at_once(job: Job, command: Command) -> None:
    _set("devices", "ids", value=["pixle-8"])(job)
    _set("task", "kind", value="tagging2")(job)
    job.write()
    _, _, err = command("run", str(job.path))
    assert f"{job.path}: devices.ids: " in err
    assert f"{job.path}: task.kind: " in err


@pytest.mark.parametrize("verb", ["run", "package", "evaluate"])
def test_no_recipe(verb: str, tmp_path: Path, command: Command) -> None:
    missing = tmp_path / "testpress.toml"
    assert command(verb, str(missing)) == (1, "", f"testpress: {missing}: no such file\n")


@pytest.mark.parametrize("verb", ["run", "package", "evaluate"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model\n", "not valid TOML: "),
        ("x = 1\nx = 2\n", "not valid TOML: "),
        ("", "model: missing (the [model] section)"),
        (b"\xff\xfe\x00", "cannot be read: "),
    ],
)
def test_a_recipe_that_is_no_toml(verb: str, text: str | bytes, message: str, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "testpress.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    status, out, err = command(verb, str(path))
    assert (status, out) == (1, "")
    assert err.startswith(f"testpress: {path}: {message}")
    assert "Traceback" not in err


def test_an_unknown_phone_on_the_command_line(job: Job, command: Command) -> None:
    job.write()
    status, _, err = command("run", str(job.path), "--device", "iphnoe-12")
    assert (status, "did you mean 'iphone-12'?" in err) == (1, True)


@pytest.mark.parametrize("verb", ["run", "package"])
@pytest.mark.parametrize("in_the_way", ["out", "out/logs"])
def test_an_output_folder_that_cannot_be_written(verb: str, in_the_way: str, job: Job, command: Command) -> None:
    """A file stands where a folder must: that stops root too, whom permissions do not."""
    job.write()
    path = job.folder / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_text("in the way")
    status, out, err = command(verb, str(job.path), "-o", str(job.out))
    assert status == 1
    assert "Traceback" not in out + err
    assert f"{path}" in out + err
    assert "cannot be written" in out + err
    assert path.read_text() == "in the way"


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("in_the_way", ["out/bundles", "out/cache"])
def test_a_file_where_results_must_go(in_the_way: str, saved_models: Path, job: Job, command: Command) -> None:
    job.recipe["model"]["source"] = str(saved_models / "notes")
    job.write()
    path = job.folder / in_the_way
    path.parent.mkdir()
    path.write_text("in the way")
    status, out, err = command("run", str(job.path), "-o", str(job.out))
    assert status == 1
    assert "Traceback" not in out + err
    assert f"{path}" in err
    assert re.search(r"cannot be written: (File exists|Not a directory); choose another folder with -o", err)
    assert path.read_text() == "in the way"


def test_two_runs_in_one_folder(job: Job, command: Command) -> None:
    from packager.storage import lock_folder

    job.write()
    with lock_folder(job.out):
        status, _, err = command("run", str(job.path), "-o", str(job.out))
    assert status == 1
    assert f"{job.out}: another testpress run is writing here; wait for it or choose -o" in err


@pytest.mark.slow
def test_nothing_to_evaluate(job: Job, command: Command) -> None:
    job.write()
    status, _, err = command("evaluate", str(job.path))
    assert status == 1
    assert "nothing to evaluate: package the recipe first, or name a bundle or model file" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.tflite", "no such file or folder; name a bundle, a .tflite or an .mlpackage"),
        ("clips.jsonl", "not a model that can be played; known: .mlpackage, .mlmodel, .tflite"),
        ("pkg://no_such_package/x.tflite", "the package 'no_such_package' is not installed"),
    ],
)
def test_a_file_that_is_no_model(
    name: str, message: str, job: Job, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.write()
    monkeypatch.chdir(job.folder)
    status, _, err = command("evaluate", str(job.path), name)
    assert status == 1
    assert name in err
    assert message in err


@pytest.mark.slow
def test_the_same_through_a_shell(job: Job) -> None:
    """One fault by the interpreter's own start, to know that the tests above see what a shell sees."""
    _set("devices", "ids", value=["pixle-8"])(job)
    job.write()
    run = run_command(job.command("run"))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"testpress: {job.path}: devices.ids: unknown device 'pixle-8'")


def test_usage_errors_are_clicks(job: Job, command: Command) -> None:
    job.write()
    assert command("run")[0] == 2
    assert command("run", str(job.path), "--no-such-option")[0] == 2
    assert command("run", str(job.folder))[0] == 2


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("damage", ["not a graph", "truncated graph", "truncated variables", "no variables"])
def test_a_damaged_saved_model(damage: str, saved_models: Path, job: Job) -> None:
    model = job.folder / "model"
    for path in (saved_models / "notes").rglob("*"):
        if path.is_file():
            target = model / path.relative_to(saved_models / "notes")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    graph, (data,) = model / "saved_model.pb", (model / "variables").glob("*.data-*")
    if damage == "not a graph":
        graph.write_bytes(b"no graph")
    elif damage == "truncated graph":
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    elif damage == "truncated variables":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    else:
        data.unlink()
    run = job.run()
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    fault = f"{model}: TensorFlow cannot load this SavedModel; it may be corrupted or truncated"
    assert f"testpress: nothing could be packaged: {fault}" in run.stderr
    assert not list((job.out / "bundles").glob("*")) if (job.out / "bundles").exists() else True


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
@pytest.mark.coreml
def test_damaged_model_files_are_rows_and_the_good_one_is_judged(saved_models: Path, job: Job) -> None:
    """Each damaged file is a row with its reason; the bundle beside them is evaluated all the same."""
    job.recipe["model"]["source"] = str(saved_models / "notes")
    job.write()
    out = job.folder / "testpress-out"
    assert job.run("-q", verb="package").returncode == 0
    good = (out / "bundles" / "tflite-float32" / "model.tflite").read_bytes()
    damaged = {
        "empty.tflite": b"",
        "text.tflite": b"this is not a model, but a text of some length\n",
        "head.tflite": good[:16],
        "half.tflite": good[: len(good) // 2],
        "zeros.tflite": good[:64] + bytes(len(good) - 64),
    }
    for name, content in damaged.items():
        (job.folder / name).write_bytes(content)
    package = job.folder / "broken.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{")
    names = [*damaged, package.name]
    run = run_command(job.command("evaluate", *(str(job.folder / name) for name in names)), timeout_s=300)
    assert "Traceback" not in run.stdout + run.stderr
    evaluation = json.loads((out / "evaluation.json").read_text())
    rows = {row["variant"]: row for row in evaluation["variants"]}
    assert set(rows) == {"tflite-float32", *names}
    assert rows["tflite-float32"]["failure"] is None
    for name in names:
        failure = rows[name]["failure"]
        assert failure is not None, name
        assert failure["stage"] == "evaluate"
        assert name in failure["reason"], failure["reason"]
        assert "Traceback" not in failure["reason"]


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
def test_another_rate_is_resampled_and_said(saved_models: Path, job: Job) -> None:
    job.recipe["model"]["source"] = str(saved_models / "notes")
    job.sounds["a.wav"] = (tone(0.5, rate_hz=44100), 44100)
    run = job.run()
    assert run.returncode == 0, run.stderr
    evaluation = json.loads((job.out / "evaluation.json").read_text())
    notices = {clip["clip"]: clip["notices"] for clip in evaluation["dataset"]["clips"]}
    assert notices == {"a": ["resampled from 44100 Hz to 8000 Hz"], "b": []}
    assert "resampled from 44100 Hz to 8000 Hz" in (job.out / "report" / "report.html").read_text()


def test_the_good_recipe_is_good(job: Job) -> None:
    """Else the faults above would be none."""
    from testpress.recipe import read_recipe

    job.write()
    before = copy.deepcopy(job.recipe)
    assert read_recipe(job.path).written.model.name == "tiny"
    assert job.recipe == before
    assert soundfile.info(job.folder / "a.wav").samplerate == 8000

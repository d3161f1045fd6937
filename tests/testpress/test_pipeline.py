from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from device_profiles.errors import TestpressError
from evaluators.datasets.builtin.catalog import keyboard_noise
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE
from packager.errors import PackagingError
from reports.judging.comparison import load_evaluation
from testpress import pipeline
from testpress.recipe import read_recipe
from testpress.work import Work
from tests.evaluators.datasets.builtin.fake_archives import (
    describe,
    registry_that_runs,
    use_registry,
    wav,
    write_deb,
)
from tests.specimens import Job

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.lines: list[str] = []

    def stage(self, name: str, done: int, total: int) -> None:
        if name not in self.stages:
            self.stages.append(name)

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_the_stages_one_by_one_give_what_the_whole_gives(notes_job: Job) -> None:
    """package, then evaluate, then run in the same folder: the run finds all of it done."""
    notes_job.write()
    recipe, out, told = read_recipe(notes_job.path), notes_job.out, Told()
    with pytest.raises(EvaluationError, match="nothing to evaluate: package the recipe first"):
        pipeline.evaluate_recipe(Work(recipe, out, told), (), command="x")
    assert told.lines == [f"tflite-float32 is not packaged and left out; testpress package {notes_job.path} makes it"]
    (packaged,) = pipeline.package_recipe(Work(recipe, out, told))
    assert packaged.bundle is not None
    assert not packaged.reused
    evaluation = pipeline.evaluate_recipe(Work(recipe, out, told), (), command="testpress evaluate")
    assert evaluation.command == "testpress evaluate"
    stored = {path: path.stat().st_mtime_ns for path in (out / "cache").rglob("*") if path.is_file()}
    result = pipeline.run(Work(recipe, out, told), command="testpress run")
    assert [one.reused for one in result.packaged] == [True]
    assert {path: path.stat().st_mtime_ns for path in (out / "cache").rglob("*") if path.is_file()} == stored
    assert result.evaluation.variants == evaluation.variants
    assert json.loads(result.evaluation_path.read_text())["command"] == "testpress run"
    assert result.comparison.evaluation == result.evaluation
    written = result.report
    for path in (written.html, written.markdown, written.comment, written.junit, written.metrics):
        assert path.parent == out / "report"
        assert path.stat().st_size > 0
    compared = pipeline.run(Work(recipe, out, told), command="testpress run --baseline", baseline=result.evaluation)
    assert compared.comparison.baseline_created == result.evaluation.created
    assert {change.state for change in compared.comparison.changes} == {"same"}


@pytest.mark.parametrize("task", [None, {}, {"dataset": "clips.jsonl"}])
def test_without_a_task_bundles_are_held_against_the_source(task: dict[str, str] | None, notes_job: Job) -> None:
    """On test signals, or on the clips that are named; nothing claims that the recipe had audio."""
    del notes_job.recipe["task"]
    if task is not None:
        notes_job.recipe["task"] = task
    notes_job.lines = [{"audio": line["audio"]} for line in notes_job.lines]
    notes_job.write()
    told = Told()
    result = pipeline.run(Work(read_recipe(notes_job.path), notes_job.out, told), command="x")
    assert result.evaluation.task == "parity"
    (row,) = result.evaluation.variants
    assert row.parity
    clips = [clip.clip for clip in result.evaluation.dataset.clips]
    (packaged,) = result.packaged
    assert packaged.bundle is not None
    assert packaged.bundle.manifest.proof is not None
    heard = packaged.bundle.manifest.proof.inputs
    if task:
        assert clips == ["a", "b"]
        assert told.lines == []
    else:
        assert len(clips) == 5
        assert told.lines == [
            f"{notes_job.path}: [task] names no dataset: bundles are held against the source on test signals"
        ]
        assert result.evaluation.dataset.name == "test-signals"
        assert "recipe" not in heard


def test_what_a_recipe_asks_of_phones_stands_beside_their_numbers(notes_job: Job) -> None:
    """And a number that was stored for one request is not taken for another."""
    told = Told()
    found = []
    for asked in ({}, {"unit": "cpu", "threads": 1}, {"unit": "gpu"}):
        notes_job.recipe["devices"] = {"ids": ["pixel-8"], **asked}
        notes_job.write()
        result = pipeline.run(Work(read_recipe(notes_job.path), notes_job.out, told), command="x")
        (row,) = result.evaluation.variants
        found.append(row.devices[0])
        place = "GPU" if "gpu" in asked.values() else f"CPU, {row.devices[0].threads} thread"
        assert f"predicted on {place}" in result.report.markdown.read_text(encoding="utf-8")
    assert [(one.compute_unit, one.threads, one.runtime) for one in found] == [
        ("cpu", 4, "LiteRT"),
        ("cpu", 1, "LiteRT"),
        ("gpu", None, "LiteRT"),
    ]
    assert "the app asked for the CPU" in found[1].placement_reason
    assert found[0].scores["latency_ms"] != found[2].scores["latency_ms"]


def test_a_bundle_of_another_recipe_is_out_of_date(notes_job: Job) -> None:
    notes_job.recipe["variants"]["tflite"] = ["float32", "float16"]
    notes_job.write()
    told = Told()
    pipeline.package_recipe(Work(read_recipe(notes_job.path), notes_job.out, told))
    shutil.rmtree(notes_job.out / "bundles" / "tflite-float16")
    notes_job.recipe["model"]["version"] = "2"
    notes_job.write()
    with pytest.raises(EvaluationError, match="nothing to evaluate"):
        pipeline.evaluate_recipe(Work(read_recipe(notes_job.path), notes_job.out, told), (), command="x")
    assert told.lines == [
        f"tflite-float32 is out of date and left out; testpress package {notes_job.path} makes it",
        f"tflite-float16 is not packaged and left out; testpress package {notes_job.path} makes it",
    ]


def test_damaged_bundles_are_failed_rows_and_made_again(notes_job: Job) -> None:
    """Bytes of the weights, the manifest and everything stored: the next run notices all of it."""
    notes_job.recipe["variants"]["tflite"] = ["float32", "float16"]
    good = notes_job.run()
    assert good.returncode == 0, good.stderr
    out = notes_job.out
    expected = {variant.variant: variant.parity for variant in load_evaluation(out / "evaluation.json").variants}
    model = out / "bundles" / "tflite-float32" / "model.tflite"
    whole = model.read_bytes()
    model.write_bytes(whole[:-700] + bytes(600) + whole[-100:])
    evaluation = ("-q", "-o", str(out / "evaluation.json"))
    one = notes_job.run(*evaluation, verb="evaluate")
    assert one.returncode == 0, one.stderr
    failed, played = load_evaluation(out / "evaluation.json").variants
    assert failed.failure is not None
    assert failed.failure.reason.startswith("model.tflite: changed since it was packaged: ")
    assert played.parity == expected["tflite-float16"]
    (out / "bundles" / "tflite-float16" / "manifest.json").write_text("[" * 200_000)
    none = notes_job.run(*evaluation, verb="evaluate")
    assert none.returncode == 1
    assert none.stderr == "testpress: nothing was evaluated: all 2 rows failed; the reason stands in each row\n"
    assert none.stdout.count("no result") == 2
    for path in [*(out / "cache").rglob("*"), *(out / "previews").rglob("*")]:
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)
    healed = notes_job.run("-q", "-o", str(out))
    assert healed.returncode == 0, healed.stderr
    assert {row.variant: row.parity for row in load_evaluation(out / "evaluation.json").variants} == expected
    assert model.read_bytes() == whole


def test_a_source_that_nothing_can_be_made_of_is_said_once(notes_job: Job, saved_models: Path) -> None:
    notes_job.recipe["model"]["source"] = str(saved_models / "notes")
    notes_job.recipe["model"]["signature"] = "other"
    notes_job.recipe["variants"]["tflite"] = ["float32", "float16"]
    notes_job.write()
    told = Told()
    with pytest.raises(PackagingError) as caught:
        pipeline.run(Work(read_recipe(notes_job.path), notes_job.out, told), command="x")
    assert str(caught.value).startswith(
        f"nothing could be packaged: {saved_models / 'notes'}: has no signature 'other'; model.signature can be: "
    )
    assert str(caught.value).endswith(f"\n(log: {notes_job.out / 'logs' / 'package-tflite.log'})")
    assert told.lines == []


def test_two_models_of_one_name_are_refused(notes_job: Job, tmp_path: Path) -> None:
    notes_job.write()
    recipe, told = read_recipe(notes_job.path), Told()
    pipeline.package_recipe(Work(recipe, notes_job.out, told))
    model = notes_job.out / "bundles" / "tflite-float32" / "model.tflite"
    names = [tmp_path / folder / "m.tflite" for folder in ("a", "b")]
    for index, path in enumerate(names):
        path.parent.mkdir()
        path.write_bytes(model.read_bytes() + bytes(4 * index))
    with pytest.raises(TestpressError) as caught:
        pipeline.evaluate_recipe(Work(recipe, notes_job.out, told), [str(path) for path in names], command="x")
    assert str(caught.value) == f"two different models are named 'm.tflite': {names[0]}, {names[1]}"
    same = [str(names[0]), str(names[0])]
    evaluation = pipeline.evaluate_recipe(Work(recipe, notes_job.out, told), same, command="x")
    assert [row.variant for row in evaluation.variants] == ["tflite-float32", "m.tflite"]
    file = evaluation.variants[1]
    assert (file.origin, file.precision, file.failure) == ("file", "float32", None)
    assert file.scores["note_f1"] == evaluation.variants[0].scores["note_f1"]  # the same model under another name


def test_what_is_embedded_reports_itself(notes_job: Job) -> None:
    """A report needs the evaluation alone: budgets and names of phones are in it."""
    from reports.judging.budgets import recipe_budgets

    notes_job.recipe["budgets"] = [{"metric": "size_bytes", "max": "1kB"}]
    notes_job.write()
    result = pipeline.run(Work(read_recipe(notes_job.path), notes_job.out, Told()), command="x")
    assert [budget.text for budget in recipe_budgets(result.evaluation)] == ["size_bytes at most 1kB"]
    assert result.comparison.outcome.status == "fail"
    assert result.evaluation.device_names == {"pixel-8": "Pixel 8"}


def test_a_builtin_dataset_is_fetched_by_the_run_and_its_makers_are_named(
    notes_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    sounds = {f"./usr/share/buckle/wav/0{key}-1.wav": wav(0.4) for key in range(3)}
    sent = write_deb(tmp_path / "sent.deb", sounds)
    monkeypatch.setattr(keyboard_noise.KeyboardNoise, "archives", (describe(sent, "bucklespring-data"),))
    use_registry(monkeypatch, registry_that_runs(f"import shutil; shutil.copy({str(sent)!r}, '.')"))
    task = {"kind": "parity", "dataset": "builtin:keyboard-noise", "dataset_options": {"clips": 2}}
    notes_job.recipe["task"] = task
    notes_job.write()
    told = Told()
    recipe = read_recipe(notes_job.path)
    result = pipeline.run(Work(recipe, notes_job.out, told), command="testpress run")
    assert told.stages[:3] == ["read the dataset", "fetch sent.deb (kB)", "make keyboard-noise"]
    assert [clip.clip for clip in result.evaluation.dataset.clips] == ["audio/00-1", "audio/01-1"]
    makers = "bucklespring, recorded by Ico Doornekamp (GPL-2.0-or-later)"
    assert result.evaluation.dataset.attribution == makers
    assert makers in result.report.html.read_text()
    assert load_evaluation(result.evaluation_path) == result.evaluation

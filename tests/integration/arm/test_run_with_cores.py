"""A recipe whose phone has an emulated core, through the real command: rows, verdicts, pages, resumed and repeated."""

from __future__ import annotations

import json

import pytest

from evaluators.emulators.arm.installation import Installation
from reports.judging.comparison import load_evaluation
from reports.judging.cores import RULE
from tests.specimens import Job

pytestmark = [pytest.mark.slow, pytest.mark.tflite, pytest.mark.tensorflow]


def test_cores_are_played_judged_and_shown(installation: Installation, notes_job: Job) -> None:
    job = notes_job
    job.recipe["devices"] = {"ids": ["pixel-7", "xiaomi-17"]}
    job.recipe["targets"] = {"arm": {"windows": 2}}
    job.recipe["budgets"] = [{"metric": "instructions", "max": 1, "devices": ["pixel-7"]}]
    run = job.run()
    assert run.returncode == 3, run.stderr + run.stdout
    evaluation = load_evaluation(job.out / "evaluation.json")
    (row,) = evaluation.variants
    (core,) = row.cores
    assert (core.target.name, core.target.core, core.failure) == ("arm_cortex_a76", "Cortex-A76", None)
    assert len(core.windows) == 2 and core.n_windows == 4
    assert core.parity and not core.not_finite and core.flips is not None and core.flips.count == 0
    pixel, xiaomi = row.devices
    assert pixel.cores == ("arm_cortex_a76",) and xiaomi.cores == ()
    assert any("SME" in one for one in xiaomi.cores_missing)
    assert pixel.scores["instructions"].basis == "emulated"
    assert "instructions" not in xiaomi.scores
    assert "instructions" in run.stdout
    junit = (job.out / "report" / "junit.xml").read_text()
    assert RULE in junit.replace("&#x27;", "'").replace("&apos;", "'")
    page = (job.out / "report" / "report.html").read_text(encoding="utf-8")
    assert 'id="cores"' in page and "Cortex-A76" in page

    calls = sorted(path.name for path in (job.out / "cache" / "core_calls").iterdir())
    assert len(calls) == 2
    log = job.out / "logs"
    for path in log.glob("play_on_core*"):
        path.unlink()
    for path in (job.out / "cache" / "play_on_core").iterdir():
        path.unlink()  # as if it had been killed before its last word
    assert job.run().returncode == 3
    assert sorted(path.name for path in (job.out / "cache" / "core_calls").iterdir()) == calls
    again = load_evaluation(job.out / "evaluation.json").variants[0].cores[0]
    assert again == core

    job.recipe["targets"] = {"arm": {"windows": 0}}
    job.recipe["budgets"] = []
    assert job.run().returncode == 0
    none = json.loads((job.out / "evaluation.json").read_text())
    assert none["variants"][0]["cores"] == [] and none["cores_reason"] == ""


def test_without_the_emulation_one_line_says_what_it_would_show(
    notes_job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("TESTPRESS_CACHE", str(tmp_path_factory.mktemp("empty")))
    run = notes_job.run()
    assert run.returncode == 0, run.stderr
    assert "testpress setup arm" in run.stdout
    page = (notes_job.out / "report" / "report.html").read_text(encoding="utf-8")
    assert "testpress setup arm" in page

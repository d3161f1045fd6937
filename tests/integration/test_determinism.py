"""Same input, same bytes: bundles and what an evaluation finds, wherever and whenever they are made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packager.package import Variant, package
from packager.storage import digest_files
from testpress.progress import TerminalProgress
from testpress.recipe import read_recipe
from testpress.stage_requests import make_package_request
from testpress.work import Work
from tests.specimens import BASIC_PITCH_RECIPE, ROOT, Job, copy_code, make_notes_job

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]

VARIANTS = (
    Variant("coreml", "float16"),
    Variant("tflite", "dynamic_wi8_afp32"),
    Variant("coreml", "float32"),
    Variant("tflite", "float16"),
    Variant("tflite", "float32"),
)
"""not the recipe's order: what is made before may leave nothing behind in what is made after"""


def _findings(evaluation: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the clock: all but times, peaks of memory and the date."""
    for row in evaluation["variants"]:
        row.pop("timing")
        row["scores"].pop("peak_memory_bytes", None)
    for key in ("created", "command"):
        evaluation.pop(key)
    return evaluation


def test_two_runs_find_the_same(tmp_path: Path, saved_models: Path) -> None:
    found, bundles, code = [], [], copy_code(tmp_path / "code")
    for name in ("one", "two"):
        job: Job = make_notes_job(tmp_path / name, saved_models / "notes")
        job.recipe["variants"]["tflite"] = ["float32", "dynamic_wi8_afp32"]
        job.code = code
        run = job.run()
        assert run.returncode == 0, run.stderr
        found.append(_findings(json.loads((job.out / "evaluation.json").read_text())))
        bundles.append(digest_files(job.out / "bundles"))
    assert bundles[0] == bundles[1]
    assert found[0] == found[1]


@pytest.mark.coreml
def test_all_five_basic_pitch_bundles_are_the_same_bytes_again(basic_pitch: Path, tmp_path: Path) -> None:
    recipe = read_recipe(ROOT / BASIC_PITCH_RECIPE)
    with TerminalProgress(quiet=True) as progress:
        order = make_package_request(Work(recipe, tmp_path, progress))
    assert {variant.name for variant in order.variants} == {variant.name for variant in VARIANTS}
    outcomes = package(replace(order, variants=VARIANTS))
    for outcome in outcomes:
        assert outcome.bundle is not None, outcome.reason
        assert not outcome.reused
        assert digest_files(outcome.bundle.path) == digest_files(basic_pitch / "bundles" / outcome.variant.name)

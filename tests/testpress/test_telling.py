from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.target_records import Failure
from packager.bundle import read_bundle
from packager.package import Packaged, Variant
from testpress.progress import TerminalProgress
from testpress.telling import tell_evaluated, tell_packaged
from tests.reports.example_evaluation import make_evaluation
from tests.testpress.tiny_tflite import write_bundle


def test_each_bundle_is_told_with_its_log_and_a_failed_one_with_how_that_ends(tmp_path: Path) -> None:
    log = tmp_path / "package-tflite.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)) + "\n\n")
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    lines: list[str] = []
    outcomes = [
        Packaged(Variant("tflite", "float32"), bundle, log=log, seconds=1.25),
        Packaged(Variant("tflite", "float16"), bundle, reused=True),
        Packaged(Variant("tflite", "int8"), None, reason="no kernel", log=log),
        Packaged(Variant("tflite", "int4"), None, reason="no worker", log=tmp_path / "gone.log"),
    ]
    tell_packaged(outcomes, lines.append)
    assert lines[0] == f"tflite-float32: made in 1.2 s (log: {log}): {bundle.path}"
    assert lines[1] == f"tflite-float16: was there already: {bundle.path}"
    assert lines[2] == f"tflite-int8: not made: no kernel (log: {log})"
    assert lines[3:23] == [f"  | line {number}" for number in range(80, 100)]
    assert lines[23:] == [f"tflite-int4: not made: no worker (log: {tmp_path / 'gone.log'})"]


def test_each_row_is_told_and_a_failed_one_with_how_its_log_ends(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.log").write_text("Traceback\nKeyError: 3\n")
    row = make_evaluation().variants[0]
    failed = row.model_copy(update={"failure": Failure(stage="evaluate", reason="it died", log="logs/x.log")})
    lines: list[str] = []
    tell_evaluated([row, failed], tmp_path, lines.append)
    assert lines[0].startswith("tflite-float32: evaluated")
    assert lines[1:] == [
        f"tflite-float32: no result: it died (log: {tmp_path / 'logs' / 'x.log'})",
        "  | Traceback",
        "  | KeyError: 3",
    ]


def test_a_verbose_progress_tells_how_long_each_stage_took(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(quiet=False, verbose=True) as progress:
        progress.stage("package", 0, 2)
        progress.stage("package", 2, 2)
        progress.stage("nothing to do", 0, 0)
    assert capsys.readouterr().err.splitlines() == ["package …", "package: 0.0 s"]

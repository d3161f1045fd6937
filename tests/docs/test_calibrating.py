"""docs/calibration.md, followed word by word."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
from tests.docs.pages import read_page
from tests.specimens import ROOT, run_command
from tests.testpress.tiny_tflite import write_chain, write_features

PAGE = ROOT / "docs" / "calibration.md"


@pytest.mark.slow
@pytest.mark.tflite
def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chain(tmp_path / "keywords.tflite", 40)
    write_features(tmp_path / "voice.tflite")
    (tmp_path / "measured.csv").write_text(read_page(PAGE, "csv"))
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^testpress (.+)$", PAGE.read_text(), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["calibrate", "latency"]
    said = []
    for command in commands:
        run = run_command([sys.executable, "-m", "testpress", *shlex.split(command)])
        assert run.returncode == 0, run.stderr
        said.append(run.stdout)
    assert "for each model by the others' rows alone" in said[0]
    assert "Moved by 3 measured rows of LiteRT, cpu, float32 on this phone." in said[1]

"""docs/first_model.md, followed up to the recipe; tests/integration/test_first_hour.py goes on to verdicts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from testpress.recipe import read_recipe
from tests.docs.pages import read_page
from tests.specimens import ROOT, code_environment

PAGE = ROOT / "docs" / "first_model.md"


@pytest.mark.slow
@pytest.mark.pytorch
def test_init_finds_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(read_page(PAGE))
    for number in range(9):
        path = tmp_path / "recordings" / ("tone", "hum", "noise")[number % 3] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full((8000, 1 + (number < 3)), 0.1), 8000)
    (command,) = re.findall(r"^testpress (init --model .*)$", PAGE.read_text(), re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "testpress", *command.split(), "--ci", "none"],
        cwd=tmp_path,
        env=code_environment(ROOT),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (told,) = (block for block in PAGE.read_text().split("```\n") if block.startswith("model: "))
    assert done.stdout == told
    assert read_recipe(tmp_path / "testpress.toml").written.model.source == "python:net:build"

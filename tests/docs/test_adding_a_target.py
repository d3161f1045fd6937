"""docs/adding/target.md, followed word by word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import MOST_LINES, install_page, read_page
from tests.specimens import ROOT
from tests.testpress.tiny_tflite import write_gain

PAGE = ROOT / "docs" / "adding" / "target.md"

SCRIPT = """\
import sys
from pathlib import Path
import numpy as np
from evaluators.targets import default_target, get_player, open_model, target_names
assert "litert_plain" in target_names(), target_names()
assert default_target("tflite").name == "litert"
emulator = open_model(Path(sys.argv[1]), get_player("litert_plain").find())
(name, tensor), *_ = emulator.inputs.items()
values = np.random.default_rng(5).standard_normal(tensor.shape).astype(np.float32)
(found,) = emulator.run({name: values}).values()
(expected,) = open_model(Path(sys.argv[1])).run({name: values}).values()
np.testing.assert_allclose(found, expected, rtol=1e-6)
print(emulator.runtime)
emulator.close()
"""


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= MOST_LINES


@pytest.mark.slow
@pytest.mark.tflite
def test_what_the_page_adds_plays_a_file(tmp_path: Path) -> None:
    install_page(read_page(PAGE), tmp_path, module="plain", entry_points={"targets": "litert_plain = plain:PLAYER"})
    model = write_gain(tmp_path / "m.tflite")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-c", SCRIPT, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(", plain kernels")

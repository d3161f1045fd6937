from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .programs import gain, write_package

CODE = """
import sys
import numpy as np
from evaluators.emulators.coreml import CoreMLModel
model = CoreMLModel(sys.argv[1])
(feature,) = model.inputs.values()
model.predict({feature.name: np.ones(feature.shape, np.float32)})
print(*sys.modules)
"""
HEAVY = ("coremltools", "scipy", "sympy", "tensorflow", "torch._dynamo", "torchao", "transformers")
"""torch itself is the only framework; each of these would add half a second or more to opening a model"""


@pytest.mark.slow  # a process that imports torch
def test_opening_and_running_a_model_imports_no_other_framework(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(write_package(tmp_path, gain()))]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "torch" in loaded
    assert loaded.isdisjoint(HEAVY)

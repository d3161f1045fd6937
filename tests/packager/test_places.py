"""An op of a Core ML program is named with the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.emulators.coreml import CoreMLModel
from packager.compression import Context
from packager.converters import prepare
from packager.model import ModelSpec, find_source
from packager.sources import load_source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
]

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(8, 8)

    def forward(self, x):
        y = self.dense(x)
        level = torch.log(y * y + 1e-10)
        return self.squash(level)

    def squash(self, level):
        return torch.tanh(level)

def build():
    return Net().eval(), (torch.randn(1, 8),)
"""


def test_every_op_knows_the_users_line(tmp_path: Path) -> None:
    (tmp_path / "placed_net.py").write_text(NET)
    spec = ModelSpec(name="n", version="1", license="MIT", source="python:placed_net:build")
    write = prepare("torch", "coreml", load_source(find_source(spec, tmp_path), None), Context())
    write("float32", tmp_path / "model.mlpackage")
    steps = CoreMLModel(tmp_path / "model.mlpackage").plan.steps
    found = {step.operation.kind: write.find_place(step.infos[0].output) for step in steps}
    assert found["linear"] == "placed_net.py:10 in forward: y = self.dense(x)"
    assert found["log"] == "placed_net.py:11 in forward: level = torch.log(y * y + 1e-10)"
    last = next(step.infos[0].output for step in steps if step.operation.kind == "log")
    assert write.find_place(f"{last}_cast_fp16") == found["log"]
    assert write.find_place("no_such_op") is None

"""An op of a model file is named with the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.formats.tflite.interpreter import WatchedModel
from packager.compression import Context
from packager.formats import prepare
from packager.model import ModelSpec, find_source
from packager.sources import load_source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.tflite,
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


def test_every_op_of_a_core_ml_program_knows_the_users_line(tmp_path: Path) -> None:
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


def test_ops_of_a_tflite_file_are_named_by_module_and_op(tmp_path: Path) -> None:
    """And not by the classes around them; two ops that one op of torch becomes know the same line."""
    (tmp_path / "placed_net.py").write_text(NET)
    spec = ModelSpec(name="n", version="1", license="MIT", source="python:placed_net:build")
    write = prepare("torch", "tflite", load_source(find_source(spec, tmp_path), None), Context())
    write("float32", tmp_path / "model.tflite")
    names = {op.kind: op.outputs[0] for op in WatchedModel(tmp_path / "model.tflite").ops}
    assert names["FULLY_CONNECTED"].startswith("dense/mm;")
    assert names["LOG"] == "log;"
    found = {kind: write.find_place(f"{kind} {name}") for kind, name in names.items()}
    assert found["FULLY_CONNECTED"] == "placed_net.py:10 in forward: y = self.dense(x)"
    assert (
        found["LOG"] == found["MUL"] == found["ADD"] == "placed_net.py:11 in forward: level = torch.log(y * y + 1e-10)"
    )
    assert write.find_place("LOG no_such_op;") is None

"""Recurrent layers as testpress packages them: the counts of both formats against those by hand."""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evaluators.costs.graph import Graph
from evaluators.formats import read_graph
from packager.compression import Context
from packager.formats import prepare
from packager.rewrites.torch.told_shapes import tell_shapes
from packager.sources import SourceTensor
from packager.sources.torch import TorchSource

torch = pytest.importorskip("torch")

CONVERTERS = ("ai_edge_litert", "coremltools", "litert_torch")
"""looked for, not imported: they bring TensorFlow, and every run collects this file"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tflite,
    pytest.mark.coreml,
    pytest.mark.skipif(not all(map(find_spec, CONVERTERS)), reason="a converter is not installed"),
]

FRAMES, INPUTS, SIZE = 20, 12, 7
GATES = {"LSTM": 4, "GRU": 3}


class Outputs(torch.nn.Module):
    """One layer, its outputs only."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = getattr(torch.nn, kind)(INPUTS, SIZE, batch_first=True)

    def forward(self, x: Any) -> dict[str, Any]:
        return {"y": self.layer(x)[0]}


def read(kind: str, format_: str, folder: Path) -> Graph:
    logging.getLogger().setLevel(logging.ERROR)
    inputs, outputs = (SourceTensor((1, FRAMES, size), "float32") for size in (INPUTS, SIZE))
    source = TorchSource(Outputs(kind).eval(), {"x": inputs}, {"y": outputs}, (torch.zeros(1, FRAMES, INPUTS),), "test")
    path = folder / ("m.tflite" if format_ == "tflite" else "m.mlpackage")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own
        with tell_shapes():
            _ = source.program
        prepare("torch", format_, source, Context())("float32", path)
    return read_graph(path)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("format_", ["tflite", "coreml"])
def test_both_formats_count_as_one_does_by_hand(kind: str, format_: str, tmp_path: Path) -> None:
    """Each gate of each step multiplies what comes in and what was there: units times inputs and units."""
    graph = read(kind, format_, tmp_path)
    assert graph.macs == FRAMES * GATES[kind] * SIZE * (INPUTS + SIZE)
    assert graph.unpriced == ()
    recurrent = [op for op in graph.ops if op.macs and max(op.runs, op.steps) == FRAMES]
    # What comes in may be multiplied for all steps at once; what was there may not.
    assert sum(op.macs for op in recurrent) >= FRAMES * GATES[kind] * SIZE * SIZE
    assert all(op.weight_bytes >= 4 * op.macs // op.steps for op in recurrent)

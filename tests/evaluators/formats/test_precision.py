"""The precision of bare files against the one that testpress made them in."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.profile import read_profile
from evaluators.comparing.model_runner import EmulatorRunner
from evaluators.formats import name_precision, place, read_graph
from packager.compression import Context
from packager.formats import precisions, prepare
from packager.sources import SourceTensor
from packager.sources.torch import TorchSource

torch = pytest.importorskip("torch")

CONVERTERS = ("ai_edge_litert", "ai_edge_quantizer", "coremltools", "litert_torch")
"""looked for, not imported: coremltools brings TensorFlow, and every run collects this file"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tflite,
    pytest.mark.coreml,
    pytest.mark.skipif(not all(map(find_spec, CONVERTERS)), reason="a converter is not installed"),
]

FRAMES, FEATURES = 40, 16

NUMBERS = {
    ("tflite", "float16_arithmetic"): {"conv": "float16", "depthwise": "float16"},
    ("tflite", "dynamic_wi8_afp32"): {"conv": "int8", "depthwise": "int8"},
    ("tflite", "dynamic_wi4_afp32"): {"conv": "int8", "depthwise": "float32"},
    ("tflite", "static_wi8_ai8"): {"conv": "int8", "depthwise": "int8"},
    ("tflite", "static_wi8_ai16"): {"conv": "int8", "depthwise": "int8"},
    ("coreml", "float32"): {"conv": "float32", "depthwise": "float32"},
}
"""what computes two ops of the model, where it is not the phone's floats: float32 on a CPU, float16 on an iPhone"""


class Net(torch.nn.Module):
    """A convolution, one of each channel by itself, and two products."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(FEATURES, 64, 5)
        self.depthwise = torch.nn.Conv1d(64, 64, 3, groups=64)
        self.hidden, self.out = torch.nn.Linear(64, 256), torch.nn.Linear(256, 64)

    def forward(self, x: Any) -> dict[str, Any]:
        y = torch.relu(self.depthwise(torch.relu(self.conv(x)))).transpose(1, 2)
        return {"y": torch.softmax(self.out(torch.relu(self.hidden(y))), -1)}


@pytest.fixture(scope="module", params=["tflite", "coreml"])
def written(request: pytest.FixtureRequest) -> tuple[str, Callable[[str, Path], Any]]:
    """A format, and what writes the model in one of its precisions."""
    logging.getLogger().setLevel(logging.ERROR)
    torch.manual_seed(0)
    net, random = Net().eval(), np.random.default_rng(0)
    calls = [{"x": random.normal(size=(1, FEATURES, FRAMES)).astype(np.float32)} for _ in range(4)]
    with torch.no_grad():
        made = [{"y": net(torch.from_numpy(call["x"]))["y"].numpy()} for call in calls]
    inputs = {"x": SourceTensor((1, FEATURES, FRAMES), "float32")}
    outputs = {"y": SourceTensor(made[0]["y"].shape, "float32")}
    source = TorchSource(net, inputs, outputs, (torch.zeros(1, FEATURES, FRAMES),), "test")
    context = Context("iOS18", calls, EmulatorRunner(), made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own
        return request.param, prepare("torch", request.param, source, context)


def test_a_bare_file_has_the_precision_it_was_made_in(
    written: tuple[str, Callable[[str, Path], Any]], tmp_path: Path
) -> None:
    format_, write = written
    profile = read_profile("pixel-8" if format_ == "tflite" else "iphone-15-pro")
    floats = "float32" if format_ == "tflite" else "float16"
    found, numbers = {}, {}
    for precision in precisions(format_):
        path = tmp_path / f"{precision}.{'tflite' if format_ == 'tflite' else 'mlpackage'}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(precision, path)
        graph = read_graph(path)
        found[precision] = name_precision(graph)
        placement = place(graph, found[precision], profile)
        first, second = [op for op in graph.ops if op.macs][:2]
        numbers[precision] = {
            "conv": placement.compute_of(first).number,
            "depthwise": placement.compute_of(second).number,
        }
    # Of this model, nothing had to stay in float32.
    assert found == {precision: precision.removeprefix("mixed_") for precision in precisions(format_)}
    assert numbers == {
        precision: NUMBERS.get((format_, precision), {"conv": floats, "depthwise": floats})
        for precision in precisions(format_)
    }

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from evaluators.formats.tflite.scales import read_scales, summarise_scales
from tests.testpress.tiny_tflite import Writer, write_gain

pytestmark = pytest.mark.tflite


def test_scales_are_read_tensor_by_tensor(tmp_path: Path) -> None:
    w = Writer()
    x = w.tensor("x", (1, 4), "INT8", scale=0.5, zero_point=-3)
    y = w.tensor("y", (1, 2), "INT8", scale=0.25)
    weight = w.tensor("w", (2, 4), "INT8", values=np.ones(8), scale=0.125)
    w.graph.tensors[weight].quantization.scale = [0.125, 0.0625]
    w.graph.tensors[weight].quantization.zeroPoint = [0, 0]
    w.op("FULLY_CONNECTED", [x, weight, -1], [y])
    found = read_scales(w.write(tmp_path / "m.tflite", [x], [y]))
    assert [(one.name, one.scales, one.axis, one.scale, one.zero_point) for one in found] == [
        ("x", 1, None, 0.5, -3), ("y", 1, None, 0.25, 0), ("w", 2, 0, 0.125, 0),
    ]  # fmt: skip
    assert summarise_scales(found) == "int8 with one scale: 2, int8 with a scale a channel: 1"


def test_a_model_of_floats_has_none(tmp_path: Path) -> None:
    assert read_scales(write_gain(tmp_path / "m.tflite")) == ()

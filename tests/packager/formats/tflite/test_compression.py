from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.targets import open_model
from packager.compression import Context
from packager.errors import PackagingError
from packager.formats import precisions, tolerance
from packager.formats.tflite.compression import compress
from packager.formats.tflite.compression.trial import Trial

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]

KINDS = ("net", "front", "loop", "attention")
PRECISIONS = precisions("tflite")[1:]
STATIC = tuple(precision for precision in PRECISIONS if precision.startswith("static_"))

LARGEST = {
    "float16": 0.55,  # half of the weights, and the graph
    "float16_arithmetic": 0.56,  # and what it allows
    "dynamic_wi8_afp32": 0.40,  # a quarter of the weights, a scale a channel, and the graph
    "weight_only_wi8_afp32": 0.40,
    "dynamic_wi4_afp32": 0.30,  # an eighth
    "static_wi8_ai8": 0.45,  # as dynamic, and a scale for every activation
    "static_wi8_ai16": 0.50,  # and biases of 64 bits
}
"""of the float32 file of `net`; three quarters of its bytes are weights"""

DTYPES = {
    "float16": "FLOAT16",
    "float16_arithmetic": "FLOAT16",
    "dynamic_wi8_afp32": "INT8",
    "weight_only_wi8_afp32": "INT8",
    "dynamic_wi4_afp32": "INT4",
    "static_wi8_ai8": "INT8",
    "static_wi8_ai16": "INT16",
}
"""a type of tensor that float32 files do not hold, and files of this precision must"""


def make_calls(kind: str, *, scale: float = 0.3, count: int = 3) -> list[dict[str, Any]]:
    random = np.random.default_rng(7)
    shapes = {"net": (1, 2048, 1), "front": (1, 2048, 1), "loop": (1, 12, 40), "attention": (1, 12, 40)}
    signals = [(scale * random.normal(size=shapes[kind])).astype(np.float32) for _ in range(count)]
    if kind != "attention":
        name = "features" if kind == "loop" else "audio"
        return [{name: signal} for signal in signals]
    return [
        {
            "words": random.integers(0, 50, (1, 12)).astype(np.int32),
            "features": signal,
            "mask": random.random((1, 12, 12)) < 0.8,
        }
        for signal in signals
    ]


def run(folder: Path, model: bytes, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    path = folder / "model.tflite"
    path.write_bytes(model)
    emulator = open_model(path)
    return [emulator.run(call) for call in calls]


def snr_db(reference: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> float:
    """Of the worst output."""
    worst = np.inf
    for name in reference[0]:
        expected = np.stack([one[name] for one in reference]).astype(np.float64)
        error = np.stack([one[name] for one in found]) - expected
        if expected.dtype.kind == "f" and not name.startswith("best") and error.any():
            worst = min(worst, 10 * np.log10((expected**2).sum() / (error**2).sum()))
    return float(worst)


def tensor_types(model: bytes) -> Counter[str]:
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    root = schema.Model.GetRootAs(model, 0)
    graphs = [root.Subgraphs(index) for index in range(root.SubgraphsLength())]
    return Counter(names[graph.Tensors(i).Type()] for graph in graphs for i in range(graph.TensorsLength()))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_stays_within_what_it_promises(flatbuffers: Path, tmp_path: Path, kind: str, precision: str) -> None:
    float32, calls = (flatbuffers / f"{kind}.tflite").read_bytes(), make_calls(kind)
    compressed = compress(float32, precision, Context(calibration=calls))
    reference, found = run(tmp_path, float32, calls), run(tmp_path, compressed, calls)
    assert all(np.isfinite(value).all() for one in found for value in one.values())
    assert snr_db(reference, found) >= tolerance("tflite", precision)
    for before, after in zip(reference, found, strict=True):
        assert {n: (v.shape, v.dtype) for n, v in before.items()} == {n: (v.shape, v.dtype) for n, v in after.items()}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_file_holds_what_its_name_says_and_shrinks(flatbuffers: Path, precision: str) -> None:
    float32 = (flatbuffers / "net.tflite").read_bytes()
    context = Context(calibration=make_calls("net"))
    compressed = compress(float32, precision, context)
    assert not tensor_types(float32)[DTYPES[precision]]
    assert tensor_types(compressed)[DTYPES[precision]]
    assert len(compressed) <= LARGEST[precision] * len(float32)
    assert compress(float32, precision, context) == compressed


@pytest.mark.parametrize("precision", STATIC)
def test_ranges_are_those_of_the_calibration(flatbuffers: Path, tmp_path: Path, precision: str) -> None:
    """Calibrated on a whisper, what is louder is cut off."""
    float32, calls = (flatbuffers / "net.tflite").read_bytes(), make_calls("net")
    reference = run(tmp_path, float32, calls)
    right = compress(float32, precision, Context(calibration=calls))
    wrong = compress(float32, precision, Context(calibration=make_calls("net", scale=1e-3)))
    assert wrong != right
    assert snr_db(reference, run(tmp_path, wrong, calls)) < snr_db(reference, run(tmp_path, right, calls)) - 6


@pytest.mark.parametrize("precision", STATIC)
def test_one_loud_call_among_many_is_heard(flatbuffers: Path, tmp_path: Path, precision: str) -> None:
    """The quantizer's own moving average would give the last of many calls a share of a twentieth."""
    float32 = (flatbuffers / "net.tflite").read_bytes()
    quiet, loud = make_calls("net", scale=1e-2, count=6), make_calls("net", count=1)
    compressed = compress(float32, precision, Context(calibration=[*quiet, *loud]))
    reference, found = run(tmp_path, float32, loud), run(tmp_path, compressed, loud)
    assert snr_db(reference, found) >= tolerance("tflite", precision)


def test_activations_before_a_logarithm_and_inside_a_loop_stay_float(flatbuffers: Path) -> None:
    """Their weights do not."""
    for kind, whole in (("front", False), ("loop", False), ("net", True)):
        float32 = (flatbuffers / f"{kind}.tflite").read_bytes()
        types = tensor_types(compress(float32, "static_wi8_ai8", Context(calibration=make_calls(kind))))
        assert types["INT8"] > 0
        assert (types["FLOAT32"] <= 4) == whole, kind


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([], "precision 'static_wi8_ai8' sets ranges by calls of the model, and none was given"),
        ([{"sound": np.zeros(3)}], "calibration call 0 lacks the inputs audio; it has sound"),
    ],
)
def test_nothing_to_calibrate_on(flatbuffers: Path, calls: list[Any], message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        compress((flatbuffers / "net.tflite").read_bytes(), "static_wi8_ai8", Context(calibration=calls))


def test_a_quantized_model_is_tried_where_it_may_crash(flatbuffers: Path) -> None:
    calls = make_calls("net", count=1)
    trial = Trial(calls, [{"scores": np.ones((1, 10), np.float32)}])
    assert -100 < trial.run((flatbuffers / "net.tflite").read_bytes()) < 3
    with pytest.raises(PackagingError, match="the runtime refuses the model"):
        trial.run(b"no model at all, but long enough to be read")


def test_what_is_no_model_is_one_error() -> None:
    with pytest.raises(PackagingError, match=r"^AI Edge Quantizer: "):
        compress(b"no model at all, but long enough to be read", "dynamic_wi8_afp32", Context())

"""Basic Pitch as its authors ship it: the Core ML file on the emulator against the TFLite file on LiteRT."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel

pytestmark = [pytest.mark.coreml, pytest.mark.tflite]

SAMPLE_RATE_HZ = 22050
WINDOW_SAMPLES = 43844

TOLERANCES = {
    "noise": 1e-4,
    "clicks": 1e-4,
    "chord": 2e-3,
}
"""of probabilities. Both compute in float32, in different orders: with energy in all bins they agree to 3e-6. Tones
leave bins at the floor of the logarithm, which magnifies rounding: from the program in float64 either is 9e-4 away"""


def saved_models() -> Path:
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("basic_pitch is not installed")
    return Path(spec.submodule_search_locations[0]) / "saved_models" / "icassp_2022"


def windows() -> dict[str, np.ndarray]:
    time_s = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 329.6)) * np.exp(-time_s) * 0.2
    noise = np.random.default_rng(0).standard_normal(WINDOW_SAMPLES) * 0.1
    clicks = np.where(np.arange(WINDOW_SAMPLES) % 5000 == 0, 0.9, 0.0)
    shaped = {"chord": chord, "noise": noise, "clicks": clicks}
    return {name: values.astype(np.float32).reshape(1, -1, 1) for name, values in shaped.items()}


@pytest.fixture(scope="module")
def model() -> CoreMLModel:
    return CoreMLModel(saved_models() / "nmp.mlpackage", threads=1)


@pytest.fixture(scope="module")
def play_tflite() -> Callable[[np.ndarray], list[np.ndarray]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runtime = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(str(saved_models() / "nmp.tflite"), num_threads=1)
    interpreter.allocate_tensors()

    def play(samples: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], samples)
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]

    return play


@pytest.mark.parametrize("window", TOLERANCES)
def test_core_ml_and_tflite_agree(model: CoreMLModel, play_tflite: Any, window: str) -> None:
    samples = windows()[window]
    found, outputs = play_tflite(samples), model.predict({next(iter(model.inputs)): samples})
    assert {array.shape for array in outputs.values()} == {(1, 172, 264), (1, 172, 88)}
    # Names differ between the two files; an output is paired with the nearest, which must be near.
    partners = [min(found, key=lambda other, a=array: _distance(a, other)) for array in outputs.values()]
    assert len({id(partner) for partner in partners}) == len(found) == 3
    for array, partner in zip(outputs.values(), partners, strict=True):
        assert _distance(array, partner) <= TOLERANCES[window]
        assert array.max() > 0.01  # silence would agree, too


def test_silence_is_not_a_number_in_the_core_ml_file(model: CoreMLModel, play_tflite: Any) -> None:
    """TensorFlow's division that gives 0 for 0 / 0 became a plain one when the file was converted."""
    silence = np.zeros((1, WINDOW_SAMPLES, 1), np.float32)
    assert all(np.isfinite(array).all() for array in play_tflite(silence))
    divisions: list[float] = []
    outputs = model.run(
        {next(iter(model.inputs)): silence},
        lambda op, value: divisions.append(float(value.isnan().float().mean())) if op.kind == "real_div" else None,
    )
    assert divisions == [1.0]
    assert all(np.isnan(array).all() for array in outputs.values())


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.max(np.abs(one - other))) if one.shape == other.shape else np.inf

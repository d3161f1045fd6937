"""The op at which a TFLite file departs, told on a model whose one fragile layer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.formats.tflite.breaks import find_break
from evaluators.formats.tflite.interpreter import WatchedModel
from packager.bundle import Bundle

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.tflite]


@pytest.fixture
def window() -> dict[str, np.ndarray]:
    return {"audio": np.random.default_rng(0).normal(size=(1, 2048)).astype(np.float32)}


def test_a_file_does_not_depart_from_itself(gain_bundles: dict[str, Bundle], window: dict[str, np.ndarray]) -> None:
    exact = gain_bundles["tflite-float32"].model_path
    assert find_break(exact, exact, [window]) is None


def test_values_are_those_of_the_runtime(gain_bundles: dict[str, Bundle], window: dict[str, np.ndarray]) -> None:
    model = WatchedModel(gain_bundles["tflite-float32"].model_path)
    values = model.run(window)
    last = values[model.ops[-1].outputs[0]]
    np.testing.assert_allclose(last.reshape(-1), 0.5 * window["audio"].reshape(-1) + 0.25, atol=1e-6)


def test_the_op_that_loses_most_is_named(tmp_path: Path) -> None:
    """Two gains in a row; in the candidate the second one's constant is rounded to one bit."""
    tf = pytest.importorskip("tensorflow")

    def convert(second: float, path: Path) -> Path:
        @tf.function(input_signature=[tf.TensorSpec((1, 64), tf.float32, name="audio")])
        def run(audio: object) -> object:
            first = tf.nn.tanh(audio * 1.25)
            return {"out": tf.nn.relu(first * second)}

        converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()], tf.Module())
        path.write_bytes(converter.convert())
        return path

    exact, candidate = convert(0.7, tmp_path / "exact.tflite"), convert(0.5, tmp_path / "candidate.tflite")
    audio = {"audio": np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 64)}
    found = find_break(exact, candidate, [audio])
    assert found is not None
    assert found.startswith("MUL ")
    assert "150 dB go in, 11 dB come out" in found

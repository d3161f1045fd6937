from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.errors import EvaluationError
from evaluators.playing.binding import bind
from evaluators.targets import open_model
from packager.bundle import AudioContract
from packager.model import OutputSpec
from tests.benches import AUDIO, OUTPUTS, write_model
from tests.testpress.tiny_tflite import Writer, write_gain

pytestmark = pytest.mark.tflite

SCALED = {"scaled": OutputSpec(axes=("sample",))}


def _contract(window: int, channels: int = 1) -> AudioContract:
    return AudioContract(sample_rate_hz=8000, channels=channels, window_samples=window, hop_samples=window)


def test_a_window_is_given_and_outputs_are_read_by_name(tmp_path: Path) -> None:
    emulator = open_model(write_model(tmp_path / "m.tflite"))
    binding = bind(emulator, AUDIO, OUTPUTS)
    assert (binding.input_name, binding.feed.shape, binding.feed.axes) == ("x", (1, 88), ("batch", "sample"))
    assert (dict(binding.outputs), binding.notices) == ({"note": "note", "onset": "onset"}, ())
    window = np.linspace(-1, 1, 88, dtype=np.float32)[None]
    outputs = binding.call(emulator, binding.shape_inputs(window))
    assert list(outputs) == ["note", "onset"]
    np.testing.assert_array_equal(outputs["note"], window * np.array([[0.5], [0.25]], np.float32))


def test_the_name_itself_comes_before_an_alias(tmp_path: Path) -> None:
    """`note` is there under its name; that another output carries its alias changes nothing."""
    outputs = {**OUTPUTS, "note": OutputSpec(axes=("frame", "pitch"), aliases=("onset",))}
    binding = bind(open_model(write_model(tmp_path / "m.tflite")), AUDIO, outputs)
    assert (binding.outputs["note"], binding.notices) == ("note", ())


@pytest.mark.parametrize(
    ("shape", "audio"),
    [
        ((1, 64), _contract(64)),
        ((1, 64, 1), _contract(64)),
        ((1, 1, 64), _contract(64)),
        ((64,), _contract(64)),
        ((1, 2, 32), _contract(32, channels=2)),
        ((1, 32, 2), _contract(32, channels=2)),
    ],
)
def test_inputs_of_every_layout(shape: tuple[int, ...], audio: AudioContract, tmp_path: Path) -> None:
    emulator = open_model(write_gain(tmp_path / "g.tflite", shape=shape))
    binding = bind(emulator, audio, {})
    window = np.arange(audio.channels * audio.window_samples, dtype=np.float32).reshape(audio.channels, -1)
    (given,) = binding.shape_inputs(window).values()
    assert given.shape == shape
    channels_last = shape[-1] == audio.channels > 1
    np.testing.assert_array_equal(given.reshape(-1), (window.T if channels_last else window).reshape(-1))


def test_an_open_time_dimension_takes_the_window(tmp_path: Path) -> None:
    """A file of shape (1, 1) with both dimensions open holds any window, and is resized to it."""
    emulator = open_model(write_gain(tmp_path / "g.tflite", shape=(1, 1), open_=True))
    binding = bind(emulator, _contract(64), SCALED)
    assert binding.feed.shape == (1, 64)
    outputs = binding.call(emulator, binding.shape_inputs(np.ones((1, 64), np.float32)))
    np.testing.assert_array_equal(outputs["scaled"], np.full(64, 0.5, np.float32))


def test_a_window_that_does_not_fit_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        bind(open_model(write_gain(tmp_path / "g.tflite")), _contract(100), SCALED)
    assert str(caught.value) == (
        "input 'audio' has shape [1, 64], which does not hold one window of 100 samples and 1 channel(s); "
        "make audio.window_samples and audio.channels in the recipe match the model"
    )


def test_two_inputs_are_refused_by_name(tmp_path: Path) -> None:
    w = Writer()
    left, right, out = (w.tensor(name, (1, 64)) for name in ("left", "right", "out"))
    w.op("MUL", [left, right], [out])
    w.sign("serving_default", {"left": left, "right": right}, {"out": out})
    emulator = open_model(w.write(tmp_path / "m.tflite", [left, right], [out]))
    with pytest.raises(EvaluationError) as caught:
        bind(emulator, _contract(64), {})
    assert str(caught.value) == "takes 2 inputs (left, right); one is expected"

"""Files whose input length is open: one that is the same whatever the length, one that looks at the whole call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.playing.binding import WindowRunner, bind
from evaluators.playing.other_lengths import LengthTrial, list_lengths
from evaluators.targets import open_model
from packager.audio_windows import AUDIO as AUDIO_INPUT
from packager.bundle import AudioContract, FlexibleAxis
from packager.model import InputSpec, ModelSpec, OutputSpec
from tests.testpress.tiny_tflite import Writer, write_gain

AUDIO = AudioContract(sample_rate_hz=8000, window_samples=64, hop_samples=64)
OUTPUTS = {"scaled": OutputSpec(axes=("sample",))}
HEARD = np.random.default_rng(3).normal(size=(1, 640)).astype(np.float32)


def write_centred(path: Path) -> Path:
    """`scaled` = `audio` less the mean of the call."""
    w = Writer()
    audio, scaled = w.tensor("audio_tensor", (1, 1), open_=True), w.tensor("scaled_tensor", (1, 1), open_=True)
    mean = w.tensor("mean", (1, 1))
    options = w_options()
    w.op("MEAN", [audio, w.tensor("axis", (1,), "INT32", values=np.array([1]))], [mean], options=options)
    w.op("SUB", [audio, mean], [scaled])
    w.sign("serving_default", {"audio": audio}, {"scaled": scaled})
    return w.write(path, [audio], [scaled])


def w_options() -> object:
    from ai_edge_litert import schema_py_generated as schema

    options = schema.ReducerOptionsT()
    options.keepDims = True
    return options


def _play(path: Path, samples: int):
    emulator = open_model(path)
    runner = WindowRunner(emulator, bind(emulator, AUDIO, OUTPUTS))
    start = [runner.run_window(HEARD[:, first : first + 64]) for first in range(0, 640, 64)]
    return LengthTrial(emulator, (AUDIO, None), {}).play(samples, HEARD, OUTPUTS, start)


@pytest.mark.tflite
@pytest.mark.parametrize("samples", [1, 37, 128, 640])
def test_what_looks_at_each_sample_is_the_same_in_calls_of_any_length(tmp_path: Path, samples: int) -> None:
    found = _play(write_gain(tmp_path / "m.tflite", shape=(1, 1), open_=True), samples)
    assert (found.samples, found.snr.value, found.reason) == (samples, None, "identical")


@pytest.mark.tflite
def test_what_looks_at_the_whole_call_is_another_in_longer_ones(tmp_path: Path) -> None:
    found = _play(write_centred(tmp_path / "m.tflite"), 128)
    assert found.snr.value is not None and found.snr.value < 25


@pytest.mark.tflite
def test_what_is_longer_than_all_that_is_heard_is_not_compared(tmp_path: Path) -> None:
    found = _play(write_gain(tmp_path / "m.tflite", shape=(1, 1), open_=True), 641)
    assert found.reason == "the audio that is heard again is shorter"


@pytest.mark.parametrize(
    ("flexible", "hop", "lengths"),
    [
        (None, 64, ()),
        (FlexibleAxis(axis="sample", sizes=(32, 64, 128)), 64, (32, 128)),
        (FlexibleAxis(axis="sample", min=16, max=256), 64, (16, 256, 97)),
        (FlexibleAxis(axis="sample", min=16, max=256), 32, ()),
    ],
)
def test_lengths_are_those_that_the_recipe_names(
    flexible: FlexibleAxis | None, hop: int, lengths: tuple[int, ...]
) -> None:
    inputs = {} if flexible is None else {AUDIO_INPUT: InputSpec(axes=("batch", "sample"), flexible=flexible)}
    spec = ModelSpec(name="m", version="1", license="MIT", source="x", inputs=inputs)
    assert list_lengths(spec, AUDIO.model_copy(update={"hop_samples": hop})) == lengths

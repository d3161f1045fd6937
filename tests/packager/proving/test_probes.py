"""Signals without data: the same every time, as the inputs are, and within what models hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from packager.bundle import AudioContract
from packager.proving.probes import probe_inputs, probe_windows
from packager.sources import SourceTensor

MONO = AudioContract(sample_rate_hz=16000, window_samples=1600, hop_samples=1600)
STEREO = MONO.model_copy(update={"channels": 2})


@dataclass(frozen=True)
class Source:
    """What probes ask of a source, and no model behind it."""

    inputs: dict[str, SourceTensor]
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: dict[str, SourceTensor] = field(default_factory=dict)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise AssertionError("probes are made without running a model")


def _source(examples: dict[str, np.ndarray] | None = None, **inputs: tuple[tuple[int, ...], str]) -> Source:
    return Source({name: SourceTensor(*one) for name, one in inputs.items()}, examples or {})


LOUDNESS = np.linspace(-30, -10, 12, dtype=np.float32).reshape(3, 4)
WORDS = np.arange(5, dtype=np.int32)
SOURCES: dict[str, tuple[Source, AudioContract | None, dict[str, str]]] = {
    "audio": (_source(audio=((1, 1600), "float32")), MONO, {}),
    "stereo": (_source(audio=((1, 1600, 2), "float32")), STEREO, {}),
    "half": (_source(audio=((1600,), "float16")), MONO, {}),
    "state": (
        _source(audio=((1, 1600), "float32"), h=((2, 8), "float32"), n=((1,), "int32")),
        MONO,
        {"h": "h_out", "n": "k"},
    ),
    "features": (_source(mel=((1, 80, 10), "float32")), None, {}),
    "words": (
        _source(words=((5,), "int32"), mel=((3, 4), "float32"), examples={"words": WORDS, "mel": LOUDNESS}),
        None,
        {},
    ),
    "no audio input": (_source(mel=((1, 80), "float32")), MONO, {}),
}


@pytest.mark.parametrize("case", SOURCES)
def test_every_input_is_given_in_its_shape_and_dtype(case: str) -> None:
    source, audio, state = SOURCES[case]
    calls = probe_inputs(source, audio, state)
    assert list(calls) == (["chirp", "noise"] if "audio" in source.inputs else ["example", "noise"])
    for call in calls.values():
        assert list(call) == list(source.inputs)
        for name, value in call.items():
            assert SourceTensor(value.shape, str(value.dtype)) == source.inputs[name]
            assert np.isfinite(value).all()
            assert value.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("case", SOURCES)
def test_the_same_source_gives_the_same_values(case: str) -> None:
    first, second = (probe_inputs(*SOURCES[case]) for _ in range(2))
    np.testing.assert_equal(first, second)


def test_what_was_given_is_not_what_a_later_call_sees() -> None:
    """A model may write into its inputs."""
    source, audio, state = SOURCES["words"]
    given = probe_inputs(source, audio, state)
    given["noise"]["mel"][:] = 7
    np.testing.assert_equal(probe_inputs(source, audio, state)["noise"]["mel"] == 7, np.zeros((3, 4), bool))


@pytest.mark.parametrize("case", ["audio", "stereo", "half"])
def test_audio_hears_the_windows_within_half_scale(case: str) -> None:
    source, audio, state = SOURCES[case]
    assert audio is not None
    for probe, call in probe_inputs(source, audio, state).items():
        window = probe_windows(audio)[probe]
        heard = call["audio"].reshape(1600, audio.channels).T if audio.channels > 1 else call["audio"].reshape(1, 1600)
        np.testing.assert_array_equal(heard, window.astype(heard.dtype))
        assert 0 < np.abs(heard).max() <= 0.5


def test_channels_of_noise_differ() -> None:
    noise = probe_windows(STEREO)["noise"]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.1


@pytest.mark.parametrize(
    "audio",
    [
        AudioContract(sample_rate_hz=48000, window_samples=480, hop_samples=480),
        AudioContract(sample_rate_hz=100, window_samples=50, hop_samples=50),  # 45 Hz is below where the sweep starts
        AudioContract(sample_rate_hz=8000, window_samples=2, hop_samples=1),
    ],
)
def test_odd_windows_are_finite_too(audio: AudioContract) -> None:
    windows = probe_windows(audio)
    assert set(windows) == {"chirp", "noise"}
    for window in windows.values():
        assert window.shape == (1, audio.window_samples)
        assert np.isfinite(window).all()
        assert np.abs(window).max() <= 0.5


def test_states_are_0_in_every_probe_even_where_there_is_an_example() -> None:
    inputs = {"audio": SourceTensor((1, 1600), "float32"), "h": SourceTensor((2, 8), "float32")}
    source = Source(inputs, {"h": np.ones((2, 8), np.float32)})
    kept, fed = probe_inputs(source, MONO, {"h": "h_out"}), probe_inputs(source, MONO, {})
    assert set(kept) == set(fed) == {"chirp", "noise"}
    for call in kept.values():
        np.testing.assert_array_equal(call["h"], np.zeros((2, 8), np.float32))
    for call in fed.values():
        assert call["h"].any()


def test_an_example_stays_and_noise_is_as_loud_as_it() -> None:
    large = np.random.default_rng(0).normal(-40, 12, (64, 100)).astype(np.float32)
    source = Source({"mel": SourceTensor((64, 100), "float32")}, {"mel": large})
    calls = probe_inputs(source, None, {})
    np.testing.assert_array_equal(calls["example"]["mel"], large)
    noise = calls["noise"]["mel"]
    assert not np.array_equal(noise, large)
    assert noise.mean() == pytest.approx(-40, abs=1)
    assert noise.std() == pytest.approx(12, rel=0.05)


def test_whole_numbers_stay_those_of_the_example() -> None:
    """Any other might be no word of the model's."""
    source, audio, state = SOURCES["words"]
    calls = probe_inputs(source, audio, state)
    assert calls
    for call in calls.values():
        np.testing.assert_array_equal(call["words"], WORDS)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_noise_about_a_constant_is_no_constant(value: float) -> None:
    source = Source({"x": SourceTensor((200,), "float32")}, {"x": np.full(200, value, np.float32)})
    noise: Any = probe_inputs(source, None, {})["noise"]["x"]
    assert noise.std() == pytest.approx(1, rel=0.2)
    assert noise.mean() == pytest.approx(value, abs=0.3)

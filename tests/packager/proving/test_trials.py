from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from packager.errors import PackagingError
from packager.frontend_spec import SpectrogramSpec
from packager.frontends.opening import FrontendSource, open_frontend
from packager.model import InputSpec
from packager.proving.clips import FEATURE_CALLS, FEWEST_CALLS, MOST_CALLS
from packager.proving.streams import Stream
from packager.proving.trials import MAX_WINDOWS, make_trials
from packager.sources import SourceTensor
from tests.one_pole import AUDIO, SPEC, OnePole

pytestmark = pytest.mark.tflite


@dataclass(frozen=True)
class RunningSum:
    """Frames (1, frames, 3) in, their running sum out; `frames` are as many as are given."""

    inputs: Mapping[str, SourceTensor] = field(
        default_factory=lambda: {
            "frames": SourceTensor((1, 2, 3), "float32"),
            "total": SourceTensor((1, 1, 3), "float32"),
        }
    )
    outputs: Mapping[str, SourceTensor] = field(
        default_factory=lambda: {
            "sums": SourceTensor((1, 2, 3), "float32"),
            "total_out": SourceTensor((1, 1, 3), "float32"),
            "peak": SourceTensor((1, 1), "float32"),
        }
    )
    examples: Mapping[str, np.ndarray] = field(default_factory=lambda: {"frames": np.ones((1, 2, 3), np.float32)})

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        sums = inputs["total"] + np.cumsum(inputs["frames"], axis=1)
        return {"sums": sums, "total_out": sums[:, -1:], "peak": np.abs(inputs["frames"]).max(keepdims=True)[0]}


RUNNING = SPEC.model_copy(update={"state": {"total": "total_out"}})


def _write(path: Path, count: int) -> str:
    windows = np.random.default_rng(7).normal(size=(count, 1, AUDIO.window_samples)).astype(np.float32)
    np.save(path, windows)
    return str(path)


def test_a_model_without_states_hears_windows_from_all_of_the_dataset(tmp_path: Path) -> None:
    source, spec = OnePole(), SPEC.model_copy(update={"state": {}})
    windows = _write(tmp_path / "w.npy", 100)
    trials = make_trials(source, AUDIO, spec, windows)
    assert (trials.probes, len(trials.calls), trials.clip) == (("chirp", "noise"), 2 + MAX_WINDOWS, None)
    assert trials.description == "chirp, noise, 16 windows of the recipe's audio, from all of it and from quiet to loud"
    np.testing.assert_array_equal(trials.calls[2]["audio"], np.load(windows)[0])
    np.testing.assert_array_equal(trials.calls[-1]["audio"], np.load(windows)[-1])


def test_a_model_with_states_is_compared_all_along_a_clip(tmp_path: Path) -> None:
    trials = make_trials(OnePole(), AUDIO, SPEC, _write(tmp_path / "w.npy", 300))
    assert trials.description == (
        "chirp, noise, 16 of 128 windows of the recipe's audio, 8 stretches of it, from quiet to loud"
    )
    assert trials.clip is not None
    assert len(trials.calls) == 2 + MAX_WINDOWS
    assert len(trials.clip_calls) == len(trials.clip.calls) == 128
    assert not trials.clip_calls[0]["level"].any()
    for before, call in zip(trials.clip.references, trials.clip_calls[1:], strict=False):
        np.testing.assert_array_equal(call["level"], before["level_out"])
    places = [
        next(place for place, heard in enumerate(trials.clip_calls) if np.array_equal(heard["audio"], call["audio"]))
        for call in trials.calls[2:]
    ]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 127)
    for place, call, reference in zip(places, trials.calls[2:], trials.references[2:], strict=True):
        np.testing.assert_array_equal(call["level"], trials.clip_calls[place]["level"])
        np.testing.assert_array_equal(reference["filtered"], trials.clip.references[place]["filtered"])


@pytest.mark.parametrize("count", [1, 3, FEWEST_CALLS, 300])
def test_a_clip_is_no_longer_than_the_recipes_audio(count: int, tmp_path: Path) -> None:
    clip = make_trials(OnePole(), AUDIO, SPEC, _write(tmp_path / "w.npy", count)).clip
    assert clip is not None
    assert len(clip.calls) == len(clip.references) == min(count, MOST_CALLS)


def test_without_a_recipes_audio_a_clip_is_a_chirp_in_noise() -> None:
    clip = make_trials(OnePole(), AUDIO, SPEC, None).clip
    assert clip is not None and clip.description == "a chirp in noise, 128 windows"
    samples = np.concatenate([call["audio"][0] for call in clip.calls])
    assert np.abs(samples).max() > 0.4
    assert all("level" not in call for call in clip.calls)
    again = make_trials(OnePole(), AUDIO, SPEC, None).clip
    assert again is not None
    np.testing.assert_array_equal(samples, np.concatenate([call["audio"][0] for call in again.calls]))


def test_the_whole_clip_at_once_is_joined_as_its_calls_are() -> None:
    clip = make_trials(OnePole(), AUDIO, SPEC, None).clip
    assert clip is not None
    axes = {name: one.axis for name, one in clip.whole.outputs.items()}
    assert axes == {"filtered": 1, "level_out": None}
    for name, one in clip.whole.outputs.items():
        np.testing.assert_allclose(one.join([each[name] for each in clip.references]), one.values, atol=1e-5)


def test_a_source_that_takes_no_longer_input_says_so() -> None:
    clip = make_trials(OnePole(longest=AUDIO.window_samples), AUDIO, SPEC, None).clip
    assert clip is not None
    assert not clip.whole.outputs
    assert clip.whole.reason == "the source takes no longer input: ValueError: takes 64 samples, not 8192"


@pytest.mark.parametrize("axes", [(), ("batch", "frame", "band")], ids=["found out", "said"])
def test_features_are_joined_along_time(axes: tuple[str, ...]) -> None:
    spec = RUNNING.model_copy(update={"inputs": {"frames": InputSpec(axes=axes)}})
    clip = make_trials(RunningSum(), None, spec, None).clip
    assert clip is not None and clip.description == "64 calls of seeded noise"
    assert {name: one.axis for name, one in clip.whole.outputs.items()} == {"sums": 1, "total_out": None}
    assert clip.whole.outputs["sums"].values.shape == (1, 2 * FEATURE_CALLS, 3)
    assert clip.whole.refused == {"peak": "[1, 1] for the whole clip, 64 times [1, 1] for its calls"}


BANDS = SpectrogramSpec(
    kind="spectrogram",
    axes=("batch", "frame", "bin"),
    n_fft=4,
    win_length=4,
    hop_length=60,
    window="rectangular",
    window_symmetry="periodic",
    edges="snip",
    power=1,
    log="none",
)


def _bands(window: np.ndarray) -> np.ndarray:
    frames = [np.abs(np.fft.rfft(window[0, start : start + 4].astype(np.float64))) for start in (0, 60)]
    return np.stack(frames)[None]


def test_features_of_a_clip_are_computed_window_by_window(tmp_path: Path) -> None:
    path = _write(tmp_path / "w.npy", 20)
    windows, frontend = np.load(path), open_frontend(FrontendSource(spec=BANDS), AUDIO)
    spec = RUNNING.model_copy(update={"inputs": {}})
    trials = make_trials(RunningSum(), AUDIO, spec, path, frontend)
    assert (
        trials.description
        == "chirp, noise, 16 of 20 windows of the recipe's audio, 10 stretches of it, from quiet to loud"
    )
    assert trials.clip is not None
    heard = [_bands(window) for window in windows]
    for call in trials.clip.calls:
        assert min(np.abs(call["frames"] - one).max() for one in heard) < 1e-6
    assert {name: one.axis for name, one in trials.clip.whole.outputs.items()} == {"sums": 1, "total_out": None}
    assert set(trials.heard) == {"chirp", "noise"}
    for name, inputs, outputs in trials.golden:
        np.testing.assert_allclose(inputs["frames"], _bands(trials.heard[name]), atol=1e-6)
        np.testing.assert_allclose(outputs["sums"], np.cumsum(_bands(trials.heard[name]), axis=1), atol=1e-5)


def test_a_stream_carries_states_from_features_to_features(tmp_path: Path) -> None:
    windows = np.load(_write(tmp_path / "w.npy", 3))
    stream = Stream(RunningSum(), AUDIO, RUNNING.state, open_frontend(FrontendSource(spec=BANDS), AUDIO))
    found = [stream.run_window(window)["sums"] for window in windows]
    expected = np.cumsum(np.concatenate([_bands(window) for window in windows], axis=1), axis=1)
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, rtol=1e-5)
    with pytest.raises(PackagingError, match=r"or the features that a \[frontend\] in the recipe computes"):
        Stream(RunningSum(), AUDIO, RUNNING.state)


class Remembering(OnePole):
    """Keeps the last value to itself, as TorchScript models may."""

    heard: ClassVar[list[float]] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        outputs = super().run({**inputs, "level": np.full((1, 1), sum(self.heard), np.float32)})
        self.heard.append(1.0)
        return outputs


def test_a_source_that_remembers_is_no_reference() -> None:
    fault = make_trials(Remembering(), AUDIO, SPEC.model_copy(update={"state": {}}), None).source_fault
    assert str(fault).startswith("the source itself gives another filtered, level_out when a call is repeated")
    assert make_trials(OnePole(), AUDIO, SPEC, None).source_fault is None

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.datasets.outputs import combine, combine_outputs
from evaluators.errors import EvaluationError
from evaluators.windows import count_windows, cut, stitch
from packager.bundle import AudioContract
from packager.integration_records import OutputKind
from packager.model import OutputSpec
from packager.stitching import find_kind_of

AUDIO = AudioContract(sample_rate_hz=1000, window_samples=100, hop_samples=60)


def _contract(window: int, hop: int, channels: int = 1) -> AudioContract:
    return AudioContract(sample_rate_hz=8000, channels=channels, window_samples=window, hop_samples=hop)


@st.composite
def _contracts(draw: st.DrawFn) -> AudioContract:
    window = draw(st.integers(1, 40))
    return _contract(window, draw(st.integers(1, window)), draw(st.integers(1, 2)))


@settings(deadline=None)  # cores are shared
@given(audio=_contracts(), n_samples=st.integers(1, 200), seed=st.integers(0, 2**31))
def test_audio_of_an_identity_model_is_the_clip(audio: AudioContract, n_samples: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, (audio.channels, n_samples)).astype(np.float32)
    added = combine(cut(samples, audio), "audio", audio, n_samples)
    # Two roundings of float64 and one to float32.
    np.testing.assert_allclose(added.values, samples, rtol=2e-7)
    np.testing.assert_allclose(added.times_s, np.arange(n_samples) / 8000, atol=1e-12)
    assert added.values.dtype == np.float32


def test_overlaps_are_weighted_by_triangles() -> None:
    audio = _contract(4, 2)  # lead-in 1; weights 1 2 2 1
    outputs = np.stack([np.full(4, value) for value in (1.0, 4.0, 7.0)])
    # 5 samples: of window 0 its samples 1 … 3, of which 2 and 3 meet window 1's 0 and 1; and so on.
    expected = [1, (2 * 1 + 1 * 4) / 3, (1 * 1 + 2 * 4) / 3, (2 * 4 + 1 * 7) / 3, (1 * 4 + 2 * 7) / 3]
    assert combine(outputs, "audio", audio, 5).values == pytest.approx(expected)


def test_audio_at_twice_the_rate() -> None:
    samples = np.arange(1, 251, dtype=np.float32)[None]
    doubled = combine(np.repeat(cut(samples, AUDIO), 2, axis=-1), "audio", AUDIO, 250)
    np.testing.assert_allclose(doubled.values, np.repeat(samples, 2, axis=-1), rtol=2e-7)
    np.testing.assert_allclose(doubled.times_s[:3], [0, 0.0005, 0.001])


@pytest.mark.parametrize("shape", [(), (1,), (527,), (2, 5)])
@pytest.mark.parametrize(("pool", "by_hand"), [("mean", np.mean), ("max", np.max), ("last", lambda v, axis: v[-1])])
def test_pooling_is_numpys(shape: tuple[int, ...], pool: Any, by_hand: Any) -> None:
    values = np.random.default_rng(7).normal(size=(count_windows(250, AUDIO), *shape)).astype(np.float32)
    pooled = combine(values, "clip", AUDIO, 250, pool=pool)
    assert pooled.values.shape == shape
    np.testing.assert_allclose(pooled.values, by_hand(values, axis=0), rtol=1e-5)
    assert list(pooled.times_s) == [0.0]


@pytest.mark.parametrize("shape", [(), (1,), (527,)])
def test_nothing_is_cut_off_a_window(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(7).normal(size=(5, *shape))
    kept = combine(values, "window", AUDIO, 250)
    np.testing.assert_array_equal(kept.values, values)
    np.testing.assert_allclose(kept.times_s, [-0.02, 0.04, 0.10, 0.16, 0.22])  # a hop of 60 ms, 20 ms before the clip


def test_frames_are_stitched_as_ever() -> None:
    values = np.random.default_rng(7).normal(size=(5, 10, 3))
    ours, before = combine(values, "frames", AUDIO, 250), stitch(values, AUDIO, 250)
    np.testing.assert_array_equal(ours.values, before.values)
    np.testing.assert_array_equal(ours.times_s, before.times_s)


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        (("frame", "pitch"), (172, 88), "frames"),
        (("frame",), (1,), "frames"),
        (("sample",), (100,), "frames"),
        ((), (10, 3), "frames"),
        (("axis_1", "axis_2"), (10, 3), "frames"),  # a manifest's words for none
        ((), (100,), "frames"),  # one value a sample
        ((), (10,), None),
        ((), (527,), None),
        ((), (1,), None),
        ((), (), None),
        (("class",), (527,), None),
        (("channel", "frame"), (2, 10), None),
    ],
)
def test_what_is_not_said_is_not_guessed(axes: tuple[str, ...], shape: tuple[int, ...], expected: Any) -> None:
    assert find_kind_of(shape, OutputSpec(axes=axes), AUDIO) == expected
    assert find_kind_of(shape, OutputSpec(axes=axes, kind="window"), AUDIO) == "window"


def test_an_output_that_is_read_must_be_told() -> None:
    outputs, specs = {"tags": np.zeros((5, 527))}, {"tags": OutputSpec()}
    assert combine_outputs(outputs, specs, AUDIO, 250) == ({}, ())
    with pytest.raises(EvaluationError) as caught:
        combine_outputs(outputs, specs, AUDIO, 250, required=("tags",))
    assert str(caught.value) == (
        "output 'tags' has the shape [527] a window, which does not tell what it is; say "
        'model.outputs.tags.kind = "window" (one a window), "clip" (with pool = "mean", "max" or "last"), "audio" '
        'or "frames"'
    )


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("frames", (), "output 'x' cannot be of kind \"frames\": it has one value a window, and no axis of frames"),
        ("audio", (), "output 'x' cannot be of kind \"audio\": it has one value a window, and no axis of samples"),
        ("audio", (7,), "output 'x' cannot be of kind \"audio\": its last axis holds 7 samples for a window of 100"),
    ],
)
def test_what_cannot_be_is_one_message(kind: OutputKind, shape: tuple[int, ...], message: str) -> None:
    outputs, specs = {"x": np.zeros((5, *shape))}, {"x": OutputSpec(kind=kind)}
    with pytest.raises(EvaluationError, match=re.escape(message)):
        combine_outputs(outputs, specs, AUDIO, 250, required=("x",))
    found, faults = combine_outputs(outputs, specs, AUDIO, 250)
    assert found == {}
    assert len(faults) == 1
    assert faults[0].startswith(message)


def test_windows_that_are_missing() -> None:
    with pytest.raises(EvaluationError, match="a clip of 250 samples makes 5 windows"):
        combine(np.zeros((4, 3)), "window", AUDIO, 250)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "clip"}, 'kind = "clip" needs pool = "mean", "max" or "last"'),
        ({"kind": "window", "pool": "mean"}, 'pool goes with kind = "clip" alone'),
        ({"pool": "mean"}, 'pool goes with kind = "clip" alone'),
    ],
)
def test_pool_goes_with_clips(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=re.escape(message)):
        OutputSpec(**fields)

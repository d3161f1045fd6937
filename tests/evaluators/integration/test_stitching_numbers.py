"""The manifest's numbers put windows together as an evaluation does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.datasets.outputs import combine
from packager.bundle import AudioContract, TensorContract
from packager.integration_records import OutputKind, Pool
from packager.stitching import describe_stitching


def contract(
    shape: tuple[int, ...], *axes: str, kind: OutputKind | None = None, pool: Pool | None = None
) -> TensorContract:
    return TensorContract(
        name="y", native_name="y", shape=shape, dtype="float32", axes=("batch", *axes), kind=kind, pool=pool
    )


@pytest.mark.parametrize(
    ("rate_hz", "window", "hop", "frames", "frame_rate_hz"),
    [
        (22_050, 43_844, 36_164, 172, 86.0),  # Basic Pitch
        (16_000, 2048, 1792, 17, None),
        (16_000, 512, 512, 1, None),
        (8000, 1280, 1280, 8, None),
        (16_000, 1024, 256, 4, None),
    ],
)
@pytest.mark.parametrize("seconds", [0.01, 1.0, 5.3])
def test_frames(rate_hz: int, window: int, hop: int, frames: int, frame_rate_hz: float | None, seconds: float) -> None:
    audio = AudioContract(sample_rate_hz=rate_hz, window_samples=window, hop_samples=hop, frame_rate_hz=frame_rate_hz)
    said = describe_stitching(audio, {"y": contract((1, frames, 2), "frame", "class")})
    how, n_samples = said.outputs["y"], int(seconds * rate_hz)
    count = math.ceil((n_samples + said.lead_in_samples) / said.hop_samples)
    outputs = np.random.default_rng(7).normal(size=(count, frames, 2)).astype(np.float32)
    first, kept, step = how.first_frame, how.kept_frames, how.samples_per_frame
    assert how.kind == "frames" and first is not None and kept is not None and step is not None
    values = np.concatenate([one[first : first + kept] for one in outputs])
    if frame_rate_hz is None:
        places = [w * hop + f * step - said.lead_in_samples for w in range(count) for f in range(first, first + kept)]
        values = values[: sum(place < n_samples - 1e-6 for place in places)]
    else:
        values = values[: math.floor(n_samples * frame_rate_hz / rate_hz)]
    np.testing.assert_array_equal(values, combine(outputs, "frames", audio, n_samples).values)


def test_other_kinds_are_told_in_words() -> None:
    audio = AudioContract(sample_rate_hz=16_000, window_samples=512, hop_samples=256)
    outputs = {
        "a": contract((1, 512), "sample", kind="audio"),
        "c": contract((1, 4), "feature", kind="clip", pool="mean"),
        "w": contract((1, 4), "feature"),
    }
    said = describe_stitching(audio, outputs)
    assert {name: one.kind for name, one in said.outputs.items()} == {"a": "audio", "c": "clip", "w": "window"}
    assert said.outputs["c"].pool == "mean" and said.frames is None
    assert "weighted" in said.outputs["a"].rule

"""Conditions of prepared windows: made by a worker once, equal to what the condition makes of the clip itself."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from evaluators.condition import apply_condition
from evaluators.condition_sets import find_conditions, open_step
from evaluators.datasets.conditioning import store_conditioned
from evaluators.datasets.place import LONG, Place
from evaluators.errors import EvaluationError
from evaluators.windows import cut, uncut
from packager.bundle import AudioContract
from packager.jobs.workers import Limits
from tests.benches import AUDIO, read_dataset, store_windows, write_dataset

NOTHING = Limits(time_s=0.0)
"""no worker survives it: what comes with it was stored"""


@pytest.mark.parametrize(("window", "hop"), [(64, 64), (64, 40), (64, 1), (5, 3), (1, 1)])
@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("channels", [1, 3])
def test_windows_hold_the_whole_clip(window: int, hop: int, n_samples: int, channels: int) -> None:
    audio = AudioContract(sample_rate_hz=8000, channels=channels, window_samples=window, hop_samples=hop)
    samples = np.random.default_rng(n_samples).standard_normal((channels, n_samples)).astype(np.float32)
    np.testing.assert_array_equal(uncut(cut(samples, audio), audio, n_samples), samples)


@pytest.mark.slow
def test_a_worker_treats_every_clip_and_each_condition_once(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    out = tmp_path / "out"
    windows = store_windows(dataset, AUDIO, out / "cache")
    conditions = find_conditions(["street", {"kind": "noise", "snr_db": 10}], AUDIO.sample_rate_hz)
    clips = [clip.read(AUDIO) for clip in dataset.clips]
    found = [store_conditioned(windows, one, audio=AUDIO, place=Place(out, LONG)) for one in conditions]
    assert found[0].path != found[1].path != windows.path
    for condition, treated in zip(conditions, found, strict=True):
        assert treated.spans == windows.spans
        for index, (first, count, _) in enumerate(treated.spans):
            others = [(lambda clip=clip: clip) for place, clip in enumerate(clips) if place != index]
            samples = clips[index]
            for place, step in enumerate(condition.steps):
                samples = apply_condition(open_step(step), samples, place, AUDIO.sample_rate_hz, others)
            np.testing.assert_array_equal(np.load(treated.path)[first : first + count], cut(samples, AUDIO))
    again = [store_conditioned(windows, one, audio=AUDIO, place=Place(out, NOTHING)) for one in conditions]
    assert again == found
    renamed = conditions[0].model_copy(update={"name": "another"})
    assert store_conditioned(windows, renamed, audio=AUDIO, place=Place(out, NOTHING)) == found[0]
    found[0].path.write_bytes(found[0].path.read_bytes()[:-4])
    with pytest.raises(EvaluationError, match="the condition street cannot be made: "):
        store_conditioned(windows, conditions[0], audio=AUDIO, place=Place(out, NOTHING))


@pytest.mark.parametrize(("kind", "package", "extra"), [("g722", "G722", "codecs"), ("amr", "av", "codecs-gpl")])
def test_a_condition_whose_package_is_not_installed(
    kind: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = store_windows(read_dataset(write_dataset(tmp_path / "data")), AUDIO, tmp_path / "out" / "cache")
    (condition,) = find_conditions([{"kind": kind, "name": "call"}], AUDIO.sample_rate_hz)
    find = importlib.metadata.version

    def find_others(name: str) -> str:
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return find(name)

    monkeypatch.setattr(importlib.metadata, "version", find_others)
    with pytest.raises(EvaluationError) as caught:
        store_conditioned(windows, condition, audio=AUDIO, place=Place(tmp_path / "out", LONG))
    assert str(caught.value) == (
        f"condition call needs the package {package}, which is not installed; install it: "
        f"pip install 'testpress[{extra}]'"
    )

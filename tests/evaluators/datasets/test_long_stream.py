"""A stream is two rounds that are the same to the bit, with silence between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.datasets.long_stream import find_algorithmic_latency_ms, join_clips, plan_stream
from evaluators.errors import EvaluationError
from evaluators.long_run_records import LongRunSpec, StreamPlan
from evaluators.windows import cut
from packager.bundle import AudioContract

RATE_HZ = 1000
CLIPS_S = (3.0, 0.7, 1.9)


def _join(tmp_path: Path, audio: AudioContract, spec: LongRunSpec) -> tuple[StreamPlan, np.ndarray]:
    generator, windows, spans = np.random.default_rng(1), [], []
    for seconds in CLIPS_S:
        samples = generator.normal(size=(1, round(seconds * RATE_HZ))).astype(np.float32)
        parts = cut(samples, audio)
        spans.append((sum(span[1] for span in spans), len(parts), samples.shape[1]))
        windows.append(parts)
    np.save(tmp_path / "windows.npy", np.concatenate(windows))
    plan = plan_stream(spec, tuple(spans), audio)
    request = {
        "windows": str(tmp_path / "windows.npy"),
        "spans": spans,
        "audio": audio.model_dump(),
        "plan": plan.model_dump(),
    }
    (tmp_path / "made").mkdir()
    list(join_clips(request, tmp_path / "made"))
    return plan, np.load(tmp_path / "made" / "windows" / "windows.npy")


@pytest.mark.parametrize(("window", "hop"), [(64, 64), (100, 40), (128, 100), (1500, 1500)])
def test_the_second_round_is_the_first(tmp_path: Path, window: int, hop: int) -> None:
    audio = AudioContract(sample_rate_hz=RATE_HZ, window_samples=window, hop_samples=hop)
    plan, windows = _join(tmp_path, audio, LongRunSpec(minutes=0.5, silence_s=4.0))
    first, second = windows[: plan.round_windows], windows[plan.round_windows + plan.silent_windows :]
    reach = -(-(window - hop) // hop)
    """windows at a round's start and end that overlap what is beside it"""
    middle = slice(reach, plan.round_windows - reach)
    np.testing.assert_array_equal(first[middle], second[middle])
    silent = windows[plan.round_windows + reach : plan.round_windows + plan.silent_windows - reach]
    assert len(silent) and not silent.any()
    assert first[middle].any(axis=(1, 2)).all()
    assert plan.duration_s == pytest.approx(30, abs=2 * plan.stretch_s)
    assert plan.clips >= len(CLIPS_S)


def test_the_same_clips_come_in_the_same_order(tmp_path: Path) -> None:
    audio = AudioContract(sample_rate_hz=RATE_HZ, window_samples=64, hop_samples=64)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    spec = LongRunSpec(minutes=0.5, silence_s=0)
    plan, once = _join(tmp_path / "a", audio, spec)
    assert plan.silent_windows == 0
    np.testing.assert_array_equal(once, _join(tmp_path / "b", audio, spec)[1])


def test_windows_longer_than_the_run_are_refused() -> None:
    audio = AudioContract(sample_rate_hz=RATE_HZ, window_samples=9000, hop_samples=9000)
    with pytest.raises(EvaluationError, match=r"at least 3 are needed: give long_run\.minutes more"):
        plan_stream(LongRunSpec(minutes=0.5), ((0, 1, 9000),), audio)


@pytest.mark.parametrize(("window", "hop", "wait_ms"), [(512, 512, 512), (512, 256, 384), (400, 160, 280)])
def test_a_sample_waits_for_its_window(window: int, hop: int, wait_ms: float) -> None:
    """Counted sample by sample: the call that a sample's result is kept of begins when its window is full."""
    audio = AudioContract(sample_rate_hz=RATE_HZ, window_samples=window, hop_samples=hop)
    assert find_algorithmic_latency_ms(audio) == wait_ms
    lead_in = (window - hop) // 2
    waits = [(sample // hop) * hop - lead_in + window - sample for sample in range(10 * hop)]
    assert max(waits) == wait_ms

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.comparing.dnsmos import Ratings, rate_sound
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext, make_scores
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task, load_task, open_task
from evaluators.tasks.enhancement import (
    Enhancement,
    EnhancementOptions,
    Recordings,
    find_sdr,
    find_si_sdr,
    find_stoi,
)
from evaluators.windows import Stitched

RATE_HZ = 8000
ALL = EnhancementOptions(improvement=True)


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, shape)


def _labels(task: Enhancement, folder: Path, **files: np.ndarray) -> Recordings:
    """Files of `(channels, samples)`, as the task reads them."""
    paths = {}
    for name, samples in files.items():
        paths[name] = folder / f"{name}.wav"
        soundfile.write(paths[name], samples.T, RATE_HZ, subtype="DOUBLE")
    length = next(iter(files.values())).shape[1]
    return task.parse_labels({}, ClipContext(length / RATE_HZ, "n.jsonl:3", paths))


def _values(task: Enhancement, labels: Recordings, estimate: np.ndarray) -> dict[str, Any]:
    output = Stitched(estimate, np.arange(estimate.shape[-1]) / RATE_HZ, "audio")
    found = task.score(labels, task.decode({"enhanced": output}))
    assert set(found) == set(task.metrics)
    return {name: value.reason if isinstance(value, Absent) else value for name, value in found.items()}


@pytest.mark.parametrize(
    ("reference", "estimate", "si_sdr_db", "sdr_db"),
    [
        # The error is at right angles and a tenth as long: 20 dB; its gain is 1.
        ([1, 0], [1, 0.1], 20, 20),
        # Half the gain: to SI-SDR the target is (0.5, 0) and the error 0.05 long; to SDR it is 1 against 0.5025.
        ([1, 0], [0.5, 0.05], 20, -10 * math.log10(0.2525)),
        ([1, 0], [-1, 0.1], 20, -10 * math.log10(4.01)),
        ([3, 4], [4, 3], 20 * math.log10(24 / 7), 10 * math.log10(25 / 2)),
        ([1, 2], [1, 2], "identical", "identical"),
        ([1, 2], [0, 0], "the output holds nothing of the reference", 0),
        ([1, 0], [0, 1], "the output holds nothing of the reference", -10 * math.log10(2)),
        ([0, 0], [1, 0], "the reference is silent", "the reference is silent"),
        ([0, 0], [0, 0], "the reference is silent", "the reference is silent"),
    ],
)
def test_ratios_by_hand(reference: Any, estimate: Any, si_sdr_db: Any, sdr_db: Any) -> None:
    for score, expected in ((find_si_sdr, si_sdr_db), (find_sdr, sdr_db)):
        found = score(np.array(reference, float), np.array(estimate, float))
        assert found == (Absent(expected) if isinstance(expected, str) else pytest.approx(expected))


@settings(deadline=None)  # cores are shared
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(1e-3, 1.0))
def test_only_the_one_does_not_hear_gain(seed: int, gain: float, level: float) -> None:
    reference = _noise(seed, 200)
    estimate = reference + level * _noise(seed + 1, 200)
    plain, scaled = find_si_sdr(reference, estimate), find_si_sdr(reference, gain * estimate)
    assert scaled == pytest.approx(plain)
    assert find_si_sdr(gain * reference, estimate) == pytest.approx(plain)
    assert find_sdr(gain * reference, gain * estimate) == pytest.approx(find_sdr(reference, estimate))
    assert find_sdr(reference, 10 * estimate) < find_sdr(reference, estimate)
    perfect = find_si_sdr(reference, gain * reference)
    assert perfect == Absent("identical") or perfect > 200, "nothing but rounding is left"


def test_a_clip_of_one_channel(tmp_path: Path) -> None:
    task = Enhancement()
    reference, error = _noise(0, 1, 800), _noise(1, 1, 800)
    labels = _labels(task, tmp_path, reference=reference)
    assert labels.noisy is None
    found = _values(task, labels, (reference + 0.1 * error)[0])
    assert found == {
        "si_sdr_db": pytest.approx(find_si_sdr(reference[0], (reference + 0.1 * error)[0]), abs=1e-3),
        "sdr_db": pytest.approx(10 * math.log10((reference**2).sum() / (0.01 * error**2).sum()), abs=1e-3),
    }
    assert _values(task, labels, labels.reference.read(RATE_HZ))["sdr_db"] == "identical"


def test_sources_are_channels_and_the_noisy_recording_may_be_one(tmp_path: Path) -> None:
    task = Enhancement(ALL)
    assert task.label_files == task.label_keys == ("reference", "noisy")
    sources = np.stack([_noise(0, 800), _noise(1, 800)])
    mixture = sources.sum(axis=0, keepdims=True)
    labels = _labels(task, tmp_path, reference=sources, noisy=mixture)
    estimate = sources + 0.1 * sources[::-1]
    found = _values(task, labels, estimate)
    before = np.mean([find_si_sdr(row, mixture[0]) for row in sources])
    after = np.mean([find_si_sdr(row, heard) for row, heard in zip(sources, estimate, strict=True)])
    assert found["si_sdr_db"] == pytest.approx(after, abs=1e-3)
    assert found["si_sdr_improvement_db"] == pytest.approx(after - before, abs=1e-3)
    assert found["si_sdr_improvement_db"] == pytest.approx(20, abs=1)
    # The mixture itself is no improvement.
    assert _values(task, labels, np.repeat(mixture, 2, axis=0))["si_sdr_improvement_db"] == pytest.approx(0, abs=1e-3)


def test_a_clip_that_was_never_noisy_has_no_improvement(tmp_path: Path) -> None:
    task, reference = Enhancement(ALL), _noise(0, 1, 800)
    labels = _labels(task, tmp_path, reference=reference, noisy=reference)
    assert (
        _values(task, labels, reference + _noise(1, 1, 800))["si_sdr_improvement_db"]
        == "of the noisy recording: identical"
    )
    assert _values(task, labels, 0 * reference) == {
        "si_sdr_db": "the output holds nothing of the reference",
        "si_sdr_improvement_db": "the output holds nothing of the reference",
        "sdr_db": pytest.approx(0),
    }


def test_a_late_output_is_put_in_its_place(tmp_path: Path) -> None:
    reference = _noise(0, 1, 800)
    late = np.pad(reference + 0.01 * _noise(1, 1, 800), ((0, 0), (40, 0)))[:, :800]
    task, labels = Enhancement(), _labels(Enhancement(), tmp_path, reference=reference)
    assert _values(task, labels, late)["sdr_db"] < 0
    assert _values(Enhancement(EnhancementOptions(delay_samples=40)), labels, late)["sdr_db"] == pytest.approx(
        40, abs=0.5
    )


def test_bad_labels_are_all_listed(tmp_path: Path) -> None:
    task = Enhancement(ALL)
    with pytest.raises(EvaluationError) as caught:
        _labels(task, tmp_path, reference=np.full((1, 800), np.nan), noisy=_noise(0, 1, 700))
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"n.jsonl:3: reference {tmp_path / 'reference.wav'}: holds a value that is not")
    assert second.endswith("is 0.0875 s long where the clip is 0.1 s; both must be cut alike")
    with pytest.raises(EvaluationError, match="noisy has 3 channels where reference has 2; right is as many, or one"):
        _labels(task, tmp_path, reference=_noise(0, 2, 800), noisy=_noise(0, 3, 800))


def test_an_output_of_another_length_is_refused(tmp_path: Path) -> None:
    labels = _labels(Enhancement(), tmp_path, reference=_noise(0, 1, 800))
    with pytest.raises(
        EvaluationError, match=r"output 'enhanced' has 700 samples at 8000 Hz where reference\.wav has 800"
    ):
        _values(Enhancement(), labels, _noise(0, 1, 700))


def test_intelligibility_is_pystois(tmp_path: Path) -> None:
    from pystoi import stoi

    task = load_task("enhancement", {"stoi": True})
    assert isinstance(task, Enhancement)
    assert (task.libraries, task.extra) == (("pystoi",), "speech")
    reference = _noise(0, 1, 8000)
    labels = _labels(task, tmp_path, reference=reference)
    estimate = reference + 0.3 * _noise(1, 1, 8000)
    found = _values(task, labels, estimate)
    assert found["stoi"] == pytest.approx(stoi(reference[0], estimate[0], RATE_HZ), abs=1e-4)
    assert find_stoi(reference[0], reference[0], RATE_HZ) == pytest.approx(1)
    assert find_stoi(reference[0], 0.01 * estimate[0], RATE_HZ) == pytest.approx(found["stoi"], abs=1e-3)
    assert find_stoi(reference[0], _noise(2, 8000), RATE_HZ) < 0.5
    short = Absent("less than 0.4 s of the reference are loud enough for intelligibility")
    assert find_stoi(reference[0, :2000], estimate[0, :2000], RATE_HZ) == short
    assert find_stoi(np.zeros(8000), estimate[0], RATE_HZ) == Absent("the reference is silent")


@pytest.mark.slow
def test_listeners_opinion_needs_no_reference(tmp_path: Path) -> None:
    plain = load_task("enhancement", {"dnsmos": True, "delay_samples": 100})
    bare = open_task(find_task("enhancement", {"dnsmos": True, "delay_samples": 100}, labels=False))
    parts = ("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak")
    assert tuple(bare.metrics) == parts
    assert isinstance(plain, Enhancement)
    reference = _noise(0, 1, 8100)
    samples = np.concatenate([_noise(1, 1, 100), reference[:, :-100]], axis=1)
    found = _values(plain, _labels(plain, tmp_path, reference=reference), samples)
    output = {"enhanced": Stitched(samples, np.arange(8100) / RATE_HZ, "audio")}
    alone = make_scores(bare, bare.score(None, bare.decode(output)), "clip", basis="emulated")
    rated = rate_sound(samples[:, 100:], RATE_HZ)
    assert isinstance(rated, Ratings)
    assert {part: found[part] for part in parts} == {part: alone[part].value for part in parts}
    assert [found[part] for part in parts] == [rated.ovrl, rated.sig, rated.bak]
    silent = {"enhanced": Stitched(np.zeros(800), np.arange(800) / RATE_HZ, "audio")}
    assert set(bare.score(None, bare.decode(silent)).values()) == {Absent("the output is silent")}


def test_what_an_option_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    both = load_task("enhancement", {"stoi": True, "dnsmos": True})
    assert (both.libraries, both.extra) == (("pystoi", "speechmos", "onnxruntime"), "speech,dnsmos")
    found = importlib.metadata.version

    def find(package: str) -> str:
        if package == "speechmos":
            raise importlib.metadata.PackageNotFoundError(package)
        return found(package)

    monkeypatch.setattr(importlib.metadata, "version", find)
    for labels in (True, False):
        with pytest.raises(EvaluationError) as caught:
            ask_task(find_task("enhancement", {"dnsmos": True}, labels=labels))
        assert str(caught.value) == (
            "task enhancement needs the package speechmos, which is not installed; install it: pip install "
            "'testpress[dnsmos]'"
        )
    assert not ask_task(find_task("enhancement")).versions

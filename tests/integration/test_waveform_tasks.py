"""Tasks whose labels are recordings, through the real command: a tiny model whose outputs are known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluators.comparing.dnsmos import Ratings, rate_sound
from evaluators.evaluation import Evaluation
from reports.judging.comparison import load_evaluation
from tests.specimens import Job

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite]

RATE_HZ, WINDOW = 8000, 1600
NET = f"""
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, audio):
        return 0.5 * audio, 2 * audio


def build():
    return Net().eval(), (torch.zeros(1, {WINDOW}),)
"""


def _noise(seed: int, samples: int = 2 * WINDOW) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.2, 0.2, (samples, 1)).astype(np.float32)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    recipe = {
        "model": {
            "name": "gains",
            "version": "1",
            "license": "Apache-2.0",
            "source": "python:net:build",
            "outputs": {name: {"axes": ["sample"], "kind": "audio"} for name in ("enhanced", "decoded")},
        },
        "audio": {"sample_rate_hz": RATE_HZ, "channels": 1, "window_samples": WINDOW, "hop_samples": WINDOW},
        "devices": {"ids": ["pixel-8"]},
        "variants": {"tflite": ["float32"]},
        "task": {"kind": "enhancement", "dataset": "clips.jsonl"},
    }
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    sounds = {name: (_noise(seed), RATE_HZ) for seed, name in enumerate(("a.wav", "b.wav"))}
    # A second: doubled for DNSMOS it is the same in all windows.
    sounds |= {name: (_noise(seed, RATE_HZ), RATE_HZ) for seed, name in enumerate(("c.wav", "d.wav"))}
    sounds["short.wav"] = (_noise(3, 1000), RATE_HZ)
    lines = [{"audio": "a.wav", "reference": "a.wav"}, {"audio": "b.wav", "reference": "b.wav"}]
    return Job(folder, recipe, lines, sounds)


def _evaluate(job: Job) -> Evaluation:
    run = job.run()
    assert run.returncode == 0, run.stderr
    return load_evaluation(job.out / "evaluation.json")


def _check(evaluation: Evaluation, expected: dict[str, float]) -> None:
    """The source's scores and the bundle's, which differ by rounding."""
    (variant,) = evaluation.variants
    assert variant.failure is None
    for scores in (evaluation.source.scores, variant.scores):
        assert {name: scores[name].value for name in expected} == pytest.approx(expected, abs=1e-3)
    changes = {name: variant.differences[name].value for name in expected}
    assert changes == pytest.approx(dict.fromkeys(expected, 0), abs=1e-3)


def _check_sound(evaluation: Evaluation, job: Job) -> None:
    """Each clip is heard before and after, and the page plays it."""
    for info, own, bundle in zip(
        evaluation.dataset.clips, evaluation.source.clips, evaluation.variants[0].clips, strict=True
    ):
        assert [track.name for track in info.tracks] == ["reference", "input"]
        clip = soundfile.read(job.folder / f"{info.clip}.wav")[0]
        for track, gain in (*((track, 1.0) for track in info.tracks), (own.tracks[0], 0.5), (bundle.tracks[0], 0.5)):
            heard = soundfile.read(job.out / track.sound.path)[0]
            assert np.abs(heard - gain * clip).max() <= 2**-14
    page = (job.out / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="listening sound"') == 2


def _check_opinions(job: Job) -> None:
    """What needs no reference is scored of clips without labels, of source and bundle, and leads."""
    job.recipe["task"] |= {"labels": False, "options": {"dnsmos": True}}
    job.recipe["budgets"] = [{"metric": "dnsmos_ovrl", "max_drop": 0.1}]
    job.lines = [{"audio": "c.wav"}, {"audio": "d.wav"}]
    evaluation = _evaluate(job)
    assert evaluation.leading_metric == "dnsmos_ovrl"
    (row,) = evaluation.variants
    found = rate_sound(0.5 * _noise(0, RATE_HZ).T.astype(np.float64), RATE_HZ)
    assert isinstance(found, Ratings)
    expected = {f"dnsmos_{part}": value for part, value in found._asdict().items()}
    first = evaluation.source.clips[0].scores
    assert {name: first[name].value for name in expected} == pytest.approx(expected, abs=1e-2)
    assert row.differences["dnsmos_ovrl"].value == pytest.approx(0, abs=1e-3)
    assert row.scores["clips_not_worse"].value == 1
    assert row.scores["agreement_sdr_db"].value == pytest.approx(100)


def test_enhancement_and_codec(job: Job) -> None:
    evaluation = _evaluate(job)
    # Half the gain: the error is half as long as the reference, and SI-SDR does not hear it.
    _check(evaluation, {"sdr_db": 20 * np.log10(2)})
    assert {clip.scores["si_sdr_db"].reason for clip in evaluation.source.clips} == {"identical"}
    _check_sound(evaluation, job)
    job.recipe["task"]["kind"] = "codec"
    _check(_evaluate(job), {"spectral_convergence": 1, "log_magnitude_distance": np.log(2), "mel_distance": np.log(2)})
    job.lines[1]["reference"] = "short.wav"
    run = job.run("-q", "-o", str(job.out))
    (fault,) = [line for line in run.stderr.splitlines() if "clips.jsonl" in line]
    assert f"clips.jsonl:2: reference {job.folder}/short.wav is 0.125 s long where the clip is 0.4 s" in fault
    assert run.returncode == 1
    job.recipe["task"]["kind"] = "enhancement"
    _check_opinions(job)

"""The digit recogniser: its sequences, its calls, and that training teaches it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evaluators.datasets.reading import load_dataset
from evaluators.errors import EvaluationError
from evaluators.task_loading import load_task
from packager.bundle import AudioContract
from tests.specimens import ROOT

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

AUDIO = AudioContract(sample_rate_hz=8000, window_samples=5120, hop_samples=5120)


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "digit_recognizer"))
        return {
            name: importlib.import_module(name) for name in ("words", "utterances", "recognizer", "train_recognizer")
        }


@pytest.fixture(scope="module")
def recordings(modules: dict[str, ModuleType]) -> list[Any]:
    try:
        return modules["words"].load_words("wav")
    except EvaluationError as fault:
        pytest.skip(str(fault).splitlines()[0])


def test_calls_give_what_one_pass_gives(modules: dict[str, ModuleType]) -> None:
    torch.manual_seed(1)
    recognizer = modules["recognizer"]
    model = recognizer.Recognizer().eval()
    audio = 0.1 * torch.randn(1, 5 * recognizer.WINDOW)
    states = recognizer.start(1)
    with torch.no_grad():
        whole = model(audio, *states)["logits"]
        parts = []
        for call in audio.split(recognizer.WINDOW, dim=1):
            outputs = model(call, *states)
            parts.append(outputs["logits"])
            states = (outputs["context_next"], outputs["state_next"])
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-5)


def test_words_lie_where_a_sequence_says(modules: dict[str, ModuleType]) -> None:
    tones = [np.ones(2000, np.float32)] * 12
    one = modules["words"].join(tones, np.random.default_rng(3), snr_db=60)
    inside = np.zeros(len(one.samples), bool)
    for first, last in one.places:
        inside[first:last] = True
    loud = np.abs(one.samples) > 0.05
    assert len(one.words) == len(one.places) > 0
    np.testing.assert_array_equal(loud, inside)


def test_the_sequences_are_what_the_task_reads(modules: dict[str, ModuleType], recordings, tmp_path) -> None:
    task = load_task("speech_recognition", {})
    dataset = load_dataset(modules["utterances"].make_dataset(tmp_path / "made"), audio=AUDIO, task=task)
    assert len(dataset.clips) == modules["utterances"].COUNT
    assert {word for clip in dataset.clips for word in clip.labels.text.split()} == set(modules["words"].WORDS)


def test_a_short_training_lowers_the_loss(modules: dict[str, ModuleType], recordings: list[Any]) -> None:
    train, random = modules["train_recognizer"], np.random.default_rng(5)
    batch = [modules["words"].join(recordings, random, snr_db=30) for _ in range(16)]
    audio = torch.from_numpy(np.stack([one.samples for one in batch]))

    def measure(steps: int) -> float:
        model = train.train(recordings, steps=steps)
        with torch.no_grad():
            logits = model(audio, *modules["recognizer"].start(16))["logits"]
        return float(train.weigh(logits, batch))

    assert measure(80) < 0.5 * measure(2)

"""The wake word spotter: its halves, its streams, its calls, and that training teaches it."""

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

AUDIO = AudioContract(sample_rate_hz=8000, window_samples=1280, hop_samples=1280)


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "wake_word"))
        names = ("clips", "streams", "wake_word", "train_wake_word")
        return {name: importlib.import_module(name) for name in names}


@pytest.fixture(scope="module")
def halves(modules: dict[str, ModuleType]) -> dict[str, Any]:
    try:
        return {half: modules["clips"].load_clips(half) for half in ("train", "test")}
    except EvaluationError as fault:
        pytest.skip(str(fault).splitlines()[0])


def test_calls_give_what_one_pass_gives(modules: dict[str, ModuleType]) -> None:
    torch.manual_seed(1)
    wake_word = modules["wake_word"]
    model = wake_word.WakeWord().eval()
    audio = 0.1 * torch.randn(1, 10 * wake_word.WINDOW)
    states = wake_word.start(1)
    with torch.no_grad():
        whole, _, _ = model.listen(audio, *states)
        parts = []
        for call in audio.split(wake_word.WINDOW, dim=1):
            outputs = model(call, *states)
            parts.append(outputs["keyword"])
            states = (outputs["context_next"], outputs["memory_next"])
    torch.testing.assert_close(torch.cat(parts, dim=1), torch.sigmoid(whole).transpose(1, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("frame", "word", "is_right"),
    [(40, 0, True), (10, 0, False), (40, 1, False), (75, 0, False)],
    ids=["there", "before", "the other word", "after"],
)
def test_a_keyword_counts_where_it_was_said(
    modules: dict[str, ModuleType], frame: int, word: int, is_right: bool
) -> None:
    train = modules["train_wake_word"]
    said = train.Example(np.zeros(1, np.float32), word=0, onset_s=0.4)
    silent = torch.full((1, 2, 80), -8.0)
    heard = silent.clone()
    heard[0, word, frame] = 8.0
    assert (train.weigh(heard, [said]) < train.weigh(silent, [said])) == is_right


def test_keywords_of_a_stream_lie_where_they_are_labelled(modules: dict[str, ModuleType]) -> None:
    clip = modules["clips"].Clip
    click = np.zeros(4000, np.float32)
    click[800] = 1
    samples, keywords = modules["streams"].join(
        [clip(click * 0), clip(click, "please", 0.1), clip(click * 0), clip(click, "press", 0.1)],
        np.random.default_rng(2),
    )
    places = np.flatnonzero(np.abs(samples) > 0.3) / 8000
    assert [word for *_, word in keywords] == ["please", "press"]
    np.testing.assert_allclose([start_s for start_s, *_ in keywords], places, atol=1e-3)


def test_no_recording_is_in_both_halves(halves: dict[str, Any]) -> None:
    train, test = (
        {clip.samples.tobytes() for kind in vars(halves[half]).values() for clip in kind} for half in ("train", "test")
    )
    assert len(train) > 600
    assert len(test) > 600
    assert not train & test


def test_each_word_is_in_both_halves(halves: dict[str, Any]) -> None:
    counts = {
        half: [sum(clip.word == word for clip in clips.keywords) for word in ("press", "please")]
        for half, clips in halves.items()
    }
    assert min(counts["train"] + counts["test"]) >= 10, counts


def test_the_streams_are_what_the_task_reads(modules: dict[str, ModuleType], halves: dict[str, Any], tmp_path) -> None:
    task = load_task("keyword", {"words": ["press", "please"]})
    dataset = load_dataset(modules["streams"].make_dataset(tmp_path / "streams"), audio=AUDIO, task=task)
    assert len(dataset.clips) == 8
    assert all(40 < clip.duration_s < 100 for clip in dataset.clips)
    assert sum(len(clip.labels.spoken) for clip in dataset.clips) == len(halves["test"].keywords)


def test_a_short_training_already_tells_keywords_from_other_words(
    modules: dict[str, ModuleType], halves: dict[str, Any]
) -> None:
    wake_word = modules["wake_word"]
    model = modules["train_wake_word"].train(halves["train"], steps=60)

    def loudest(clip: Any) -> float:
        samples = np.zeros(10 * wake_word.WINDOW, np.float32)
        heard = clip.samples[: len(samples) - 1600]
        samples[1600 : 1600 + len(heard)] = heard
        with torch.no_grad():
            return float(model.listen(torch.from_numpy(samples)[None], *wake_word.start(1))[0].max())

    keywords, others = ([loudest(clip) for clip in kind] for kind in (halves["test"].keywords, halves["test"].speech))
    above = np.mean(np.array(keywords)[:, None] > np.array(others))  # the area under the ROC curve
    assert above > 0.8, above

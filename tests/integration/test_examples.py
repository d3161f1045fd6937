"""The examples with real weights do in both formats what their packages do."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from evaluators.datasets.builtin.making import find_dataset, locate_builtin
from evaluators.datasets.outputs import combine_outputs
from evaluators.datasets.reading import load_dataset
from evaluators.errors import EvaluationError
from evaluators.players import as_inputs
from evaluators.targets import open_model
from evaluators.task_loading import load_task
from evaluators.windows import cut
from packager.bundle import Bundle
from packager.model import find_source
from packager.package import PackageRequest, Variant, package
from packager.snr import snr_db
from testpress.recipe import read_recipe
from testpress.stage_requests import MODEL_RUNNER
from tests.examples.dtln_package import enhance
from tests.specimens import CACHE, ROOT
from tests.voices import RATE_HZ, SPEAKERS_HZ, speak

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.coreml]

FORMATS = ("tflite", "coreml")
Outputs = dict[str, npt.NDArray[np.float32]]


def _package(example: str) -> dict[str, Bundle]:
    """The example's model as float32 in both formats, proved on test signals."""
    recipe = read_recipe(ROOT / "examples" / example / "testpress.toml")
    order = PackageRequest(
        source=find_source(recipe.written.model, recipe.folder),
        audio=recipe.written.audio,
        variants=[Variant(each, "float32") for each in FORMATS],
        out=CACHE / f"example-{example}",
        runner=MODEL_RUNNER,
    )
    outcomes = package(order)
    assert [outcome.reason for outcome in outcomes] == [None, None]
    return {outcome.variant.format: outcome.bundle for outcome in outcomes if outcome.bundle is not None}


@pytest.fixture(scope="module")
def crepe() -> dict[str, Bundle]:
    return _package("torchcrepe")


@pytest.fixture(scope="module")
def silero() -> dict[str, Bundle]:
    return _package("silero_vad")


@pytest.fixture(scope="module")
def dtln() -> dict[str, Bundle]:
    return _package("dtln")


@pytest.fixture(scope="module")
def resemblyzer() -> dict[str, Bundle]:
    return _package("resemblyzer")


@pytest.fixture(scope="module")
def wake_word() -> dict[str, Bundle]:
    """Trained where no other session did; a minute or two."""
    return _package("wake_word")


def _play(bundle: Bundle, calls: list[Outputs]) -> Iterator[Outputs]:
    """One call after the other; states start at 0 and are carried as the manifest says."""
    emulator, state = open_model(bundle.model_path), bundle.manifest.state
    shapes = {one.name: one.shape for one in bundle.manifest.inputs}
    states = {name: np.zeros(shapes[name], np.float32) for name in state}
    for call in calls:
        outputs = emulator.run(as_inputs(emulator, {**call, **states}))
        states = {name: outputs[output] for name, output in state.items()}
        yield outputs


@pytest.mark.parametrize("format_", FORMATS)
def test_every_bundle_is_proved(format_: str, crepe, silero, dtln, resemblyzer, wake_word) -> None:
    for bundles in (crepe, silero, dtln, resemblyzer, wake_word):
        proof = bundles[format_].manifest.proof
        assert proof is not None
        assert proof.holds, proof


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("pitch_hz", [110.0, 220.0, 440.0, 880.0])
def test_crepe_hears_the_pitch(crepe: dict[str, Bundle], format_: str, pitch_hz: float) -> None:
    times = np.arange(1024) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * pitch_hz * harmonic * times) / harmonic for harmonic in range(1, 6))
    (outputs,) = _play(crepe[format_], [{"audio": (0.2 * tone)[None].astype(np.float32)}])
    # bins are 20 cents apart from 1997.38 cents above 10 Hz; source: torchcrepe 0.0.24, convert.bins_to_cents
    heard_hz = 10 * 2 ** ((20 * np.argmax(outputs["salience"]) + 1997.3794084376191) / 1200)
    assert 1200 * abs(np.log2(heard_hz / pitch_hz)) < 25, heard_hz


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")  # it is what the package has
@pytest.mark.parametrize("format_", FORMATS)
def test_silero_follows_its_own_torchscript(silero: dict[str, Bundle], format_: str) -> None:
    import torch

    script = torch.jit.load(str(resources.files("silero_vad") / "data" / "silero_vad.jit"))
    voice = np.concatenate([speak(140.0, seed=3), np.zeros(RATE_HZ, np.float32), speak(220.0, seed=4)])
    windows = voice[: len(voice) // 512 * 512].reshape(-1, 1, 512)
    script.reset_states()
    with torch.no_grad():
        reference = np.concatenate([script(torch.from_numpy(window), RATE_HZ).numpy() for window in windows])
    estimate = np.concatenate([each["speech"] for each in _play(silero[format_], [{"audio": w} for w in windows])])
    assert reference.min() < 0.2  # both a voice and its absence are in the clip
    assert reference.max() > 0.8
    np.testing.assert_allclose(estimate.ravel(), reference.ravel(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("format_", FORMATS)
def test_resemblyzer_tells_voices_apart(resemblyzer: dict[str, Bundle], format_: str) -> None:
    starts = (0, RATE_HZ // 2, RATE_HZ)
    voices = [speak(pitch_hz, seed=number) for number, pitch_hz in enumerate(SPEAKERS_HZ.values())]
    calls = [{"audio": voice[None, start : start + 25840]} for voice in voices for start in starts]
    speakers = np.stack([each["embedding"].ravel() for each in _play(resemblyzer[format_], calls)])
    np.testing.assert_allclose(np.linalg.norm(speakers, axis=1), 1, atol=1e-5)
    likeness = speakers @ speakers.T
    np.fill_diagonal(likeness, -1)
    whose = np.repeat(np.arange(len(voices)), len(starts))
    np.testing.assert_array_equal(whose[np.argmax(likeness, axis=1)], whose)  # the likest other window is its own


def _fetch(dataset: str, label_keys: tuple[str, ...], options: dict[str, Any]) -> Path:
    """The manifest; skips where it cannot be fetched, but not where it is another file."""
    chosen = find_dataset(dataset, options)
    for module in chosen.collection.needs:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{dataset}: {module} is not installed")
    try:
        return locate_builtin(chosen, label_keys)
    except EvaluationError as fault:
        if "cannot be fetched" in str(fault) and "another file" not in str(fault):
            pytest.skip(f"{dataset}: {str(fault).splitlines()[0]}")
        raise


@pytest.mark.parametrize("format_", FORMATS)
def test_the_denoiser_does_what_its_package_does(
    dtln: dict[str, Bundle], format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "dtln"))
    module = importlib.import_module("dtln")
    voice = speak(SPEAKERS_HZ["low"], seed=1)[: 24 * module.WINDOW]
    noisy = (voice + 0.02 * np.random.default_rng(0).normal(size=len(voice))).astype(np.float32)
    calls = [{"audio": window[None]} for window in noisy.reshape(-1, module.WINDOW)]
    found = np.concatenate([call["enhanced"][0] for call in _play(dtln[format_], calls)])
    expected = enhance(noisy, (module.find_model("model_1"), module.find_model("model_2")))
    snr = snr_db(float(np.sum(expected**2)), float(np.sum((found - expected) ** 2)))
    assert snr is not None
    assert snr > 60


VOICES = ["de", "en", "fr", "hu", "nl", "ru"]


@pytest.mark.parametrize(
    ("example", "fewer", "metric", "at_least", "at_most"),
    [
        ("silero_vad", {"clips": 3}, "speech_f1", 0.9, 1.0),
        ("torchcrepe", {"clips": 2}, "pitch_raw_accuracy", 0.9, 1.0),
        ("resemblyzer", {"languages": VOICES, "per_voice": 3}, "equal_error_rate", 0.0, 0.15),
    ],
)
def test_bundles_are_good_at_what_the_recipe_says(
    example: str, fewer: dict[str, Any], metric: str, at_least: float, at_most: float, request: pytest.FixtureRequest
) -> None:
    """On a part of the recipe's own data, with its options: right labels, outputs and times."""
    written = read_recipe(ROOT / "examples" / example / "testpress.toml").written
    assert written.task is not None
    assert written.audio is not None
    task = load_task(written.task.kind, written.task.options)
    manifest = _fetch(written.task.dataset, task.label_keys, {**written.task.dataset_options, **fewer})
    bundle = request.getfixturevalue({"silero_vad": "silero", "torchcrepe": "crepe"}.get(example, example))["tflite"]
    pairs = []
    for clip in load_dataset(manifest, audio=written.audio, task=task).clips:
        samples = clip.read(written.audio)
        played = list(_play(bundle, [{"audio": window} for window in cut(samples, written.audio)]))
        outputs = {name: np.stack([call[name][0] for call in played]) for name in written.model.outputs}
        found, _ = combine_outputs(outputs, written.model.outputs, written.audio, samples.shape[1])
        pairs.append((clip.labels, task.decode(found)))
    scores = {**task.score_dataset(pairs)} if task.metrics[metric].scope == "dataset" else {}
    value = scores.get(metric, np.mean([task.score(*pair).get(metric, np.nan) for pair in pairs]))
    assert at_least <= value <= at_most


@pytest.mark.parametrize("format_", FORMATS)
def test_the_wake_word_wakes_at_recordings_it_was_not_trained_with(
    wake_word: dict[str, Bundle], format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "wake_word"))
    clips = importlib.import_module("clips")
    test = clips.load_clips("test")
    loudest = []
    for clip in (*test.keywords[::3], *test.speech[::25]):
        stream = np.pad(clip.samples[:8000], (1600, 12800 - 1600 - len(clip.samples[:8000])))
        calls = [{"audio": window[None]} for window in stream.reshape(-1, 1280)]
        heard = np.concatenate([each["keyword"][0] for each in _play(wake_word[format_], calls)])
        word = clips.WORDS.index(clip.word) if clip.word else slice(None)
        loudest.append((clip.word is not None, float(heard[:, word].max())))
    right = [(probability > 0.9) == is_keyword for is_keyword, probability in loudest]
    assert np.mean(right) >= 0.8, loudest

"""What is kept to be heard, on a TFLite model whose two channels are its input at two gains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluators.datasets.place import Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.evaluation import ClipScores, VariantResult
from evaluators.picture_records import Track
from evaluators.playing.heard_clips import MAX_HEARD_BUNDLES, choose_bundles
from evaluators.playing.listening import ListenResult
from evaluators.playing.schedule import TrialSetup, listen_all
from evaluators.score import Score
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task
from packager.jobs.workers import LyingEventError
from packager.model import OutputSpec
from tests.benches import AUDIO, make_bench, write_model

GAINS = (0.5, 0.25)
DELAY = 10


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> TrialSetup:
    """Three clips with recordings of their own."""
    folder = tmp_path_factory.mktemp("listening")
    generator = np.random.default_rng(5)
    for name in "abc":
        soundfile.write(folder / f"{name}.wav", generator.uniform(-0.3, 0.3, 500), 880, subtype="PCM_16")
    lines = [json.dumps({"audio": f"{name}.wav", "reference": f"{name}.wav"}) for name in "abc"]
    (folder / "clips.jsonl").write_text("\n".join(lines))
    task = ask_task(find_task("enhancement", {"delay_samples": DELAY}))
    assert task.is_heard
    out = folder / "out"
    dataset = prepare_dataset(folder / "clips.jsonl", task=task, audio=AUDIO, place=Place(out))
    windows = dataset.found.find_windows(out)
    (out / "cache" / "reference" / "abc").mkdir(parents=True)
    samples = np.load(windows.path).astype(np.float32)
    np.save(out / "cache" / "reference" / "abc" / "enhanced.npy", samples)
    return replace(
        make_bench(folder / "bench"),
        dataset=dataset.path,
        dataset_sha256=dataset.found.info.sha256,
        clips=("a", "b", "c"),
        task=task,
        folder=dataset.folder,
        label_files=dataset.found.list_label_files(task.label_files),
        outputs={"enhanced": OutputSpec(axes=("channel", "sample"), kind="audio")},
        windows=windows,
        reference=out / "cache" / "reference" / "abc",
        out=out,
    )


def _listen(bench: TrialSetup, name: str, model: Path | None, heard: tuple[str, ...]) -> tuple[ListenResult, list[str]]:
    said: list[str] = []
    found = listen_all({name: model}, heard, bench, lambda _, event: said.append("kept" if event is None else "made"))
    assert found[name].reason is None
    return found[name].result, said


def _read(bench: TrialSetup, track: Track) -> np.ndarray:
    return np.asarray(soundfile.read(bench.out / track.sound.path)[0])


@pytest.mark.slow
@pytest.mark.tflite
def test_clip_labels_and_outputs_are_heard_from_the_same_place_on(bench: TrialSetup) -> None:
    clip = soundfile.read(bench.folder / "b.wav")[0]
    own, _ = _listen(bench, "source", None, ("b",))
    assert [heard.clip for heard in own.clips] == ["b"]
    reference, given = own.clips[0].label_tracks
    assert (reference.name, given.name) == ("reference", "input")
    for track in (reference, given):
        assert np.abs(_read(bench, track) - clip).max() <= 2**-15
    (source,) = own.clips[0].tracks
    assert np.abs(_read(bench, source) - clip[DELAY:]).max() <= 2**-15

    model = write_model(bench.out / "m.tflite", onset=GAINS, onset_name="enhanced")
    found, said = _listen(bench, "bundle", model, ("b", "c"))
    assert [heard.clip for heard in found.clips] == ["b", "c"]
    assert [track.name for track in found.clips[0].tracks] == ["channel 1", "channel 2"]
    assert found.clips[0].label_tracks == ()
    for track, gain in zip(found.clips[0].tracks, GAINS, strict=True):
        assert np.abs(_read(bench, track) - gain * clip[DELAY:]).max() <= 2**-15
    assert said[-1] == "made"

    again, said = _listen(bench, "bundle", model, ("b", "c"))
    assert (again, said) == (found, ["kept"])
    (bench.out / found.clips[1].tracks[0].sound.path).write_bytes(b"damaged")
    again, said = _listen(bench, "bundle", model, ("b", "c"))
    assert (again, said[-1]) == (found, "made")
    assert again.is_whole(bench.out)


def test_a_worker_that_names_other_clips_or_files_is_not_believed() -> None:
    envelope = {"columns": 1, "levels": "AAA="}
    sound = {"path": "../../secret", "sha256": "0" * 64, "duration_s": 1.0}
    clip = {"clip": "a", "tracks": [{"name": "", "sound": sound, "envelope": envelope}]}
    lying = ListenResult.model_validate({"clips": [clip]}, strict=False)
    with pytest.raises(LyingEventError, match="not where it was to be stored"):
        lying.check(["a"])
    with pytest.raises(LyingEventError, match="not those that were asked for"):
        lying.check(["b"])
    assert not lying.is_whole(Path("/nowhere"))


def _row(name: str, *values: float) -> VariantResult:
    return VariantResult(
        variant=name, origin="bundle", path="", format="tflite", precision="", key="", clips=_clips(*values)
    )


def _clips(*values: float) -> tuple[ClipScores, ...]:
    return tuple(
        ClipScores(
            clip=f"c{number}",
            scores={"sdr_db": Score(value=value, unit="db", direction="higher", basis="emulated")},
        )
        for number, value in enumerate(values)
    )


def test_the_bundles_that_lost_most_are_heard() -> None:
    rows = [_row(f"r{number}", 5.0, 9.0 - number) for number in range(MAX_HEARD_BUNDLES + 2)]
    failed = VariantResult(variant="x", origin="bundle", path="", format="tflite", precision="", key="")
    chosen = choose_bundles(_clips(5.0, 9.0), [failed, *rows], ["c1"], "sdr_db")
    assert chosen == [f"r{number}" for number in range(2, MAX_HEARD_BUNDLES + 2)]

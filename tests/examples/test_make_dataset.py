from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from evaluators.datasets.reading import load_dataset
from evaluators.task_loading import load_task
from packager.bundle import AudioContract

pytest.importorskip("tinysoundfont")
pytest.importorskip("pretty_midi")

SCRIPT = Path(__file__).parents[2] / "examples" / "basic_pitch" / "make_dataset.py"
AUDIO = AudioContract(sample_rate_hz=22050, window_samples=43844, hop_samples=36164, frame_rate_hz=86.0)
SMALL = 4


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_dataset_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script.make_dataset(tmp_path_factory.mktemp("made") / "dataset")


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_the_dataset_is_what_the_evaluators_read(made: Path) -> None:
    dataset = load_dataset(made, audio=AUDIO, task=load_task("note_transcription"))
    assert len(dataset.clips) == 28
    assert all(2 <= clip.duration_s <= 8 for clip in dataset.clips)
    assert all(clip.labels and not clip.notices for clip in dataset.clips)
    assert sum("two-instruments" in clip.tags for clip in dataset.clips) >= 4
    assert sum(len(clip.labels) for clip in dataset.clips) > 400


@pytest.mark.slow
def test_levels_vary_and_never_clip(made: Path) -> None:
    peaks_db = []
    for clip in load_dataset(made, audio=AUDIO, task=load_task("note_transcription")).clips:
        peak = float(np.abs(clip.read(AUDIO)).max())
        assert peak < 1
        peaks_db.append(20 * np.log10(peak))
    assert max(peaks_db) > -1.1
    assert sum(peak < -25 for peak in peaks_db) >= 4


def test_notes_sound_where_their_labels_say(made: Path) -> None:
    clips = load_dataset(made, audio=AUDIO, task=load_task("note_transcription")).clips
    assert clips
    for clip in clips:
        info = soundfile.info(clip.path)
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        samples = clip.read(AUDIO)[0]
        first, last = min(n.onset_s for n in clip.labels), max(n.offset_s for n in clip.labels)
        before = samples[: int(first * 22050)]
        after = samples[int(first * 22050) : int((first + 0.1) * 22050)]
        # Only the noise floor, -80 dBFS, sounds before the first onset; within 100 ms even a bowed string has begun.
        assert 20 * np.log10(np.sqrt(np.mean(before**2))) == pytest.approx(-80, abs=1), clip.id
        assert np.abs(after).max() > 0.01 * np.abs(samples).max(), clip.id
        # The release rings out within the clip: its end has been faded to the noise floor.
        assert clip.duration_s - last == pytest.approx(0.9, abs=0.001)
        assert abs(samples[-1]) <= 10 ** (-80 / 20) * 5


def test_labels_agree_with_the_midi_files(made: Path) -> None:
    import pretty_midi

    lines = made.read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        row = json.loads(line)
        midi = pretty_midi.PrettyMIDI(str(made.parent / row["audio"].replace("audio", "midi").replace(".wav", ".mid")))
        found = sorted((n.start, n.end, n.pitch) for instrument in midi.instruments for n in instrument.notes)
        np.testing.assert_allclose(found, row["notes"], atol=1e-6)


def test_no_pitch_is_struck_while_it_sounds(made: Path) -> None:
    clips = [json.loads(line)["notes"] for line in made.read_text(encoding="utf-8").splitlines()]
    assert min(map(len, clips)) > 1
    for notes in clips:
        released: dict[int, float] = {}
        for onset_s, offset_s, pitch in notes:
            assert onset_s >= released.get(pitch, -1.0) + 0.059
            released[pitch] = offset_s


def test_same_seed_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    first = script.make_dataset(tmp_path / "a", seed=3, clips=SMALL)
    again = script.make_dataset(tmp_path / "b", seed=3, clips=SMALL)
    other = script.make_dataset(tmp_path / "c", seed=4, clips=SMALL)
    assert _digests(first.parent) == _digests(again.parent)
    assert not set(_digests(first.parent).values()) & set(_digests(other.parent).values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.slow
def test_a_complete_dataset_is_left_alone_and_a_broken_one_made_again(script: ModuleType, tmp_path: Path) -> None:
    manifest = script.make_dataset(tmp_path / "a", clips=SMALL)
    before, stamp = _digests(manifest.parent), manifest.stat().st_mtime_ns
    script.make_dataset(tmp_path / "a", clips=SMALL)
    assert manifest.stat().st_mtime_ns == stamp
    next((tmp_path / "a" / "audio").iterdir()).unlink()
    script.make_dataset(tmp_path / "a", clips=SMALL)
    assert _digests(tmp_path / "a") == before
    manifest.write_text("")
    script.make_dataset(tmp_path / "a", clips=SMALL)
    assert _digests(tmp_path / "a") == before


def test_other_peoples_folders_are_left_alone(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match="is not a dataset of this script; choose another folder"):
        script.make_dataset(tmp_path / "mine", clips=SMALL)
    assert _digests(tmp_path / "mine").keys() == {"thesis.txt"}


def test_other_settings_are_not_written_over(script: ModuleType, tmp_path: Path) -> None:
    script.make_dataset(tmp_path / "a", clips=1)
    with pytest.raises(FileExistsError, match=r"made with \{'seed': 0, 'clips': 1\}, not \{'seed': 1, 'clips': 1\}"):
        script.make_dataset(tmp_path / "a", seed=1, clips=1)


def test_clips_must_be_positive(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clips must be at least 1, found 0"):
        script.make_dataset(tmp_path / "a", clips=0)
    assert not (tmp_path / "a").exists()


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "deep/new/data", "--clips", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "deep/new/data/notes.jsonl"
    assert (tmp_path / "deep/new/data/notes.jsonl").is_file()
    again = subprocess.run([*command, "--seed", "5"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "choose another folder or delete it" in again.stderr
    assert "Traceback" not in again.stderr

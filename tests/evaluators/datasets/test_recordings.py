"""Folders and datasets that conditions play beside the clips: found, refused in one line, and known by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluators.condition import apply_condition
from evaluators.condition_sets import find_conditions, list_recordings, open_step
from evaluators.datasets.builtin.catalog import keyboard_noise
from evaluators.datasets.conditioning import store_conditioned
from evaluators.datasets.place import LONG, Place
from evaluators.datasets.recordings import FoundRecordings, check_recordings, find_recordings, open_recordings
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive
from evaluators.windows import cut
from packager.jobs.workers import Limits
from tests.benches import AUDIO, read_dataset, store_windows, write_dataset

LIMITS = Limits(time_s=60)
NOTHING = Limits(time_s=0.0)


def write_noises(folder: Path, *, seconds: float = 0.5) -> Path:
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(9)
    for name, rate_hz, channels in (("a.wav", 880, 1), ("more/b.FLAC", 8000, 2)):
        samples = random.uniform(-0.3, 0.3, (round(seconds * rate_hz), channels))
        soundfile.write(folder / name, samples, rate_hz, format=name.rpartition(".")[2].upper())
    (folder / "readme.txt").write_text("not audio")
    return folder


def find(base: Path, *names: str) -> dict[str, FoundRecordings]:
    return find_recordings(names, base, log=base / "log", limits=LIMITS)


def test_a_folders_audio_is_read_at_the_clips_rate_with_channels_averaged(tmp_path: Path) -> None:
    write_noises(tmp_path / "noises")
    found = find(tmp_path, "noises")["noises"]
    assert found.files.names == ("a.wav", "more/b.FLAC")
    first, second = (read() for read in open_recordings({"noises": found.files}, 880)["noises"])
    assert (first.shape, first.dtype) == ((1, 440), np.float32)
    np.testing.assert_array_equal(first[0], soundfile.read(tmp_path / "noises" / "a.wav", dtype="float32")[0])
    assert abs(second.shape[1] - 440) <= 1


def test_content_and_names_are_what_they_are_known_by(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = write_noises(tmp_path / "noises"), write_noises(tmp_path / "other" / "noises")
    assert find(tmp_path, "noises")["noises"].sha256 == find(tmp_path / "other", "noises")["noises"].sha256
    (other / "a.wav").rename(other / "c.wav")
    assert find(tmp_path, "noises")["noises"].sha256 != find(tmp_path / "other", "noises")["noises"].sha256
    (one / "readme.txt").write_text("another")
    assert find(tmp_path, "noises")["noises"].files.names == ("a.wav", "more/b.FLAC")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", r"recordings 'nowhere': .*nowhere: there is no such folder; right is a folder of audio files, or"),
        ("file.wav", r"recordings 'file.wav': .*file.wav: is no folder; right is a folder of audio files, or builtin:"),
        ("empty", r"recordings 'empty': .*empty: holds no audio file; right are .wav, .flac, .ogg, .mp3"),
        ("linked", r"recordings 'linked': .*is a symbolic link"),
        ("builtin:keybord-noise", r"no dataset 'keybord-noise'; did you mean 'keyboard-noise'\?"),
    ],
)
def test_what_cannot_be_played_is_one_line_before_anything_runs(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file.wav").write_bytes(b"RIFF")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.wav").symlink_to("/etc/hostname")
    with pytest.raises(EvaluationError, match=words) as caught:
        check_recordings([name], tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WAVE", b"\0" * 5000])
def test_a_file_that_is_no_audio_is_named_by_the_worker(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "noises").mkdir()
    (tmp_path / "noises" / "a.wav").write_bytes(data)
    (read,) = open_recordings({"noises": find(tmp_path, "noises")["noises"].files}, 8000)["noises"]
    with pytest.raises(EvaluationError, match=r"noises/a\.wav: "):
        read()


def test_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noises").mkdir()
    soundfile.write(tmp_path / "noises" / "a.wav", np.array([0.1, np.nan]), 8000, subtype="FLOAT")
    (read,) = open_recordings({"noises": find(tmp_path, "noises")["noises"].files}, 8000)["noises"]
    with pytest.raises(EvaluationError, match="holds a value that is not finite"):
        read()


@pytest.mark.slow
def test_a_dataset_that_cannot_be_had_says_who_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTPRESS_CACHE", str(tmp_path / "cache"))
    absent = Archive(registry="debian", package="testpress-none", version="1", file="no.deb", sha256="0", size_bytes=1)
    monkeypatch.setattr(keyboard_noise.KeyboardNoise, "archives", (absent,))
    with pytest.raises(EvaluationError, match="a condition plays recordings of builtin:keyboard-noise: "):
        find(tmp_path, "builtin:keyboard-noise")


@pytest.mark.slow
def test_a_worker_plays_them_and_makes_clips_anew_when_they_change(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    out, noises = tmp_path / "out", write_noises(tmp_path / "noises", seconds=3.0)
    windows = store_windows(dataset, AUDIO, out / "cache")
    (condition,) = find_conditions([{"kind": "background", "recordings": "noises"}], AUDIO.sample_rate_hz)
    assert list_recordings([condition]) == ("noises",)

    def make(limits: Limits = LONG) -> Path:
        found = find(tmp_path, "noises")
        place = Place(out, limits)
        return store_conditioned(windows, condition, audio=AUDIO, place=place, recordings=found).path

    path = make()
    opened = open_recordings({"noises": find(tmp_path, "noises")["noises"].files}, AUDIO.sample_rate_hz)
    samples = dataset.clips[0].read(AUDIO)
    step = open_step(condition.steps[0])
    expected = cut(apply_condition(step, samples, 0, AUDIO.sample_rate_hz, recordings=opened), AUDIO)
    np.testing.assert_array_equal(np.load(path)[: len(expected)], expected)
    assert make(NOTHING) == path
    soundfile.write(noises / "a.wav", np.random.default_rng(10).uniform(-0.3, 0.3, 2640), 880)
    assert make() != path

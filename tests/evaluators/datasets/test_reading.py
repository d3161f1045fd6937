from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.datasets.reading import Dataset, load_dataset
from evaluators.errors import EvaluationError
from evaluators.picture_records import Note
from evaluators.task import ClipContext, Metric, Task
from evaluators.task_loading import load_task
from packager.bundle import AudioContract

TASK = load_task("note_transcription")
AUDIO = AudioContract(sample_rate_hz=8000, window_samples=1000, hop_samples=800)
STEREO = AudioContract(sample_rate_hz=8000, channels=2, window_samples=1000, hop_samples=800)
NOTES = [[0.1, 0.4, 60]]


def _tone(seconds: float = 0.5, rate: int = 8000, channels: int = 1) -> np.ndarray:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(tone[:, None], channels, axis=1).astype(np.float32)


def _write(folder: Path, lines: list[Any], sounds: dict[str, tuple[np.ndarray, int]] | None = None) -> Path:
    for name, (samples, rate) in (sounds if sounds is not None else {"a.wav": (_tone(), 8000)}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, samples, rate, subtype="FLOAT")
    manifest = folder / "notes.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    manifest.write_text("\n".join(text) + "\n", encoding="utf-8")
    return manifest


def _load(manifest: Path, audio: AudioContract = AUDIO) -> Dataset:
    return load_dataset(manifest, audio=audio, task=TASK)


def _faults(manifest: Path, audio: AudioContract = AUDIO) -> list[str]:
    with pytest.raises(EvaluationError) as caught:
        _load(manifest, audio)
    return str(caught.value).replace(str(manifest.parent) + "/", "").split("\n")


def test_a_dataset_is_read(tmp_path: Path) -> None:
    lines = [
        {"audio": "audio/a.wav", "notes": NOTES, "tags": ["piano", "quiet"]},
        "",
        {"audio": "audio/b.wav", "notes": []},
    ]
    sounds = {"audio/a.wav": (_tone(), 8000), "audio/b.wav": (_tone(1.0), 8000)}
    dataset = _load(_write(tmp_path, lines, sounds))
    assert dataset.name == "notes"
    first, second = dataset.clips
    assert (first.id, first.duration_s, first.tags, first.notices) == ("audio/a", 0.5, ("piano", "quiet"), ())
    assert first.labels == (Note(onset_s=0.1, offset_s=0.4, pitch_midi=60),)
    assert (second.id, second.labels, second.tags) == ("audio/b", (), ())
    samples = first.read(AUDIO)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, _tone().T)


class _Texts(Task):
    label_keys = ("text", "speaker")
    label_files = ("text",)
    metrics = {"wer": Metric("ratio", "lower", "Wrong words.", "dataset")}

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> str:
        if not (text := clip.read_text("text").strip()):
            raise EvaluationError(f"{clip.where}: text: holds no word")
        return text

    def group(self, labels: str) -> str:
        return labels.split(maxsplit=1)[0]


def _load_texts(folder: Path, text: Any = "a.txt") -> Dataset:
    manifest = _write(folder, [{"audio": "a.wav", "text": text, "speaker": 1}])
    return load_dataset(manifest, audio=AUDIO, task=_Texts())


def test_label_files_are_part_of_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hear this\n")
    before = _load_texts(tmp_path)
    assert before.clips[0].labels == "hear this"
    assert before.clips[0].label_files == {"text": tmp_path / "a.txt"}
    assert before.describe(_Texts()).clips[0].group == "hear"
    (tmp_path / "a.txt").write_text("hear that\n")
    after = _load_texts(tmp_path)
    by_hand = hashlib.sha256((tmp_path / "notes.jsonl").read_bytes())
    by_hand.update(hashlib.sha256((tmp_path / "a.wav").read_bytes()).digest())
    by_hand.update(hashlib.sha256(b"hear that\n").digest())
    assert after.sha256 == by_hand.hexdigest() != before.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b.txt", "text file "),
        ("../a.txt", "text '../a.txt' lies outside the dataset; text must lie within "),
        ("/etc/passwd", "text '/etc/passwd' lies outside the dataset"),
        (3, "text must be a path, found 3"),
        (".", "text file "),
        ("empty.txt", "text: holds no word"),
        ("binary.txt", "binary.txt: cannot be read"),
    ],
)
def test_label_files_that_cannot_be_read(text: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(EvaluationError) as caught:
        _load_texts(tmp_path, text)
    assert message in str(caught.value)


def test_what_the_evaluation_holds(tmp_path: Path) -> None:
    manifest = _write(tmp_path, [{"audio": "a.wav", "notes": NOTES}], {"a.wav": (_tone(rate=16000), 16000)})
    dataset = _load(manifest)
    info = dataset.describe(TASK)
    assert (info.name, info.sha256) == ("notes", dataset.sha256)
    assert info.clips[0].drawn.events == dataset.clips[0].labels
    assert info.clips[0].notices == ("resampled from 16000 Hz to 8000 Hz",)


def test_other_rates_are_resampled(tmp_path: Path) -> None:
    manifest = _write(tmp_path, [{"audio": "a.wav", "notes": NOTES}], {"a.wav": (_tone(rate=44100), 44100)})
    (clip,) = _load(manifest).clips
    assert clip.notices == ("resampled from 44100 Hz to 8000 Hz",)
    assert clip.duration_s == 0.5
    samples = clip.read(AUDIO)
    assert samples.shape == (1, 4000)
    assert samples.dtype == np.float32
    # Away from the ends, where the filter meets the silence around the clip; 1e-3 is -60 dB.
    np.testing.assert_allclose(samples[0, 400:-400], _tone()[400:-400, 0], atol=1e-3)


def test_stereo_stays_stereo_where_it_is_asked(tmp_path: Path) -> None:
    sound = _tone(channels=2)
    sound[:, 1] *= 0.5
    manifest = _write(tmp_path, [{"audio": "a.wav", "notes": NOTES}], {"a.wav": (sound, 8000)})
    np.testing.assert_array_equal(_load(manifest, STEREO).clips[0].read(STEREO), sound.T)


def test_the_digest_follows_labels_and_audio(tmp_path: Path) -> None:
    digests = set()
    for index, (notes, sound) in enumerate([(NOTES, _tone()), ([[0.1, 0.3, 60]], _tone()), (NOTES, _tone() * 0.5)]):
        folder = tmp_path / str(index)
        folder.mkdir()
        digests.add(_load(_write(folder, [{"audio": "a.wav", "notes": notes}], {"a.wav": (sound, 8000)})).sha256)
    assert len(digests) == 3


def test_the_digest_does_not_follow_the_folder(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        manifest = _write(tmp_path / name, [{"audio": "a.wav", "notes": NOTES}])
        found.append(_load(manifest).sha256)
    sound = hashlib.sha256((tmp_path / "one" / "a.wav").read_bytes()).digest()
    assert found[0] == found[1] == hashlib.sha256(manifest.read_bytes() + sound).hexdigest()


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("{", ["notes.jsonl:2: not valid JSON: "]),
        ("[1]", ["notes.jsonl:2: must be a JSON object, found list"]),
        ({}, ["notes.jsonl:2: key 'audio' is missing", "notes.jsonl:2: key 'notes' is missing"]),
        ({"audio": "a.wav"}, ["notes.jsonl:2: key 'notes' is missing; note_transcription needs audio, notes"]),
        (
            {"audio": "a.wav", "note": NOTES},
            ["notes.jsonl:2: key 'notes' is missing; note_transcription needs audio, notes; it has 'note'; did you"],
        ),
        ({"audio": "a.wav", "notes": NOTES, "tags": "x"}, ["notes.jsonl:2: tags must be a list of words, found 'x'"]),
        ({"audio": 3, "notes": NOTES}, ["notes.jsonl:2: audio must be a path, found 3"]),
        ({"audio": "", "notes": NOTES}, ["notes.jsonl:2: audio must be a path, found ''"]),
        ({"audio": "b.wav", "notes": NOTES}, ["notes.jsonl:2: audio file b.wav does not exist"]),
        ({"audio": ".", "notes": NOTES}, ["notes.jsonl:2: audio file "]),
        (
            {"audio": "../a.wav", "notes": NOTES},
            ["notes.jsonl:2: audio '../a.wav' lies outside the dataset; audio must"],
        ),
        ({"audio": "/a.wav", "notes": NOTES}, ["notes.jsonl:2: audio '/a.wav' lies outside the dataset; audio must"]),
        (
            {"audio": "a.wav", "notes": [[0.1, 0.6, 60], [0.2, 0.1, 60]]},
            ["notes.jsonl:2: notes[0]: 0.1 s to 0.6 s lies outside", "notes.jsonl:2: notes[1]: offset 0.1 s must come"],
        ),
        (
            {"audio": "ok.wav", "notes": NOTES},
            ["notes.jsonl:2: clip 'ok' is there twice; each clip needs a path of its"],
        ),
    ],
)
def test_bad_line(tmp_path: Path, line: Any, faults: list[str]) -> None:
    sounds = {"ok.wav": (_tone(), 8000), "a.wav": (_tone(), 8000)}
    found = _faults(_write(tmp_path, [{"audio": "ok.wav", "notes": NOTES}, line], sounds))
    assert len(found) == len(faults)
    for fault, start in zip(found, faults, strict=True):
        assert fault.startswith(start)


def _hole() -> np.ndarray:
    sound = _tone()
    sound[7] = np.nan
    sound[9] = np.inf
    return sound


@pytest.mark.parametrize(
    ("sound", "audio", "fault"),
    [
        (np.zeros((0, 1)), AUDIO, "empty: it holds no sample"),
        (_hole(), AUDIO, "holds a value that is not finite, first at sample 7"),
        (_tone(), STEREO, "has 1 channels where the model expects 2; several are mixed down to one alone"),
    ],
)
def test_bad_audio(tmp_path: Path, sound: np.ndarray, audio: AudioContract, fault: str) -> None:
    manifest = _write(tmp_path, [{"audio": "a.wav", "notes": NOTES}], {"a.wav": (sound, 8000)})
    assert _faults(manifest, audio) == [f"notes.jsonl:1: a.wav: {fault}"]


@pytest.mark.parametrize("name", ["a.wav", "a.raw", "a"])
def test_a_file_that_is_no_audio(name: str, tmp_path: Path) -> None:
    manifest = _write(tmp_path, [{"audio": name, "notes": NOTES}], {})
    (tmp_path / name).write_text("hello")
    (fault,) = _faults(manifest)
    assert fault.startswith(f"notes.jsonl:1: {name}: cannot be read as audio: ")
    assert fault.endswith("WAV, FLAC, OGG and MP3 are understood")


def test_audio_too_long_is_refused_unread(tmp_path: Path) -> None:
    # 31 minutes at 10 Hz: long by its header alone, in 37 kB.
    manifest = _write(tmp_path, [{"audio": "a.wav", "notes": NOTES}], {"a.wav": (np.ones((18600, 1)), 10)})
    expected = "notes.jsonl:1: a.wav: 1860 s long; at most 1800 s are read at once, cut it into shorter clips"
    assert _faults(manifest) == [expected]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_clip(tmp_path: Path, text: str) -> None:
    assert _faults(_write(tmp_path, [text])) == ["notes.jsonl: holds no clip; one JSON object a line is expected"]


def test_no_manifest(tmp_path: Path) -> None:
    (fault,) = _faults(tmp_path / "notes.jsonl")
    assert fault.startswith("notes.jsonl: no such file; the recipe's dataset must be a JSONL manifest, a CSV or TSV")
    (tmp_path / "folder.jsonl").mkdir()
    assert _faults(tmp_path / "folder.jsonl") == [
        "folder.jsonl: holds no audio file; right are .wav, .flac, .ogg, .mp3"
    ]


TEXT = '{"audio": "a.wav", "notes": []}\n{"audio": "é.wav", "notes": []}\n'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TEXT.encode("utf-16"), "notes.jsonl: begins with a byte order mark, of UTF-16; save it as UTF-8 without one"),
        (
            TEXT.encode("utf-8-sig"),
            "notes.jsonl: begins with a byte order mark, of UTF-8; save it as UTF-8 without one",
        ),
        (TEXT.encode("utf-16-be"), "notes.jsonl: holds bytes of 0, so that it is no text in UTF-8; save it as UTF-8"),
        (TEXT.encode("latin-1"), "notes.jsonl:2: not UTF-8: byte 0xe9 at column 12; save the manifest as UTF-8"),
        (
            TEXT.replace('"', "'").encode(),
            (
                "notes.jsonl:1: not valid JSON: line 1, column 2: Expecting property name enclosed in double quotes; "
                "right is one JSON object a line"
            ),
        ),
    ],
)
def test_a_manifest_in_another_encoding(tmp_path: Path, data: bytes, message: str) -> None:
    manifest = _write(tmp_path, [])
    manifest.write_bytes(data)
    assert _faults(manifest)[0] == message


@pytest.mark.parametrize(("n_faults", "last"), [(20, "notes.jsonl:20: must be"), (23, "and 3 more")])
def test_faults_are_listed_up_to_twenty(tmp_path: Path, n_faults: int, last: str) -> None:
    found = _faults(_write(tmp_path, ["1"] * n_faults))
    assert len(found) == min(n_faults, 20) + (n_faults > 20)
    assert found[0] == "notes.jsonl:1: must be a JSON object, found int; right is one object a line"
    assert found[-1].startswith(last)


def test_a_clip_that_went_bad_after_loading(tmp_path: Path) -> None:
    (clip,) = _load(_write(tmp_path, [{"audio": "a.wav", "notes": NOTES}])).clips
    clip.path.unlink()
    with pytest.raises(EvaluationError, match=r"clip a: .*a\.wav: cannot be read as audio"):
        clip.read(AUDIO)

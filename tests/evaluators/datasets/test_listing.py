"""Ordinary forms of data: folders and tables beside manifests, and what lies where it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.datasets import folders
from evaluators.datasets.reading import Dataset, load_dataset
from evaluators.errors import EvaluationError
from evaluators.task import Task
from evaluators.task_loading import load_task
from evaluators.unlabelled import Unlabelled
from packager.bundle import AudioContract

AUDIO = AudioContract(sample_rate_hz=8000, window_samples=1000, hop_samples=800)
PARITY = load_task("parity")
TAGS = load_task("tagging", {"classes": ["dog", "cat"]})
NOTES = load_task("note_transcription")
RNG = np.random.default_rng(5)


def write_audio(path: Path, *, rate: int = 8000, channels: int = 1, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, RNG.uniform(-0.5, 0.5, (round(rate * seconds), channels)), rate)


def load(path: Path, task: Task = PARITY, *, root: Path | None = None) -> Dataset:
    return load_dataset(path, audio=AUDIO, task=task, audio_root=root)


def fault(path: Path, task: Task = PARITY, *, root: Path | None = None) -> str:
    with pytest.raises(EvaluationError) as caught:
        load(path, task, root=root)
    return str(caught.value).replace(f"{path.parent}/", "").replace(str(path.parent), "")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for name in ("dog/a.wav", "dog/deep/b.flac", "cat/a.wav", "cat/notes.txt", "dog/.hidden.wav"):
        write_audio(tmp_path / "pets" / name) if name.endswith(("wav", "flac")) else None
    (tmp_path / "pets/cat/notes.txt").write_text("hello")
    return tmp_path / "pets"


def test_folders_name_classes(pets: Path) -> None:
    found = load(pets, TAGS)
    assert found.name == "pets"
    assert [(clip.id, clip.labels) for clip in found.clips] == [("cat/a", (1,)), ("dog/a", (0,)), ("dog/deep/b", (0,))]
    assert found.notices == (f"{pets}: 1 files are no audio by their names and left out",)
    assert found.clips[0].line == {"audio": "cat/a.wav", "labels": ["cat"]}


@pytest.mark.parametrize(
    ("kind", "options", "labels"),
    [
        ("tagging", {"classes": ["cat", "dog"], "single_label": True}, {"cat": (0,), "dog": (1,)}),
        ("embedding", {}, {"cat": "cat", "dog": "dog"}),
    ],
)
def test_folders_are_labels_as_the_task_takes_them(pets: Path, kind: str, options: dict[str, Any], labels: Any) -> None:
    found = load(pets, load_task(kind, options))
    assert {clip.id.partition("/")[0]: clip.labels for clip in found.clips} == labels


def test_a_keyword_is_somewhere_in_its_clip(pets: Path) -> None:
    options = {"words": ["dog", "cat"], "background": ["cat"]}
    by_id = {clip.id: clip.labels for clip in load(pets, load_task("keyword", options)).clips}
    assert by_id["cat/a"].spoken == ()
    (one,) = by_id["dog/a"].spoken
    assert (one.start_s, one.end_s, one.word) == (0.0, 0.5, "dog")


@pytest.mark.parametrize("task", [PARITY, Unlabelled(NOTES)])
def test_a_folder_needs_no_labels_where_the_task_has_none(tmp_path: Path, task: Task) -> None:
    write_audio(tmp_path / "data" / "a.wav")
    write_audio(tmp_path / "data" / "more" / "b.wav")
    assert [clip.id for clip in load(tmp_path / "data", task).clips] == ["a", "more/b"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (load_task("tagging"), 'say so in the columns\' order: options = { classes = ["cat", "dog"] } in [task]'),
        (load_task("tagging", {"classes": ["dog", "cats"]}), "no class 'cat'; did you mean 'cats'?"),
        (NOTES, "is a folder, whose names do not tell notes of a clip; name a JSONL manifest or a table"),
    ],
)
def test_a_folder_that_says_too_little(pets: Path, task: Task, message: str) -> None:
    assert message in fault(pets, task)


def test_a_clip_that_lies_in_no_class(pets: Path) -> None:
    write_audio(pets / "loose.wav")
    assert fault(pets, TAGS).startswith("pets/loose.wav: lies in no folder that names its class; right is pets/CLASS/")


def test_folders_of_numbers_are_columns(tmp_path: Path) -> None:
    for name in ("0/a.wav", "2/b.wav"):
        write_audio(tmp_path / "data" / name)
    assert [clip.labels for clip in load(tmp_path / "data", load_task("tagging")).clips] == [(0,), (2,)]


def test_too_many_files_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_ENTRIES", 10)
    for number in range(12):
        (tmp_path / f"{number}.wav").touch()
    assert "holds more than 10 files; name a folder of the clips alone" in fault(tmp_path)


def test_a_folder_too_deep(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 20)).mkdir(parents=True)
    assert "lies more than 16 folders deep" in fault(tmp_path)


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    write_audio(tmp_path / "secret" / "x.wav")
    write_audio(tmp_path / "data" / "a.wav")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "secret")
    assert load(tmp_path / "data").notices == (f"{tmp_path / 'data'}: 1 links to other folders are not followed",)
    (tmp_path / "data" / "b.wav").symlink_to(tmp_path / "secret" / "x.wav")
    text = fault(tmp_path / "data")
    assert "data/b.wav' is a link to secret/x.wav, outside the dataset; audio must lie within data, or a folder" in text
    assert f'audio_root = "{tmp_path}"' in text or 'audio_root = ""' in text
    assert [clip.id for clip in load(tmp_path / "data", root=tmp_path).clips] == ["data/a", "data/b"]


def test_a_link_within_the_folder_and_one_in_a_loop(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("a.wav")
    assert len(load(tmp_path).clips) == 2
    (tmp_path / "c.wav").symlink_to("c.wav")
    assert fault(tmp_path).endswith("c.wav does not exist")


@pytest.mark.parametrize("name", [b"\xff\xfe.wav"])
def test_a_name_that_is_no_text(tmp_path: Path, name: bytes) -> None:
    write_audio(tmp_path / "a.wav")
    (tmp_path / "a.wav").rename(Path(str(tmp_path)) / name.decode("utf-8", "surrogateescape"))
    assert "its name is not UTF-8; rename the file" in fault(tmp_path)


@pytest.mark.parametrize("name", ["a b.wav", "ä 鳥.wav", "a\nb.wav", "-rf.wav", "$(x).wav", "a.b.WAV"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    write_audio(tmp_path / "data" / name)
    assert [clip.id for clip in load(tmp_path / "data").clips] == [name[:-4]]


def test_audio_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("RIFF?")
    assert "a.wav: cannot be read as audio" in fault(tmp_path)
    (tmp_path / "a.wav").unlink()
    assert fault(tmp_path).endswith("holds no audio file; right are .wav, .flac, .ogg, .mp3")


def write_table(folder: Path, text: str | bytes, name: str = "clips.csv") -> Path:
    for audio in ("a.wav", "b.wav", "sub/c.wav"):
        write_audio(folder / audio)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("audio,label\na.wav,dog\nb.wav,cat\n", "x.csv"),
        ("\ufeffAudio;Label\r\na.wav;dog\r\nb.wav;cat\r\n", "x.csv"),
        ("label\tfile\ndog\ta.wav\ncat\tb.wav\n", "x.tsv"),
        ('filename,class\n"a.wav","dog"\nb.wav, cat \n\n', "x.CSV"),
        ("path;labels;\na.wav;dog;\nb.wav;cat;\n", "x.csv"),
    ],
)
def test_tables_are_read_however_they_are_written(tmp_path: Path, text: str, name: str) -> None:
    found = load(write_table(tmp_path, text, name), TAGS)
    assert [(clip.id, clip.labels) for clip in found.clips] == [("a", (0,)), ("b", (1,))]


def _lines(kind: str, text: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    return [dict(clip.line) for clip in load(write_table(folder, text), load_task(kind, options)).clips]


@pytest.mark.parametrize(
    ("kind", "options", "text", "label"),
    [
        ("tagging", {}, "audio,label\na.wav,0\na.wav,3\n", {"labels": [0, 3]}),
        ("tagging", {}, 'audio,labels\na.wav,"0,3"\n', {"labels": [0, 3]}),
        ("tagging", {"classes": ["x, y", "z"]}, 'audio,labels\na.wav,"z|x, y"\n', {"labels": ["z", "x, y"]}),
        ("tagging", {"single_label": True}, "audio,label\na.wav,2\n", {"labels": 2}),
        ("tagging", {}, "audio,label\na.wav,\n", {"labels": []}),
        (
            "note_transcription",
            {},
            "audio,onset,offset,midi\na.wav,0.1,0.2,60\na.wav,0.2,0.4,62\n",
            {"notes": [[0.1, 0.2, 60], [0.2, 0.4, 62]]},
        ),
        ("note_transcription", {}, "audio;start_s;end_s;pitch\na.wav;0,1;0,2;60\n", {"notes": [[0.1, 0.2, 60]]}),
        ("note_transcription", {}, "audio,onset,offset,midi\na.wav,,,\n", {"notes": []}),
        ("note_transcription", {}, 'audio,notes\na.wav,"[[0.1, 0.2, 60]]"\n', {"notes": [[0.1, 0.2, 60]]}),
        ("pitch", {}, "audio,time,hz\na.wav,0,0\na.wav,0.1,220.5\n", {"pitch": [[0, 0], [0.1, 220.5]]}),
        ("beat", {}, "audio,beat\na.wav,0.1\na.wav,0.3\n", {"beats": [0.1, 0.3]}),
        ("voice_activity", {}, "audio,start,end\na.wav,0.1,0.3\n", {"speech": [[0.1, 0.3]]}),
        ("keyword", {}, "audio,start,end\na.wav,0.1,0.3\n", {"keywords": [[0.1, 0.3]]}),
        (
            "keyword",
            {"words": ["go", "stop"]},
            "audio,start,end,word\na.wav,0.1,0.3,stop\n",
            {"keywords": [[0.1, 0.3, "stop"]]},
        ),
        ("sound_events", {}, "filename,onset,offset,event_label\na.wav,0.1,0.3,1\n", {"events": [[0.1, 0.3, 1]]}),
        ("chords", {}, "audio,start,end,chord\na.wav,0,0.3,C:maj\n", {"chords": [[0, 0.3, "C:maj"]]}),
        ("key", {}, "audio,key\na.wav,C# minor\n", {"key": "C# minor"}),
        ("embedding", {}, "audio,speaker\na.wav,7\n", {"identity": "7"}),
        ("speech_recognition", {}, "path,sentence\na.wav,[laughs] 12\n", {"text": "[laughs] 12"}),
        ("codec", {}, "audio,reference\na.wav,b.wav\n", {"reference": "b.wav"}),
        ("parity", {}, "audio,tags\na.wav,quiet|piano\n", {"tags": ["quiet", "piano"]}),
    ],
)
def test_columns_become_labels(tmp_path: Path, kind: str, options: Any, text: str, label: dict[str, Any]) -> None:
    assert _lines(kind, text, tmp_path, **options) == [{"audio": "a.wav", **label}]


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        (
            PARITY,
            "a.wav\nb.wav\n",
            "clips.csv:1: no column of audio files; the first line must be a header with a column",
        ),
        (PARITY, "", "clips.csv: is empty; right is a header with a column audio, and a row a clip"),
        (PARITY, "audio\n", "clips.csv: holds no clip; a row a clip below the header is expected"),
        (PARITY, "audio,audio\na.wav,b.wav\n", "clips.csv:1: the column 'audio' is there twice; right is once"),
        (PARITY, "audio,x\na.wav\n", "clips.csv:2: 1 cells where the header has 2 columns; right is a cell a column"),
        (PARITY, 'audio,x\n"a.wav"b,1\n', "clips.csv:2: no row of a table: "),
        (PARITY, "audio\nz.wav\n", "clips.csv:2: audio file z.wav does not exist"),
        (PARITY, "audio\nsub\\c.wav\n", "does not exist, and its path is written with /"),
        (PARITY, b"audio\n\xe9.wav\n", "clips.csv:2: not UTF-8: byte 0xe9; save the table as UTF-8"),
        (PARITY, "audio\na.wav\n".encode("utf-16"), "clips.csv: begins with a byte order mark, of UTF-16"),
        (PARITY, b"audio\n\0\n", "clips.csv: holds bytes of 0"),
        (
            TAGS,
            "audio,lable\na.wav,dog\n",
            "no column for labels: label (or one column labels that holds",
        ),
        (TAGS, "audio,lable\na.wav,dog\n", "it has audio, lable; did you mean 'lable'?"),
        (TAGS, "audio,label\na.wav,dgo\n", "clips.csv:2: labels[0]: no class 'dgo'; did you mean 'dog'?"),
        (NOTES, "audio,onset,midi\na.wav,0,60\n", "no column for notes: end (or one column notes"),
        (NOTES, "audio,onset,offset,midi\na.wav,0,x,60\n", "clips.csv:2: offset must be a number; found 'x'"),
        (NOTES, "audio,onset,offset,midi\na.wav,0,9,60\n", "clips.csv:2: notes[0]: 0.0 s to 9.0 s lies outside"),
        (load_task("key"), "audio,key\na.wav,C major\na.wav,D major\n", "key is not the same in all rows of this clip"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, task: Task, text: str | bytes, message: str) -> None:
    assert message in fault(write_table(tmp_path, text), task).replace("0 s to 9 s", "0.0 s to 9.0 s")


def test_columns_that_nobody_reads_are_told_once(tmp_path: Path) -> None:
    table = write_table(tmp_path, "audio,label,mood,Source\na.wav,dog,1,2\nb.wav,cat,3,4\n")
    assert load(table, TAGS).notices == (f"{table}: columns not read: mood, source",)


def test_keys_that_nobody_reads_are_told_once(tmp_path: Path) -> None:
    manifest = write_table(tmp_path, "", "clips.jsonl")
    lines = [{"audio": f"{name}.wav", "tag": ["x"], "mood": [1] * 9} for name in "ab"]
    manifest.write_text("\n".join(map(json.dumps, lines)))
    found = load(manifest)
    assert found.notices == (
        f"{manifest}:1: key 'tag' is not read; did you mean 'tags'? (in 2 lines)",
        f"{manifest}:1: key 'mood' is not read (in 2 lines)",
    )
    assert [dict(clip.line) for clip in found.clips] == [{"audio": "a.wav"}, {"audio": "b.wav"}]


def test_silence_is_told_and_all_silence_refused(tmp_path: Path) -> None:
    write_audio(tmp_path / "data" / "a.wav")
    soundfile.write(tmp_path / "data" / "b.wav", np.zeros(4000), 8000)
    assert [clip.notices for clip in load(tmp_path / "data").clips] == [(), ("silent: every sample is 0",)]
    (tmp_path / "data" / "a.wav").unlink()
    assert "every clip is silent, each sample 0" in fault(tmp_path / "data")


def test_channels_are_mixed_down_and_said(tmp_path: Path) -> None:
    path = tmp_path / "data" / "a.wav"
    write_audio(path, channels=3)
    (clip,) = load(tmp_path / "data").clips
    assert clip.notices == ("mixed down from 3 channels to 1",)
    written, _ = soundfile.read(path)
    np.testing.assert_allclose(clip.read(AUDIO)[0], written.mean(axis=1), atol=1e-7)


def test_audio_elsewhere_is_allowed_by_name_alone(tmp_path: Path) -> None:
    write_audio(tmp_path / "audio" / "a.wav")
    manifest = tmp_path / "lists" / "clips.jsonl"
    manifest.parent.mkdir()
    for name in ("../audio/a.wav", str(tmp_path / "audio" / "a.wav")):
        manifest.write_text(json.dumps({"audio": name}))
        text = fault(manifest)
        assert f"clips.jsonl:1: audio '{name.replace(f'{manifest.parent}/', '')}' lies outside the dataset" in text
        assert f'audio_root = "{tmp_path}" in [task]' in text
    manifest.write_text("\n".join(json.dumps({"audio": name}) for name in (str(tmp_path / "audio" / "a.wav"),)))
    assert [clip.id for clip in load(manifest, root=tmp_path / "audio").clips] == ["a"]
    manifest.write_text(json.dumps({"audio": "audio/../audio/a.wav"}))
    assert [clip.id for clip in load(manifest, root=tmp_path).clips] == ["audio/a"]
    manifest.write_text(json.dumps({"audio": "../lists/x.wav"}))
    assert "lies outside the dataset" in fault(manifest, root=tmp_path / "audio")
    assert "no such folder; task.audio_root must be one" in fault(manifest, root=tmp_path / "nowhere")

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.datasets.builtin.collection import LABELS, LabelledClip
from evaluators.datasets.builtin.making import (
    Chosen,
    dataset_names,
    find_dataset,
    locate_builtin,
    make_dataset,
    manifest_name,
    read_attribution,
    write_clip,
    write_manifests,
)
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE
from tests.evaluators.datasets.builtin.fake_archives import (
    describe,
    registry_that_runs,
    use_registry,
    wav,
    write_deb,
)

STROKES = {"./usr/share/buckle/wav/01-1.wav": wav(channels=2), "./usr/share/buckle/wav/01-0.wav": wav(0.4)}
COPYRIGHT = {"./usr/share/doc/bucklespring-data/copyright": "© Somebody\n".encode()}


@pytest.fixture
def strokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Chosen]:
    """The keyboard, of a package of two strokes that a registry in a folder has."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))

    def choose(files: dict[str, bytes] | None = None, **options: Any) -> Chosen:
        path = write_deb(tmp_path / "sent.deb", {**STROKES, **COPYRIGHT} if files is None else files)
        use_registry(monkeypatch, registry_that_runs(f"import shutil; shutil.copy({str(path)!r}, '.')"))
        chosen = find_dataset("keyboard-noise", options)
        return Chosen(chosen.name, chosen.collection, chosen.options, (describe(path, "bucklespring-data"),))

    return choose


@pytest.mark.parametrize("name", dataset_names())
def test_each_dataset_says_what_it_is(name: str) -> None:
    chosen = find_dataset(name)
    collection = chosen.collection
    assert collection.summary
    assert collection.attribution
    assert collection.licence
    assert set(collection.labels) <= set(LABELS)
    assert collection.clips > 0
    assert collection.minutes > 0
    assert chosen.archives
    for archive in chosen.archives:
        assert len(archive.sha256) == 64
        assert archive.size_bytes > 0
        assert Path(archive.file).name == archive.file


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(EvaluationError, match="no dataset 'keybord-noise'; did you mean 'keyboard-noise'") as caught:
        find_dataset("builtin:keybord-noise")
    assert str(caught.value).endswith(f"known: {', '.join(dataset_names())}")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"codec": "gsm"}, "options of keyboard-noise: codec: unknown key"), ({"clips": 0}, "clips: Input should be")],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        find_dataset("keyboard-noise", options)


def test_a_dataset_is_fetched_and_made_once(strokes: Callable[..., Chosen]) -> None:
    stages: list[tuple[str, int, int]] = []
    chosen = strokes()
    assert not chosen.is_made
    assert not chosen.are_archives_fetched
    folder = make_dataset(chosen, on_stage=lambda *told: stages.append(told))
    assert list(dict.fromkeys(name for name, _, _ in stages)) == ["fetch sent.deb (kB)", "make keyboard-noise"]
    assert stages[-1][1] == stages[-1][2]
    assert all(done <= total for _, done, total in stages)
    assert chosen.is_made
    stages.clear()
    assert make_dataset(chosen, on_stage=lambda *told: stages.append(told)) == folder
    assert stages == []


def test_audio_is_mono_and_its_labels_stand_beside_it(strokes: Callable[..., Chosen]) -> None:
    manifest = locate_builtin(strokes(), ("speech",))
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert lines == [
        {"audio": "audio/01-0.flac", "speech": [], "tags": ["keyboard", "release"]},
        {"audio": "audio/01-1.flac", "speech": [], "tags": ["keyboard", "press"]},
    ]
    samples, rate_hz = soundfile.read(manifest.parent / "audio/01-1.flac", always_2d=True)
    assert (samples.shape, rate_hz) == ((3200, 1), 8000)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=1e-3)


def test_who_made_it_stands_beside_it(strokes: Callable[..., Chosen]) -> None:
    manifest = locate_builtin(strokes(), ())
    assert manifest.name == "keyboard-noise.jsonl"
    assert read_attribution(manifest) == "bucklespring, recorded by Ico Doornekamp (GPL-2.0-or-later)"
    words = (manifest.parent / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    assert "© Somebody" in words
    assert "Changed: channels averaged, 16 bit, FLAC" in words


def test_a_manifest_of_ones_own_may_name_its_makers_too(tmp_path: Path) -> None:
    assert read_attribution(tmp_path / "clips.jsonl") is None
    (tmp_path / "ATTRIBUTION.txt").write_bytes(b"\xff\xfe")
    assert read_attribution(tmp_path / "clips.jsonl") is None


@pytest.mark.slow
def test_options_and_packages_decide_the_folder(strokes: Callable[..., Chosen]) -> None:
    assert len({strokes().folder, strokes(clips=1).folder, strokes(STROKES).folder}) == 3
    assert strokes(clips=1).folder == strokes(clips=1).folder
    assert len(locate_builtin(strokes(clips=1), ()).read_text().splitlines()) == 1


@pytest.mark.slow
def test_a_dataset_that_was_damaged_is_made_again(strokes: Callable[..., Chosen]) -> None:
    manifest = locate_builtin(strokes(), ())
    manifest.write_text("")
    assert len(locate_builtin(strokes(), ()).read_text().splitlines()) == 2


def test_labels_that_it_lacks_are_told_with_datasets_that_have_them(strokes: Callable[..., Chosen]) -> None:
    with pytest.raises(EvaluationError) as caught:
        locate_builtin(strokes(), ("notes",))
    assert str(caught.value) == (
        "the dataset keyboard-noise has no label 'notes', only speech, labels, tags; the task needs notes; "
        "rendered-melodies, rendered-pieces would do"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"./usr/share/buckle/wav/01-1.wav": b"RIFF"}, "01-1: cannot be read as audio"),
        ({"./usr/share/buckle/wav/01-1.wav": wav()[:44]}, "01-1: holds no sample"),
        ({"./elsewhere.wav": wav()}, r"holds no \.wav file in usr/share/buckle/wav"),
        ({"./usr/share/buckle/wav/a b.wav": wav()}, "the clip 'a b' has a name that is no path of plain words"),
        ({**STROKES, "../../out.wav": wav()}, "leads outside of it"),
    ],
    ids=["no audio", "empty", "elsewhere", "odd name", "outside"],
)
def test_a_package_that_holds_something_else_is_one_message(
    files: dict[str, bytes], message: str, strokes: Callable[..., Chosen]
) -> None:
    chosen = strokes(files)
    with pytest.raises(EvaluationError, match=f"the dataset keyboard-noise cannot be made: .*{message}"):
        make_dataset(chosen)
    assert not chosen.folder.exists()


def test_what_must_be_installed_is_told_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    chosen = find_dataset("rendered-melodies")
    monkeypatch.setattr(type(chosen.collection), "needs", {"no_such_module": "pip install it"})
    with pytest.raises(EvaluationError, match="needs the package no_such_module; install it: pip install it"):
        make_dataset(chosen)


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../b", "", "a b", "é"])
def test_a_clip_never_lies_outside(name: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no path of plain words"):
        write_clip(tmp_path, LabelledClip(name, np.zeros(9, np.float32), 8000), ())
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_was_not_declared_is_a_fault(tmp_path: Path) -> None:
    clip = LabelledClip("a", np.zeros(9, np.float32), 8000, {"text": "x"})
    with pytest.raises(EvaluationError, match="has the label 'text', which the dataset does not declare"):
        write_clip(tmp_path, clip, ("speech",))


def test_each_set_of_labels_has_a_manifest_of_the_clips_that_have_them_all(tmp_path: Path) -> None:
    lines = [
        {"audio": "a.flac", "text": "ä", "speech": [[0, 1]], "tags": ["x"]},
        {"audio": "b.flac", "speech": []},
        {"audio": "c.flac"},
    ]
    write_manifests(tmp_path, "d", lines, ("text", "speech", "identity", "tags"))
    found = {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in tmp_path.iterdir()}
    assert found == {
        "d.jsonl": [{"audio": "a.flac", "tags": ["x"]}, {"audio": "b.flac"}, {"audio": "c.flac"}],
        "d.speech.jsonl": [
            {"audio": "a.flac", "speech": [[0, 1]], "tags": ["x"]},
            {"audio": "b.flac", "speech": []},
        ],
        "d.text.jsonl": [{"audio": "a.flac", "text": "ä", "tags": ["x"]}],
        "d.speech.text.jsonl": [lines[0]],
    }
    assert manifest_name("d", ("text", "speech")) == "d.speech.text.jsonl"

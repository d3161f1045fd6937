from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluators.datasets.builtin.catalog.spoken_letters import LetterOptions, SpokenLetters
from evaluators.datasets.builtin.collection import LabelledClip
from evaluators.errors import EvaluationError
from tests.evaluators.datasets.builtin.fake_archives import wav, write_deb

XML = """<klettres><language code="en"><alphabet>
  <sound name="A" file="en/alpha/a.ogg" />
  <sound name="&amp;" file="en/alpha/and.ogg"/>
  <sound name="GONE" file="en/alpha/gone.ogg"/>
</alphabet><syllables><sound name="CAR" file="en/syllab/car.ogg"/></syllables></language></klettres>"""
OTHER = """<sound name="Ä" file="de/alpha/ae.ogg"/> <sound name="B" file="en/alpha/a.ogg"/>"""


def _make(folder: Path, **options: Any) -> list[LabelledClip]:
    root, ogg = "./usr/share/klettres", wav(rate_hz=44100, channels=2, format_="OGG")
    files = {f"{root}/{name}.ogg": ogg for name in ("en/alpha/a", "en/alpha/and", "en/syllab/car", "de/alpha/ae")}
    files |= {f"{root}/en/sounds.xml": XML.encode(), f"{root}/nn/sounds.xml": OTHER.encode()}
    archives = {"klettres-data": write_deb(folder / "k.deb", files)}
    return list(SpokenLetters().make_clips(LetterOptions(**options), archives))


def test_letters_say_what_and_in_which_language(tmp_path: Path) -> None:
    clips = _make(tmp_path)
    assert [(clip.name, dict(clip.labels)) for clip in clips] == [
        ("de/alpha/ae", {"text": "Ä", "identity": "de", "labels": ["Ä"], "tags": ["Ä"]}),
        ("en/alpha/a", {"text": "A", "identity": "en", "labels": ["A"], "tags": ["A"]}),
        ("en/alpha/and", {"text": "&", "identity": "en", "labels": ["&"], "tags": ["&"]}),
    ]
    assert {(clip.samples.ndim, clip.sample_rate_hz) for clip in clips} == {(1, 44100)}


def test_syllables_and_languages_are_chosen(tmp_path: Path) -> None:
    assert [clip.name for clip in _make(tmp_path, kind="syllables")] == ["en/syllab/car"]
    assert len(_make(tmp_path, kind="both", languages=("en",))) == 3
    with pytest.raises(EvaluationError, match="no clip is of these languages; known: de, en"):
        _make(tmp_path, languages=("xx",))


def _make_voices(folder: Path, **options: Any) -> list[LabelledClip]:
    """Seven letters of 0.4 s in English, two in German, and one at another rate."""
    root, letters = "./usr/share/klettres", "abcdefg"
    files = {f"{root}/en/alpha/{letter}.ogg": wav(format_="OGG") for letter in letters}
    files |= {f"{root}/de/alpha/{letter}.ogg": wav(format_="OGG") for letter in "ab"}
    files[f"{root}/en/alpha/h.ogg"] = wav(rate_hz=44100, format_="OGG")
    names = [name.removeprefix(f"{root}/").removesuffix(".ogg") for name in files]
    rows = "".join(f'<sound name="{name[-1].upper()}" file="{name}.ogg"/>' for name in names)
    archives = {"klettres-data": write_deb(folder / "v.deb", {**files, f"{root}/en/sounds.xml": rows.encode()})}
    return list(SpokenLetters().make_clips(LetterOptions(**options), archives))


def test_letters_of_one_voice_are_joined_until_they_are_long_enough(tmp_path: Path) -> None:
    clips = _make_voices(tmp_path, seconds=0.7)
    assert [(clip.name, clip.labels["identity"], clip.labels["text"]) for clip in clips] == [
        ("de/alpha/a", "de", "A B"),
        ("en/alpha/a", "en", "A B"),
        ("en/alpha/c", "en", "C D"),
        ("en/alpha/e", "en", "E F"),  # G is left over, and H has another rate
    ]
    assert all(len(clip.samples) >= 0.7 * clip.sample_rate_hz for clip in clips)
    assert clips[1].labels["labels"] == ["A", "B"]


def test_no_voice_has_more_clips_than_are_asked_for(tmp_path: Path) -> None:
    names = [clip.name for clip in _make_voices(tmp_path, seconds=0.7, per_voice=2)]
    assert names == ["de/alpha/a", "en/alpha/a", "en/alpha/c"]
    assert len(_make_voices(tmp_path, per_voice=1)) == 2


def test_more_than_any_voice_speaks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="seconds: no voice speaks for 60 s in all; right is less"):
        _make_voices(tmp_path, seconds=60)

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

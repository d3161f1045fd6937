from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.conditions.g722 import encode
from evaluators.datasets.builtin.catalog.speech_prompts_en import SpeechPromptsEnglish
from evaluators.datasets.builtin.catalog.speech_prompts_it import SpeechPromptsItalian
from evaluators.datasets.builtin.catalog.speech_prompts_ru import SpeechPromptsRussian
from evaluators.datasets.builtin.collection import LabelledClip
from evaluators.datasets.builtin.making import dataset_names, find_dataset
from evaluators.datasets.builtin.telephone_prompts import PromptOptions, TelephonePrompts
from evaluators.errors import EvaluationError
from tests.evaluators.datasets.builtin.fake_archives import wav, write_deb

TRANSCRIPT = """; Core sounds

activated: Activated.
beep: [this is a simple beep tone]
letters/dash: dash [-]
agent:  Two   spaces: and a colon.
silence/1: (1 second of silence)
"""
NAMES = ("activated", "beep", "letters/dash", "agent", "silence/1", "unheard-of")
ENGLISH, ITALIAN, RUSSIAN = SpeechPromptsEnglish(), SpeechPromptsItalian(), SpeechPromptsRussian()


def _gsm() -> bytes:
    stream = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    with soundfile.SoundFile(stream, "w", 8000, 1, format="RAW", subtype="GSM610") as file:
        file.write(tone)
    return stream.getvalue()


def _archives(
    folder: Path, sounds: dict[str, bytes], transcript: bytes, codec: str = "wav", of: TelephonePrompts = ENGLISH
) -> dict[str, Path]:
    text = f"./usr/share/doc/asterisk-core-sounds-{of.language}/core-sounds-{of.language}.txt.gz"
    place = f"./usr/share/asterisk/sounds/{of.voice}"
    return {
        f"asterisk-core-sounds-{of.language}": write_deb(folder / "t.deb", {text: transcript}),
        f"asterisk-core-sounds-{of.language}-{codec}": write_deb(
            folder / "s.deb", {f"{place}/{name}.{codec}": data for name, data in sounds.items()}
        ),
    }


def _make(folder: Path, codec: str = "wav", **options: int) -> dict[str, LabelledClip]:
    data = wav() if codec == "wav" else _gsm()
    archives = _archives(folder, dict.fromkeys(NAMES, data), gzip.compress(TRANSCRIPT.encode()), codec)
    chosen = PromptOptions(codec=codec, **options)  # type: ignore[arg-type]
    return {clip.name: clip for clip in ENGLISH.make_clips(chosen, archives)}


def test_prompts_have_text_and_speech_and_other_sounds_have_neither(tmp_path: Path) -> None:
    clips = _make(tmp_path)
    speech = [[pytest.approx(0.1, abs=0.021), pytest.approx(0.3, abs=0.021)]]
    assert {name: dict(clip.labels) for name, clip in clips.items()} == {
        "activated": {"text": "Activated.", "speech": speech, "tags": ["prompts"]},
        "agent": {"text": "Two spaces: and a colon.", "speech": speech, "tags": ["prompts"]},
        "beep": {"speech": [], "tags": ["sound"]},
        "letters/dash": {"text": "dash", "speech": speech, "tags": ["letters"]},
        "silence/1": {"speech": [], "tags": ["silence"]},
        "unheard-of": {"tags": ["prompts"]},
    }


def test_gsm_is_decoded(tmp_path: Path) -> None:
    clip = _make(tmp_path, "gsm")["activated"]
    assert clip.sample_rate_hz == 8000
    assert 4000 <= len(clip.samples) <= 4160
    assert np.abs(clip.samples).max() == pytest.approx(0.5, abs=0.1)


def test_g722_is_decoded_and_its_delay_undone(tmp_path: Path) -> None:
    pytest.importorskip("G722", reason="G722 is not installed")
    tone = np.round(9000 * np.sin(2 * np.pi * 3000 * np.arange(8000) / 16_000)).astype(np.int16)
    archives = _archives(tmp_path, {"activated": encode(tone)}, gzip.compress(TRANSCRIPT.encode()), "g722")
    chosen = PromptOptions(codec="g722")  # type: ignore[call-arg]
    clips = {clip.name: clip for clip in ENGLISH.make_clips(chosen, archives)}
    found = clips["activated"]
    assert (found.sample_rate_hz, len(found.samples)) == (16_000, 8000 - 22)
    middle = slice(2000, 6000)
    assert np.corrcoef(found.samples[middle], tone[middle])[0, 1] > 0.99
    (tmp_path / "no").mkdir()
    broken = _archives(tmp_path / "no", {"activated": b""}, gzip.compress(TRANSCRIPT.encode()), "g722")
    with pytest.raises(EvaluationError, match=r"0 bytes of G\.722 are none, or more than is read"):
        list(ENGLISH.make_clips(chosen, broken))


def test_some_are_taken_at_equal_distances(tmp_path: Path) -> None:
    assert list(_make(tmp_path, clips=3)) == ["activated", "beep", "silence/1"]
    assert len(_make(tmp_path, clips=100)) == 6


PROMPTS = [find_dataset(name) for name in dataset_names() if name.startswith("speech-prompts-")]


@pytest.mark.parametrize("named", PROMPTS, ids=lambda named: named.name)
@pytest.mark.parametrize("codec", ["wav", "gsm", "g722"])
def test_the_copies_need_the_transcripts_and_one_package(named: Any, codec: str) -> None:
    found = [archive.package for archive in named.collection.list_archives(PromptOptions(codec=codec))]  # type: ignore[arg-type]
    package = f"asterisk-core-sounds-{named.name.rpartition('-')[2]}"
    assert found == [package, f"{package}-{codec}"]


def test_there_are_five_languages_by_their_files_names() -> None:
    assert [named.name[-2:] for named in PROMPTS] == ["en", "es", "fr", "it", "ru"]
    assert all(named.collection.language == named.name[-2:] for named in PROMPTS)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ("punto", {"text": "punto", "tags": ["prompts"]}),
        ("[!] punto esclamativo", {"text": "punto esclamativo", "tags": ["prompts"]}),
        ("spazio []", {"text": "spazio", "tags": ["prompts"]}),
        ("Пробел [ ]", {"text": "Пробел", "tags": ["prompts"]}),
        ("Spiacente, [quello] non è valido.", {"tags": ["prompts"]}),
        ("Leave a message. (simple tone)", {"tags": ["prompts"]}),
        ("[toni ascendenti]", {"tags": ["sound"]}),
        ("<beep ascending>", {"tags": ["sound"]}),
        ("", {"tags": ["prompts"]}),
    ],
)
def test_a_text_with_a_remark_is_none_and_noisy_recordings_have_no_speech(
    said: str, labels: dict[str, object], tmp_path: Path
) -> None:
    transcript = gzip.compress(f"one: {said}\n".encode())
    archives = _archives(tmp_path, {"one": wav(), "silence/1": wav()}, transcript, of=ITALIAN)
    clips = list(ITALIAN.make_clips(PromptOptions(), archives))
    assert [dict(clip.labels) for clip in clips] == [labels, {"tags": ["silence"]}]


def test_a_recording_without_a_sample_is_no_clip(tmp_path: Path) -> None:
    archives = _archives(tmp_path, {"is": b"", "one": wav()}, gzip.compress(b"one: one"), of=RUSSIAN)
    assert [clip.name for clip in RUSSIAN.make_clips(PromptOptions(), archives)] == ["one"]


@pytest.mark.parametrize("transcript", [b"\x1f\x8bno", gzip.compress(b"x" * 999, mtime=0)[:-9]], ids=["no gzip", "cut"])
def test_a_damaged_transcript_is_one_message(transcript: bytes, tmp_path: Path) -> None:
    archives = _archives(tmp_path, dict.fromkeys(NAMES, wav()), transcript)
    with pytest.raises(EvaluationError, match=r"core-sounds-en\.txt\.gz: cannot be read"):
        list(ENGLISH.make_clips(PromptOptions(), archives))


def test_joined_prompts_are_spoken_ones_with_pauses_between(tmp_path: Path) -> None:
    joined = _make(tmp_path, joined=2)
    again = _make(tmp_path, joined=2)
    ((name, clip),) = joined.items()  # of three with a text, two; the third has no other
    assert (name, clip.labels["text"]) == ("joined/000", "Activated. Two spaces: and a colon.")
    (start, end), (later, last) = clip.labels["speech"]
    assert end - start == pytest.approx(0.2, abs=0.041)
    assert 0.5 + 0.1 - 0.021 <= start <= 1.5 + 0.1 + 0.021
    assert 0.5 <= later - end - 0.2 + 0.041 <= 1.5 + 0.1
    duration_s = len(clip.samples) / clip.sample_rate_hz
    assert last + 0.1 + 0.5 - 0.041 <= duration_s <= last + 0.1 + 1.5 + 0.041
    np.testing.assert_array_equal(clip.samples, again[name].samples)
    assert len(_make(tmp_path, joined=1)) == 6

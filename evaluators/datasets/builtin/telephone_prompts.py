"""Prompts of a telephone exchange: studio speech, one speaker a language, with transcripts.

Where speech is follows from the level, which holds for clean recordings only: loud frames of the English and French
ones lie 79 and 66 dB above their quiet ones (the median of 150 clips; a tenth below 63 and 49 dB). In Spanish, Italian
and Russian it is 43 to 48 dB (34 to 43), too near to the rule's 40: they have no label `speech`.

Source: the Asterisk core sounds, as Debian packages them, one package a language and codec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic

from evaluators.conditions import g722
from evaluators.conditions._pcm import FULL_SCALE
from evaluators.datasets.builtin.collection import (
    Collection,
    CollectionOptions,
    LabelledClip,
    Mono,
    decode_audio,
    read_folder,
    take,
    unpack_gzip,
)
from evaluators.datasets.builtin.joining import join_clips
from evaluators.datasets.builtin.speech_activity import RULE, find_speech
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive, read_members
from packager.bounds import MAX_DURATION_S

_VERSION = "1.6.1-1"
_HEADER: Mapping[str, dict[str, Any]] = {
    "wav": {},
    "gsm": {"format": "RAW", "subtype": "GSM610", "samplerate": 8000, "channels": 1},
}
"""what soundfile must be told, since frames of GSM stand in the file without a header"""

_NO_SPEECH = re.compile(r"\[.*\]|\(.*\)|<.*>")
"""how a transcript describes what is no speech: beeps, tones, silence, a sound of monkeys"""
_SIGN = re.compile(r"^\[[^\w\]]*\]\s*|\s*\[[^\w\]]*\]$")
"""the sign that a spoken one stands for: "dash [-]" """
_REMARK = re.compile(r"[\[\]()<>]")
"""what shows a remark to the speaker, a tone at the end, or a word that may or may not be said"""


CLEAN_LABELS = ("text", "speech", "tags")
"""of a language whose recordings are clean"""
CLEAN_RULES = (
    f"text is the transcript as it stands, where it holds no remark; {RULE}; beeps, tones and silence have none; "
    "pauses between joined prompts are digital silence"
)


@dataclass(frozen=True)
class Package:
    """What a Debian package is known by."""

    sha256: str
    size_bytes: int


class PromptOptions(CollectionOptions):
    """Which copy of the prompts."""

    codec: Literal["wav", "gsm", "g722"] = "wav"
    """wav: 8 kHz, 16 bit · gsm: the same through GSM full rate, decoded · g722: 16 kHz through G.722, decoded"""
    joined: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    """how many prompts make a clip; with more than one, of those that have a text, with pauses between them"""
    pause_s: Annotated[float, pydantic.Field(ge=0, le=10)] = 1.0
    """the mean pause before, between and after joined prompts, each half to one and a half of it"""


class TelephonePrompts(Collection):
    """Words, digits, letters and sentences; beeps and clips of silence have no text, and no speech.

    A file of the catalogue says which language, and what its packages are known by.
    """

    language: ClassVar[str]
    """as the packages' names have it"""
    voice: ClassVar[str]
    """the folder of the recordings"""
    packages: ClassVar[Mapping[str, Package]]
    """`text` and each codec → its package"""
    empty: ClassVar[frozenset[str]] = frozenset()
    """recordings that hold no sample"""

    Options = PromptOptions
    labels: ClassVar[tuple[str, ...]] = ("text", "tags")
    rules = "text is the transcript as it stands, where it holds no remark; beeps, tones and silence have none"

    def list_needs(self, options: PromptOptions) -> Mapping[str, str]:
        """What decodes G.722, where that is asked for."""
        return {"G722": "pip install 'testpress[codecs]'"} if options.codec == "g722" else {}

    def list_archives(self, options: PromptOptions) -> tuple[Archive, ...]:
        """The transcripts, and the copy of the prompts that is asked for."""
        return (self._archive("text"), self._archive(options.codec))

    def make_clips(self, options: PromptOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        texts = read_transcript(archives[self._name("text")], self.language)
        folder = f"usr/share/asterisk/sounds/{self.voice}"
        found = read_folder(archives[self._name(options.codec)], folder, f".{options.codec}")
        sounds = {name: data for name, data in found.items() if name not in self.empty}

        def read(name: str) -> LabelledClip:
            samples, rate_hz = _decode(sounds[name], name, options)
            labels = _label(name, texts, find_speech(samples, rate_hz))
            return LabelledClip(name, samples, rate_hz, {key: labels[key] for key in self.labels if key in labels})

        if options.joined == 1:
            yield from map(read, take(list(sounds), options))
            return
        spoken = [name for name in sounds if _read_text(texts.get(name, "")) is not None]
        count = max(len(spoken) // options.joined, 1)
        for index in take(range(count), options):
            # Far from each other in the list, so that every clip has words, letters and sentences.
            clips = [read(name) for name in spoken[index::count][: options.joined]]
            shares = np.random.default_rng(index).uniform(0.5, 1.5, len(clips) + 1)
            yield join_clips(f"joined/{index:03d}", clips, [options.pause_s * share for share in shares])

    def _name(self, part: str) -> str:
        whole = f"asterisk-core-sounds-{self.language}"
        return whole if part == "text" else f"{whole}-{part}"

    def _archive(self, part: str) -> Archive:
        name, package = self._name(part), self.packages[part]
        return Archive(
            registry="debian",
            package=name,
            version=_VERSION,
            file=f"{name}_{_VERSION}_all.deb",
            sha256=package.sha256,
            size_bytes=package.size_bytes,
        )


def _decode(data: bytes, name: str, options: PromptOptions) -> tuple[Mono, int]:
    if options.codec == "g722":
        if not 0 < len(data) <= MAX_DURATION_S * g722.RATE_HZ // 2:
            raise EvaluationError(f"{name}: {len(data)} bytes of G.722 are none, or more than is read")
        decoded = g722.decode(data)[g722.DELAY_SAMPLES :]
        return decoded.astype(np.float32) / np.float32(FULL_SCALE), g722.RATE_HZ
    return decode_audio(data, name, **_HEADER[options.codec])


def _label(name: str, texts: Mapping[str, str], speech: list[list[float]]) -> dict[str, Any]:
    folder = name.rpartition("/")[0] or "prompts"
    if folder == "silence":
        return {"speech": [], "tags": [folder]}
    if _NO_SPEECH.fullmatch(texts.get(name, "")):
        return {"speech": [], "tags": ["sound"]}
    text = _read_text(texts.get(name, ""))
    if text is None:  # unknown what is said, or whether all of it is: it is of use without labels only
        return {"tags": [folder]}
    return {"text": text, "speech": speech, "tags": [folder]}


def _read_text(said: str) -> str | None:
    text = _SIGN.sub("", said)
    return None if not text or _REMARK.search(text) else text


def read_transcript(path: Path, language: str) -> dict[str, str]:
    """What is said in each prompt, by its name: lines of `name: text`, after a semicolon a comment.

    Raises:
        EvaluationError: The package holds none, or it cannot be read.
    """
    name = f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    data = read_members(path, lambda inner: inner == name).get(name)
    if data is None:
        raise EvaluationError(f"{path}: holds no {name}; it is not the package that is meant")
    lines = unpack_gzip(data, f"{path}: {name}").decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith(";"))
    return {key.strip(): " ".join(text.split()) for key, colon, text in pairs if colon}

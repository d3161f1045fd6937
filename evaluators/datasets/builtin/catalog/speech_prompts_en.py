"""Prompts of a telephone exchange: clean studio speech of one speaker, with transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from evaluators.conditions import g722
from evaluators.datasets.builtin.archives import Archive, read_members
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
from packager.bounds import MAX_DURATION_S

_VERSION = "1.6.1-1"
_TEXT = "asterisk-core-sounds-en"
_SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
_TRANSCRIPT = f"usr/share/doc/{_TEXT}/core-sounds-en.txt.gz"
_SHA256 = {
    "text": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    "wav": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    "gsm": "ddc33205a56aebf54c73a0fb95c3a0d8131087878d74857a4e54bcab2b0d72ae",
    "g722": "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
}
_SIZE_BYTES = {"text": 22844, "wav": 18272864, "gsm": 2417168, "g722": 10565860}
_HEADER: Mapping[str, dict[str, Any]] = {
    "wav": {},
    "gsm": {"format": "RAW", "subtype": "GSM610", "samplerate": 8000, "channels": 1},
}
"""what soundfile must be told, since frames of GSM stand in the file without a header"""

_NO_SPEECH = re.compile(r"\[.*\]|\(.*\)")
"""how the transcript describes what is no speech: beeps, tones, silence, a sound of monkeys"""
_SIGN = re.compile(r"\s*\[.*\]$")
"""the sign that a spoken one stands for: "dash [-]" """


class PromptOptions(CollectionOptions):
    """Which copy of the prompts."""

    codec: Literal["wav", "gsm", "g722"] = "wav"
    """wav: 8 kHz, 16 bit · gsm: the same through GSM full rate, decoded · g722: 16 kHz through G.722, decoded"""
    joined: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    """how many prompts make a clip; with more than one, of those that have a text, with pauses between them"""
    pause_s: Annotated[float, pydantic.Field(ge=0, le=10)] = 1.0
    """the mean pause before, between and after joined prompts, each half to one and a half of it"""


class SpeechPrompts(Collection):
    """Words, digits, letters and sentences; beeps and ten clips of silence have no text and no speech."""

    Options = PromptOptions
    summary = "568 telephone prompts in American English by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    labels = ("text", "speech", "tags")
    rules = (
        f"text is the transcript as it stands; {RULE}; beeps, tones and silence have none; pauses between "
        "joined prompts are digital silence"
    )
    clips = 568
    minutes = 25.5
    licence = "CC-BY-SA-3.0"
    attribution = "Asterisk core sounds, English, recorded by Allison Smith; contributions by Digium, Inc."

    def list_needs(self, options: PromptOptions) -> Mapping[str, str]:
        """What decodes G.722, where that is asked for."""
        return {"G722": "pip install 'testpress[codecs]'"} if options.codec == "g722" else {}

    def list_archives(self, options: PromptOptions) -> tuple[Archive, ...]:
        """The transcripts, and the copy of the prompts that is asked for."""
        return (_archive(_TEXT, "text"), _archive(f"{_TEXT}-{options.codec}", options.codec))

    def make_clips(self, options: PromptOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        texts = read_transcript(archives[_TEXT])
        sounds = read_folder(archives[f"{_TEXT}-{options.codec}"], _SOUNDS, f".{options.codec}")

        def read(name: str) -> LabelledClip:
            samples, rate_hz = _decode(sounds[name], name, options)
            return LabelledClip(name, samples, rate_hz, _label(name, texts, find_speech(samples, rate_hz)))

        if options.joined == 1:
            yield from map(read, take(list(sounds), options))
            return
        spoken = [name for name in sounds if name in texts and not _NO_SPEECH.fullmatch(texts[name])]
        count = max(len(spoken) // options.joined, 1)
        for index in take(range(count), options):
            # Far from each other in the list, so that every clip has words, letters and sentences.
            clips = [read(name) for name in spoken[index::count][: options.joined]]
            shares = np.random.default_rng(index).uniform(0.5, 1.5, len(clips) + 1)
            yield join_clips(f"joined/{index:03d}", clips, [options.pause_s * share for share in shares])


def _decode(data: bytes, name: str, options: PromptOptions) -> tuple[Mono, int]:
    if options.codec == "g722":
        if not 0 < len(data) <= MAX_DURATION_S * g722.RATE_HZ // 2:
            raise EvaluationError(f"{name}: {len(data)} bytes of G.722 are none, or more than is read")
        decoded = g722.decode(data)[g722.DELAY_SAMPLES :]
        return decoded.astype(np.float32) / np.float32(g722.FULL_SCALE), g722.RATE_HZ
    return decode_audio(data, name, **_HEADER[options.codec])


def _archive(package: str, part: str) -> Archive:
    return Archive(
        registry="debian",
        package=package,
        version=_VERSION,
        file=f"{package}_{_VERSION}_all.deb",
        sha256=_SHA256[part],
        size_bytes=_SIZE_BYTES[part],
    )


def _label(name: str, texts: Mapping[str, str], speech: list[list[float]]) -> dict[str, Any]:
    folder = name.rpartition("/")[0] or "prompts"
    text = texts.get(name)
    if text is None:  # unknown: it is of use without labels only
        return {"tags": [folder]}
    if _NO_SPEECH.fullmatch(text):
        return {"speech": [], "tags": ["silence" if folder == "silence" else "sound"]}
    return {"text": _SIGN.sub("", text), "speech": speech, "tags": [folder]}


def read_transcript(path: Path) -> dict[str, str]:
    """What is said in each prompt, by its name: lines of `name: text`, after a semicolon a comment.

    Raises:
        EvaluationError: The package holds none, or it cannot be read.
    """
    data = read_members(path, lambda name: name == _TRANSCRIPT).get(_TRANSCRIPT)
    if data is None:
        raise EvaluationError(f"{path}: holds no {_TRANSCRIPT}; it is not the package that is meant")
    lines = unpack_gzip(data, f"{path}: {_TRANSCRIPT}").decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith(";"))
    return {name.strip(): " ".join(text.split()) for name, colon, text in pairs if colon}


COLLECTION = SpeechPrompts

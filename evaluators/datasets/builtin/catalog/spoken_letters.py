"""Letters and syllables in many languages, each language spoken by one voice."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from evaluators.datasets.builtin.collection import Collection, CollectionOptions, LabelledClip, decode_audio, take
from evaluators.datasets.builtin.joining import join_clips
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive, read_members

_ARCHIVE = Archive(
    registry="debian",
    package="klettres-data",
    version="4:22.12.3-1",
    file="klettres-data_4%3a22.12.3-1_all.deb",
    sha256="1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8",
    size_bytes=39529084,
)
_ROOT = "usr/share/klettres/"
_SOUND = re.compile(r'<sound\s+name="([^"]+)"\s+file="([^"]+)\.ogg"')
"""of `sounds.xml`; a reader of XML would be asked for more than this of a stranger's file"""
_FOLDERS = {"letters": ("alpha",), "syllables": ("syllab",), "both": ("alpha", "syllab")}
_MOST_XML_BYTES = 2**20


class LetterOptions(CollectionOptions):
    """Which of the sounds."""

    kind: Literal["letters", "syllables", "both"] = "letters"
    """what is spoken"""
    languages: tuple[str, ...] = ()
    """of these languages, for example ["en", "en_GB", "de"]; default: all"""
    seconds: Annotated[float, pydantic.Field(gt=0, le=60)] | None = None
    """join sounds of one voice, in order, until a clip has that length; what is left over of a voice is left out;
    default: each sound is a clip"""
    per_voice: Annotated[int, pydantic.Field(ge=1, le=1000)] | None = None
    """the most clips of one voice, taken at equal distances; default: all"""


class SpokenLetters(Collection):
    """The alphabet's letters, and on demand syllables."""

    Options = LetterOptions
    summary = "letters, and on demand syllables, in 20 languages, each spoken by one voice, mostly 44.1 kHz"
    labels = ("text", "identity", "labels", "tags")
    rules = "text and tags are the letters as the language writes them, identity the language, which is one voice"
    clips = 587
    minutes = 16.7
    licence = "GPL-2.0-or-later"
    attribution = "KLettres, by Anne-Marie Mahfouf and the KDE education project's contributors"
    archives = (_ARCHIVE,)

    def make_clips(self, options: LetterOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        path = archives[_ARCHIVE.package]
        found = read_members(path, lambda name: name.startswith(_ROOT) and name.endswith((".ogg", "/sounds.xml")))
        texts = _read_names(found)
        names = [name for name in sorted(texts) if f"{_ROOT}{name}.ogg" in found and _is_asked_for(name, options)]
        if not names:
            known = ", ".join(sorted({name.partition("/")[0] for name in texts}))
            raise EvaluationError(f"languages: no clip is of these languages; known: {known}")

        def read(name: str) -> LabelledClip:
            samples, rate_hz = decode_audio(found[f"{_ROOT}{name}.ogg"], name)
            return LabelledClip(name, samples, rate_hz, _label(name, texts[name]))

        groups = _join_by_length(map(read, names), options.seconds) if options.seconds else [[name] for name in names]
        if not groups:
            raise EvaluationError(f"seconds: no voice speaks for {options.seconds:g} s in all; right is less")
        for group in take(_limit(groups, options.per_voice), options):
            yield read(group[0]) if options.seconds is None else join_clips(group[0], [read(name) for name in group])


def _label(name: str, text: str) -> dict[str, Any]:
    return {"text": text, "identity": _find_voice(name), "labels": [text], "tags": [text]}


def _find_voice(name: str) -> str:
    return name.partition("/")[0]


def _join_by_length(clips: Iterable[LabelledClip], seconds: float) -> list[list[str]]:
    """Names of neighbours of one voice and rate, as many as make that length; their samples are let go."""
    groups: list[list[str]] = []
    group: list[str] = []
    before, length_s = None, 0.0
    for clip in clips:
        kind = (_find_voice(clip.name), clip.sample_rate_hz)
        if kind != before:
            before, group, length_s = kind, [], 0.0
        group.append(clip.name)
        length_s += len(clip.samples) / clip.sample_rate_hz
        if length_s >= seconds:
            groups.append(group)
            group, length_s = [], 0.0
    return groups


def _limit(groups: Sequence[list[str]], per_voice: int | None) -> list[list[str]]:
    """At most that many of each voice."""
    by_voice = itertools.groupby(groups, lambda group: _find_voice(group[0]))
    return [group for _, of_voice in by_voice for group in take(list(of_voice), CollectionOptions(clips=per_voice))]


def _read_names(found: Mapping[str, bytes]) -> dict[str, str]:
    """What is spoken in each file, by its path without the suffix; a file that two languages share is told of once."""
    names: dict[str, str] = {}
    for path in sorted(found):
        if path.endswith("/sounds.xml"):
            text = found[path][:_MOST_XML_BYTES].decode("utf-8", "replace")
            for spoken, file in _SOUND.findall(text):
                names.setdefault(file, html.unescape(spoken))
    return names


def _is_asked_for(name: str, options: LetterOptions) -> bool:
    language, _, rest = name.partition("/")
    return rest.partition("/")[0] in _FOLDERS[options.kind] and (not options.languages or language in options.languages)


COLLECTION = SpokenLetters

"""Letters and syllables in many languages, each language spoken by one voice."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from evaluators.datasets.builtin.archives import Archive, read_members
from evaluators.datasets.builtin.collection import Collection, CollectionOptions, LabelledClip, decode_audio, take
from evaluators.errors import EvaluationError

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


class SpokenLetters(Collection):
    """The alphabet's letters, and on demand syllables."""

    Options = LetterOptions
    summary = "letters, and on demand syllables, in 20 languages, each spoken by one voice, mostly 44.1 kHz"
    labels = ("text", "identity", "labels", "tags")
    rules = "text and tags are the letter as the language writes it, identity the language, which is one voice"
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
        for name in take(names, options):
            samples, rate_hz = decode_audio(found[f"{_ROOT}{name}.ogg"], name)
            labels: dict[str, Any] = {
                "text": texts[name],
                "identity": name.partition("/")[0],
                "labels": [texts[name]],
                "tags": [texts[name]],
            }
            yield LabelledClip(name, samples, rate_hz, labels)


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

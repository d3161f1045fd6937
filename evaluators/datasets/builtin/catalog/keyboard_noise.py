"""Strokes on a mechanical keyboard: noise, and clips without speech."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluators.datasets.builtin.collection import (
    Collection,
    CollectionOptions,
    LabelledClip,
    decode_audio,
    read_folder,
    take,
)
from evaluators.registries.archives import Archive

_ARCHIVE = Archive(
    registry="debian",
    package="bucklespring-data",
    version="1.4.0-2",
    file="bucklespring-data_1.4.0-2_all.deb",
    sha256="2add9f5583b3afc9c0b528066f4578baff930b74d4a94c8a25d103ef79a444e5",
    size_bytes=2627210,
)
_FOLDER = "usr/share/buckle/wav"
_KINDS = {"0": "release", "1": "press"}
"""what stands behind the dash of a file's name"""


class KeyboardNoise(Collection):
    """One clip a key and direction."""

    summary = "strokes on a mechanical keyboard, each key pressed and released, 44.1 kHz"
    labels = ("speech", "labels", "tags")
    rules = "tags are keyboard, and press or release; nobody speaks"
    clips = 171
    minutes = 0.9
    licence = "GPL-2.0-or-later"
    attribution = "bucklespring, recorded by Ico Doornekamp"
    archives = (_ARCHIVE,)

    def make_clips(self, options: CollectionOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        sounds = read_folder(archives[_ARCHIVE.package], _FOLDER, ".wav")
        for name in take(list(sounds), options):
            samples, rate_hz = decode_audio(sounds[name], name)
            kind = _KINDS.get(name.rpartition("-")[2])
            tags = ["keyboard", *([kind] if kind else [])]
            yield LabelledClip(name, samples, rate_hz, {"speech": [], "labels": tags, "tags": tags})


COLLECTION = KeyboardNoise

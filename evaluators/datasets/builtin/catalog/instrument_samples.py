"""Samples of instruments, percussion, loops and ambience, in classes."""

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
    package="sonic-pi-samples",
    version="3.2.2~repack-8",
    file="sonic-pi-samples_3.2.2~repack-8_all.deb",
    sha256="25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
    size_bytes=21882696,
)
_FOLDER = "usr/share/sonic-pi/samples"
_CLASSES = {
    "ambi": "ambience",
    "bass": "bass",
    "bd": "bass_drum",
    "drum": "drum",
    "elec": "electronic",
    "glitch": "glitch",
    "guit": "guitar",
    "loop": "loop",
    "mehackit": "effect",
    "misc": "effect",
    "perc": "percussion",
    "sn": "snare",
    "tabla": "tabla",
    "vinyl": "vinyl",
}
"""what the part of a file's name before the first underscore stands for"""


class InstrumentSamples(Collection):
    """Short one-shot samples and loops."""

    summary = "samples of drums, tabla, guitar, bass, electronics, loops and ambience, 44.1 kHz"
    labels = ("labels", "tags")
    rules = "the class is the one that the sample's name begins with"
    clips = 165
    minutes = 5.4
    licence = "CC0-1.0 AND CC-BY-SA-4.0 AND MIT AND Zlib"
    attribution = "Sonic Pi samples; the author of each is named in ATTRIBUTION.txt"
    archives = (_ARCHIVE,)

    def make_clips(self, options: CollectionOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        sounds = read_folder(archives[_ARCHIVE.package], _FOLDER, ".flac")
        for name in take(list(sounds), options):
            samples, rate_hz = decode_audio(sounds[name], name)
            kind = _CLASSES.get(name.partition("_")[0])
            yield LabelledClip(name, samples, rate_hz, {"labels": [kind], "tags": [kind]} if kind else {})


COLLECTION = InstrumentSamples

"""Music that callers of a telephone exchange wait with: recordings, for noise and for models that need no labels."""

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
    package="asterisk-moh-opsound-wav",
    version="2.03-1.1",
    file="asterisk-moh-opsound-wav_2.03-1.1_all.deb",
    sha256="8f9d808a729d305c2d3343993f21ca5e6829e411682618dc8ea7aa8bc24a566c",
    size_bytes=13969212,
)
_FOLDER = "usr/share/asterisk/moh"
_PIECE_S = 10


class HoldMusic(Collection):
    """Whole pieces of ten seconds of each recording; what is left at its end is no clip."""

    summary = "five recordings of rock, electronic and guitar music, in pieces of ten seconds, 8 kHz"
    labels = ("tags",)
    rules = "the tag is the recording's name"
    clips = 108
    minutes = 18.0
    licence = "CC-BY-SA-3.0"
    attribution = "Asterisk music on hold by Paul Shuler (Macroform), Manolo Camp and Reno Project"
    archives = (_ARCHIVE,)

    def make_clips(self, options: CollectionOptions, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """See `Collection.make_clips`."""
        pieces = {}
        for name, data in read_folder(archives[_ARCHIVE.package], _FOLDER, ".wav").items():
            samples, rate_hz = decode_audio(data, name)
            length = _PIECE_S * rate_hz
            for number in range(len(samples) // length):
                piece = samples[number * length : (number + 1) * length]
                pieces[f"{name}/{number:02}"] = LabelledClip(f"{name}/{number:02}", piece, rate_hz, {"tags": [name]})
        for chosen in take(list(pieces), options):
            yield pieces[chosen]


COLLECTION = HoldMusic

"""What a dataset of the catalogue is: packages, a licence, options, and how clips with labels are made of it."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive, read_members
from packager.bounds import MAX_DURATION_S, MAX_SAMPLE_RATE_HZ

Mono = npt.NDArray[np.float32]
"""`(samples,)`"""

_Named = TypeVar("_Named")

MOST_TEXT_BYTES = 4 * 2**20
"""of a transcript or a licence"""
_GZIP = b"\x1f\x8b"

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "text": "what is said, as it is written down",
        "speech": "[[start_s, end_s], …] of what is spoken; none in a clip without speech",
        "notes": "[[onset_s, offset_s, midi], …]",
        "pitch": "[[time_s, hz], …]; 0 Hz where nothing sounds",
        "beats": "[time_s, …]",
        "identity": "who or what is heard, one word a clip",
        "labels": "[class, …]",
        "tags": "[word, …]; what kinds of clips there are",
    }
)
"""the keys of a manifest's line, and what stands under each"""


class CollectionOptions(Record):
    """What every dataset can be set to."""

    clips: Annotated[int, pydantic.Field(ge=1, le=100_000)] | None = None
    """how many, taken at equal distances from all there are; default: all"""


@dataclass(frozen=True)
class LabelledClip:
    """A clip and its labels.

    Attributes:
        name: Its path in the dataset without a suffix, of small words.
        samples: Float32 `(samples,)`, within -1 and 1.
        sample_rate_hz: Their rate.
        labels: By the keys of `LABELS`; a clip that has no label of a kind lacks the key.
    """

    name: str
    samples: Mono
    sample_rate_hz: int
    labels: Mapping[str, Any] = field(default_factory=dict)


class Collection:
    """A dataset; each file of `catalog` overrides what is its own."""

    Options: ClassVar[type[CollectionOptions]] = CollectionOptions
    """what a recipe may set in [task.dataset_options]"""
    summary: ClassVar[str]
    """one line"""
    labels: ClassVar[tuple[str, ...]]
    """of `LABELS`"""
    rules: ClassVar[str] = ""
    """how labels were come by, where that is more than reading them"""
    clips: ClassVar[int]
    """how many there are, with the options as they are"""
    minutes: ClassVar[float]
    licence: ClassVar[str]
    """as SPDX writes it"""
    attribution: ClassVar[str]
    """who made it, and what the licence asks to be said, in one line"""
    notices: ClassVar[tuple[str, ...]] = ()
    """files of the packages that go into `ATTRIBUTION.txt`, besides each Debian package's own copyright file"""
    archives: ClassVar[tuple[Archive, ...]] = ()
    """the packages that it is made of, where options do not choose them"""
    needs: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """as `list_needs` gives them, where options do not choose them"""

    def list_needs(self, options: Any) -> Mapping[str, str]:  # noqa: ARG002  some choose by their options
        """Python packages that must be installed beside testpress → what installs them."""
        return self.needs

    def list_archives(self, options: Any) -> tuple[Archive, ...]:  # noqa: ARG002  some choose by their options
        """The packages that it is made of."""
        return self.archives

    def make_clips(self, options: Any, archives: Mapping[str, Path]) -> Iterator[LabelledClip]:
        """Make the clips, in an order that is always the same. Inside a worker.

        Args:
            options: An instance of `Options`.
            archives: Package → its file.

        Raises:
            EvaluationError: An archive does not hold what it should.
        """
        raise NotImplementedError


def take(names: Sequence[_Named], options: CollectionOptions) -> list[_Named]:
    """As many of the names, or whatever stands for clips, as the options ask for.

    They are taken at equal distances, so that every part has its share.
    """
    count = len(names) if options.clips is None else min(options.clips, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def read_folder(path: Path, folder: str, suffix: str) -> dict[str, bytes]:
    """The files below a folder of an archive, by their paths from there without the suffix, sorted.

    Raises:
        EvaluationError: There is none, or the archive cannot be read.
    """
    found = read_members(path, lambda name: name.startswith(f"{folder}/") and name.endswith(suffix))
    if not found:
        raise EvaluationError(f"{path}: holds no {suffix} file in {folder}; it is not the package that is meant")
    return {name[len(folder) + 1 : -len(suffix)]: data for name, data in sorted(found.items())}


def read_notices(path: Path, archive: Archive, more: Sequence[str]) -> dict[str, str]:
    """What a package says of who made it: its Debian copyright file, where it has one, and further files; by path.

    Raises:
        EvaluationError: The archive cannot be read.
    """
    names = {f"usr/share/doc/{archive.package}/copyright", *more}
    found = read_members(path, lambda inner: inner in names)
    return {name: _read_words(data, f"{path}: {name}") for name, data in sorted(found.items())}


def _read_words(data: bytes, where: str) -> str:
    return (unpack_gzip(data, where) if data.startswith(_GZIP) else data[:MOST_TEXT_BYTES]).decode("utf-8", "replace")


def unpack_gzip(data: bytes, where: str) -> bytes:
    """What a gzip file holds, up to `MOST_TEXT_BYTES`.

    Raises:
        EvaluationError: It is damaged.
    """
    try:
        with gzip.open(io.BytesIO(data)) as file:
            return file.read(MOST_TEXT_BYTES)
    except (OSError, EOFError, zlib.error) as fault:
        raise EvaluationError(f"{where}: cannot be read: {fault}") from None


def decode_audio(data: bytes, where: str, **raw: Any) -> tuple[Mono, int]:
    """Samples of an audio file, its channels averaged, and their rate.

    Args:
        data: The file.
        where: How messages name it.
        raw: What soundfile must be told of a file without a header.

    Raises:
        EvaluationError: It is no audio, empty or too long.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data), **raw) as file:
            rate_hz = file.samplerate
            if not 0 < rate_hz <= MAX_SAMPLE_RATE_HZ or file.frames > MAX_DURATION_S * rate_hz:
                raise EvaluationError(f"{where}: {file.frames} samples at {rate_hz} Hz are more than is read")
            samples = file.read(file.frames, dtype="float32", always_2d=True).mean(axis=1, dtype=np.float32)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as fault:
        raise EvaluationError(f"{where}: cannot be read as audio: {fault}") from None
    if not len(samples):
        raise EvaluationError(f"{where}: holds no sample")
    return np.clip(samples, -1.0, 1.0), rate_hz

"""Recordings that conditions play beside the clips: datasets of the catalogue, and folders beside the recipe.

They are made or found once, before anything is played, and known to what is made of them by their content.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_profiles.files import find_kind, read_bytes
from device_profiles.record import Record
from evaluators.condition import Recordings
from evaluators.datasets.builtin.collection import decode_audio
from evaluators.datasets.builtin.making import PREFIX, OnStage, find_dataset, make_dataset
from evaluators.errors import EvaluationError
from evaluators.windows import Samples
from packager.errors import PackagingError
from packager.jobs.inputs import Input
from packager.jobs.workers import Limits
from packager.storage import digest_listed, list_files

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_KEPT = 64
"""recordings of which a worker keeps the samples"""


class RecordingFiles(Record):
    """Where a worker finds some recordings."""

    folder: str
    names: tuple[str, ...]
    """of the audio files below it, sorted"""


@dataclass(frozen=True)
class FoundRecordings:
    """Recordings that are there.

    Attributes:
        files: Where.
        sha256: Of their names and contents.
    """

    files: RecordingFiles
    sha256: str

    @property
    def input(self) -> Input:
        """What a job that plays them reads."""
        return Input(Path(self.files.folder), self.files.names)


def check_recordings(names: Sequence[str], base: Path) -> None:
    """See that recordings are there or can be made, without making them.

    Raises:
        EvaluationError: One line a fault: there is no such dataset or folder, or no audio file is in it.
    """
    faults = []
    for name in names:
        try:
            _ = find_dataset(name) if name.startswith(PREFIX) else _find_files(name, base / name)
        except EvaluationError as fault:
            faults += str(fault).split("\n")
    if faults:
        raise EvaluationError("\n".join(faults))


def find_recordings(
    names: Sequence[str],
    base: Path,
    *,
    log: Path,
    limits: Limits,
    on_stage: OnStage = lambda *_: None,
) -> dict[str, FoundRecordings]:
    """Recordings by their names; datasets are fetched and made first where they are not there.

    Args:
        names: As `Condition.list_recordings` gives them.
        base: What relative paths start from: the recipe's folder.
        log: Where the output of a worker goes that makes a dataset.
        limits: What it may use.
        on_stage: Told how far that is.

    Raises:
        EvaluationError: There is no such dataset or folder, it cannot be fetched, or no audio file is in it.
    """
    found = {}
    for name in names:
        folder = base / name
        if name.startswith(PREFIX):
            try:
                folder = make_dataset(find_dataset(name), log=log, limits=limits, on_stage=on_stage)
            except EvaluationError as fault:
                raise EvaluationError(f"a condition plays recordings of {name}: {fault}") from None
        files = _find_files(name, folder.absolute())
        found[name] = FoundRecordings(files, digest_listed(Input(Path(files.folder), files.names).digest()))
    return found


def _find_files(name: str, folder: Path) -> RecordingFiles:
    kind = find_kind(folder)
    if kind != "folder":
        words = "there is no such folder" if kind == "missing" else "is no folder"
        raise EvaluationError(
            f"recordings {name!r}: {folder}: {words}; right is a folder of audio files, or {PREFIX}NAME, as testpress "
            "datasets lists them"
        )
    try:
        paths = [path for path in list_files(folder) if path.suffix.lower() in SUFFIXES]
    except PackagingError as fault:
        raise EvaluationError(f"recordings {name!r}: {fault}") from None
    if not paths:
        raise EvaluationError(f"recordings {name!r}: {folder}: holds no audio file; right are {', '.join(SUFFIXES)}")
    return RecordingFiles(
        folder=str(folder), names=tuple(sorted(path.relative_to(folder).as_posix() for path in paths))
    )


def open_recordings(found: Mapping[str, RecordingFiles], sample_rate_hz: int) -> Recordings:
    """Inside a worker: what reads each recording, at a clip's rate.

    Args:
        found: By name.
        sample_rate_hz: Of the clips.

    Returns:
        Callables that raise an `EvaluationError` where a file is no audio.
    """

    @functools.lru_cache(maxsize=_KEPT)
    def read(path: str) -> Samples:
        return _read(Path(path), sample_rate_hz)

    def make_reader(path: Path) -> Callable[[], Samples]:
        return lambda: read(str(path))

    return {
        name: tuple(make_reader(Path(files.folder) / file) for file in files.names) for name, files in found.items()
    }


def _read(path: Path, sample_rate_hz: int) -> Samples:
    import numpy as np
    import soxr

    samples, rate_hz = decode_audio(read_bytes(path, error=EvaluationError), str(path))
    if not np.isfinite(samples).all():
        raise EvaluationError(f"{path}: holds a value that is not finite")
    if rate_hz != sample_rate_hz:
        samples = soxr.resample(samples, rate_hz, sample_rate_hz, quality="VHQ")
    if not len(samples):
        raise EvaluationError(f"{path}: is shorter than one sample at {sample_rate_hz} Hz")
    return np.ascontiguousarray(samples[None], np.float32)

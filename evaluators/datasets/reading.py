"""Labelled audio, read and checked: every clip that a manifest, a table or a folder names, see `listing.py`.

    {"audio": "audio/piano.wav", "notes": [[onset_s, offset_s, midi], …], "tags": ["quiet"]}

is a manifest's line. `audio` and `tags` (optional) mean the same for every task; the other keys are the task's labels.
Everything is checked before anything is run, and all faults are listed at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from device_profiles.files import find_kind, open_file
from device_profiles.pointers import describe_pointer, read_head
from device_profiles.record import suggest
from evaluators.datasets.listing import Entry, Listing, check_listing, complete_line, list_clips
from evaluators.datasets.paths import locate_file
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipInfo, DatasetInfo
from evaluators.picture_records import store_pictures
from evaluators.task import ClipContext, Task
from evaluators.windows import Samples
from packager.bounds import MAX_DURATION_S, MAX_SAMPLE_RATE_HZ
from packager.bundle import AudioContract
from packager.storage import digest_file

MAX_FAULTS = 20


@dataclass(frozen=True)
class Clip:
    """One labelled recording."""

    id: str
    """the audio path from the dataset's root, without its suffix"""
    path: Path
    duration_s: float
    """of the file, before resampling"""
    labels: Any
    """the task's own type"""
    label_files: Mapping[str, Path] = field(default_factory=dict)
    """by the task's `label_files`, in their order"""
    tags: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """what a reader should know, for example "resampled from 44100 Hz to 22050 Hz" """
    line: Mapping[str, Any] = field(default_factory=dict)
    """as a manifest has it, checked, files named from the dataset's root"""

    def read(self, audio: AudioContract) -> Samples:
        """Read the clip as the model expects it: float32 `(channels, samples)` at the contract's rate.

        Raises:
            EvaluationError: The file cannot be used, see `load_dataset`.
        """
        faults, samples, _ = _read_audio(self.path, audio, f"clip {self.id}: ")
        if samples is None:
            raise EvaluationError("\n".join(faults))
        return samples


@dataclass(frozen=True)
class Recording:
    """Audio read from a file, as a model expects it."""

    samples: Samples
    """float32 `(channels, samples)` at the contract's rate"""
    duration_s: float
    """of the file, before resampling"""
    notices: tuple[str, ...]
    """what was done to it: mixed down, resampled from one rate to another; or that it is silent"""


def read_audio(path: Path, audio: AudioContract) -> Recording:
    """Read an audio file that belongs to no dataset.

    Args:
        path: The file.
        audio: What the model expects. Another rate is resampled, and several channels become one where one is expected,
            each with a notice; another channel count is a fault.

    Raises:
        EvaluationError: The file is missing, not audio, empty, not finite, too long or of the wrong number of channels.
    """
    kind = find_kind(path)
    if kind != "file":
        words = {"folder": "is a folder, not an audio file", "missing": "no such file", "other": "is no audio file"}
        raise EvaluationError(f"{path}: {words[kind]}")
    faults, samples, facts = _read_audio(path, audio, "")
    if samples is None:
        raise EvaluationError("\n".join(faults))
    return Recording(samples, facts.duration_s, facts.notices)


@dataclass(frozen=True)
class Dataset:
    """Clips to evaluate on, checked."""

    name: str
    """the manifest's file name without its suffix, or the folder's"""
    sha256: str
    """over the manifest, the audio files and the label files, in the manifest's order"""
    clips: tuple[Clip, ...]
    notices: tuple[str, ...] = ()
    """what a reader should know of what lists the clips, for example keys that nobody reads"""

    def describe(self, task: Task) -> DatasetInfo:
        """What `evaluation.json` holds of the dataset."""
        clips = (
            ClipInfo(
                clip=clip.id,
                duration_s=clip.duration_s,
                reference=store_pictures(task.draw(clip.labels)),
                group=task.group(clip.labels),
                notices=(*clip.notices, *task.remark(clip.labels)),
            )
            for clip in self.clips
        )
        return DatasetInfo(name=self.name, sha256=self.sha256, clips=tuple(clips), notices=self.notices)


def load_dataset(
    path: Path,
    *,
    audio: AudioContract,
    task: Task,
    audio_root: Path | None = None,
    on_samples: Callable[[Samples], None] = lambda _: None,
    digests: Mapping[str, str] | None = None,
) -> Dataset:
    """Read and check a dataset: what lists its clips, every audio file, every label.

    Args:
        path: A manifest, a table or a folder, see `list_clips`.
        audio: What the model expects, see `read_audio`.
        task: Whose labels it holds.
        audio_root: The folder that its files lie in; None: the manifest's own.
        on_samples: Called with each clip's samples, in the dataset's order, so that nobody need decode them again.
        digests: SHA-256 of the audio and label files by their names from the root, where they are known already.

    Raises:
        EvaluationError: One line a fault, with file and line number, at most `MAX_FAULTS`: what `list_clips` refuses;
            there is no clip, or none that sounds; keys are missing; a clip is there twice; audio is missing, outside
            the root, not audio, empty, not finite, too long or of the wrong number of channels; labels are not what
            the task expects.
    """
    listing = list_clips(path, audio_root)
    notices = (*listing.notices, *check_listing(listing, task))
    digest = hashlib.sha256(listing.text)
    faults: list[str] = []
    clips: dict[str, Clip] = {}
    is_silent = True
    for entry in listing.entries:
        found, clip, samples = _read_entry(entry, listing, audio, task)
        if clip is not None and clip.id in clips:
            found.append(
                f"{entry.where}: clip '{clip.id}' is there twice; each clip needs a path of its own, suffix aside"
            )
        faults += found
        if clip is not None and samples is not None and not found:
            clips[clip.id] = clip
            is_silent = is_silent and not samples.any()
            for name in (clip.line["audio"], *(clip.line[key] for key in clip.label_files)):
                digest.update(bytes.fromhex((digests or {}).get(name) or digest_clip_file(listing.root / name)))
            on_samples(samples)
    if faults:
        raise EvaluationError(_list(faults))
    if not clips:
        raise EvaluationError(f"{path}: holds no clip; {_right_form(listing)} is expected")
    if is_silent:
        raise EvaluationError(f"{path}: every clip is silent, each sample 0, so that there is nothing to measure")
    return Dataset(listing.name, digest.hexdigest(), tuple(clips.values()), notices)


def _right_form(listing: Listing) -> str:
    return "one JSON object a line" if listing.table is None else "a row a clip below the header"


def _read_entry(
    entry: Entry, listing: Listing, audio: AudioContract, task: Task
) -> tuple[list[str], Clip | None, Samples | None]:
    """An entry's faults, and its clip with its samples where there is none but a label's."""
    where, faults = entry.where, [*entry.faults]
    if not faults and listing.table is None and not listing.is_folder:
        faults += _key_faults(entry.line, task, where)
    if faults:
        return faults, None, None
    name, faults = locate_file(entry.line["audio"], listing.root, where)
    names: dict[str, str] = {}
    for key in task.label_files:
        file, more = locate_file(entry.line[key], listing.root, where, key=key)
        names |= {} if file is None else {key: file}
        faults += more
    if name is None or faults:
        return faults, None, None
    path, files = listing.root / name, {key: listing.root / file for key, file in names.items()}
    faults, samples, facts = _read_audio(path, audio, f"{where}: ")
    if samples is None:
        return faults, None, None
    labels, line, clip = None, dict(entry.line), ClipContext(facts.duration_s, where, files)
    try:
        line = complete_line(entry, listing, task, clip)
        labels = task.parse_labels(line, clip)
    except EvaluationError as fault:
        faults += str(fault).split("\n")
    clip_read = Clip(
        id=str(PurePosixPath(name).with_suffix("")),
        path=path,
        duration_s=facts.duration_s,
        labels=labels,
        label_files=files,
        tags=tuple(line.get("tags", ())),
        notices=facts.notices,
        line={**line, "audio": name, **names},
    )
    return faults, clip_read, samples


def digest_clip_file(path: Path) -> str:
    """SHA-256 of an audio or label file."""
    with open_file(path, error=EvaluationError) as file:
        return digest_file(file).sha256


def _key_faults(line: Mapping[str, Any], task: Task, where: str) -> list[str]:
    required = ("audio", *task.label_keys)
    faults = []
    for key in required:
        if key not in line:
            near = next((name for name in line if name not in required and f"'{key}'" in suggest(name, required)), None)
            hint = "" if near is None else f"; it has {near!r}; did you mean {key!r}?"
            faults.append(f"{where}: key '{key}' is missing; {task.kind} needs {', '.join(required)}{hint}")
    tags = line.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        faults.append(f"{where}: tags must be a list of words, found {tags!r}")
    return faults


@dataclass(frozen=True)
class _Facts:
    duration_s: float = 0.0
    notices: tuple[str, ...] = ()


def _read_audio(path: Path, audio: AudioContract, where: str) -> tuple[list[str], Samples | None, _Facts]:
    """Faults, each with `where` before it, or the samples as the contract wants them and what was done for that."""
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, n_samples = file.samplerate, file.frames
            fault = _shape_fault(n_samples, rate_hz, file.channels, audio)
            if fault:
                return [f"{where}{path}: {fault}"], None, _Facts()
            duration_s = n_samples / rate_hz
            samples: Samples = file.read(n_samples, dtype="float32", always_2d=True).T
        if samples.shape[1] == 0:
            return [f"{where}{path}: empty: it holds no sample, though its header tells of {n_samples}"], None, _Facts()
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:  # TypeError: no header, as of .raw
        pointer = describe_pointer(read_head(path))
        reason = pointer or f"cannot be read as audio: {error}; WAV, FLAC, OGG and MP3 are understood"
        return [f"{where}{path}: {reason}"], None, _Facts()
    fault = _content_fault(samples)
    if fault:
        return [f"{where}{path}: {fault}"], None, _Facts()
    notices: tuple[str, ...] = () if samples.any() else ("silent: every sample is 0",)
    if len(samples) != audio.channels:
        notices += (f"mixed down from {len(samples)} channels to 1",)
        samples = samples.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
    if rate_hz != audio.sample_rate_hz:
        notices += (f"resampled from {rate_hz} Hz to {audio.sample_rate_hz} Hz",)
        samples = soxr.resample(samples.T, rate_hz, audio.sample_rate_hz, quality="HQ").T
    return [], np.ascontiguousarray(samples, np.float32), _Facts(duration_s, notices)


def _shape_fault(n_samples: int, rate_hz: int, channels: int, audio: AudioContract) -> str | None:
    if not 0 < rate_hz <= MAX_SAMPLE_RATE_HZ:
        return f"its rate is {rate_hz} Hz; right is 1 to {MAX_SAMPLE_RATE_HZ} Hz"
    if n_samples <= 0:
        return "empty: it holds no sample"
    if n_samples > MAX_DURATION_S * rate_hz:
        duration_s = n_samples // rate_hz
        return f"{duration_s} s long; at most {MAX_DURATION_S} s are read at once, cut it into shorter clips"
    if channels not in (audio.channels, 0) and audio.channels != 1:
        return f"has {channels} channels where the model expects {audio.channels}; several are mixed down to one alone"
    return None


def _content_fault(samples: Samples) -> str | None:
    finite = np.isfinite(samples)
    if not finite.all():
        return f"holds a value that is not finite, first at sample {int(np.argmin(finite.all(axis=0)))}"
    return None


def _list(faults: list[str]) -> str:
    rest = len(faults) - MAX_FAULTS
    return "\n".join(faults[:MAX_FAULTS] + ([f"and {rest} more"] if rest > 0 else []))

"""Labelled audio: a JSONL manifest, one line a clip, and the audio files beside it.

    {"audio": "audio/piano.wav", "notes": [[onset_s, offset_s, midi], …], "tags": ["quiet"]}

`audio` and `tags` (optional) mean the same for every task; the other keys are the task's labels. Everything is checked
before anything is run, and all faults are listed at once.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from device_profiles.files import find_kind, is_file, open_file, read_bytes
from device_profiles.pointers import describe_pointer, read_head
from device_profiles.record import parse_json, suggest
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipInfo, DatasetInfo
from evaluators.picture_records import store_pictures
from evaluators.task import ClipContext, Task
from evaluators.windows import Samples
from packager.bounds import MAX_DURATION_S, MAX_SAMPLE_RATE_HZ
from packager.bundle import AudioContract
from packager.storage import digest_file

MAX_FAULTS = 20
_OTHER_ENCODINGS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MOST_MANIFEST_BYTES = 256 * 2**20
"""of a JSONL manifest: the labels of a thousand hours"""


@dataclass(frozen=True)
class Clip:
    """One labelled recording."""

    id: str
    """the audio path as the manifest writes it, without its suffix"""
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
    """of the manifest, checked"""

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
    """what was done to it: resampled from one rate to another"""


def read_audio(path: Path, audio: AudioContract) -> Recording:
    """Read an audio file that belongs to no dataset.

    Args:
        path: The file.
        audio: What the model expects. Another rate is resampled, with a notice; another channel count is a fault.

    Raises:
        EvaluationError: The file is missing, not audio, empty, silent, not finite, too long or of the wrong number of
            channels.
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
    """the manifest's file name without its suffix"""
    sha256: str
    """over the manifest, the audio files and the label files, in the manifest's order"""
    clips: tuple[Clip, ...]

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
        return DatasetInfo(name=self.name, sha256=self.sha256, clips=tuple(clips))


def load_dataset(
    manifest: Path,
    *,
    audio: AudioContract,
    task: Task,
    on_samples: Callable[[Samples], None] = lambda _: None,
    digests: Mapping[str, str] | None = None,
) -> Dataset:
    """Read and check a dataset: its manifest, every audio file, every label.

    Args:
        manifest: The JSONL file. Audio paths are relative to its folder and lie within it.
        audio: What the model expects. Other rates are resampled, with a notice; other channel counts are a fault.
        task: Whose labels the lines hold.
        on_samples: Called with each clip's samples, in the manifest's order, so that nobody need decode them again.
        digests: SHA-256 of the audio and label files by the manifest's names, where they are known already.

    Raises:
        EvaluationError: One line a fault, with file and line number, at most `MAX_FAULTS`: the manifest is missing,
            holds no clip, or a line that is not a JSON object; keys are missing or unknown; a clip is there twice;
            audio is missing, outside the folder, not audio, empty, silent, not finite, too long or of the wrong number
            of channels; labels are not what the task expects.
    """
    text = _read_manifest(manifest)
    digest = hashlib.sha256(text)
    faults: list[str] = []
    clips: dict[str, Clip] = {}
    for number, raw in enumerate(text.split(b"\n"), start=1):
        if not raw.strip():
            continue
        where = f"{manifest}:{number}"
        found, clip, samples = _read_line(raw, where=where, folder=manifest.parent, audio=audio, task=task)
        if clip is not None and clip.id in clips:
            found.append(f"{where}: clip '{clip.id}' is there twice; each clip needs a path of its own, suffix aside")
        faults += found
        if clip is not None and samples is not None and not found:
            clips[clip.id] = clip
            for name, path in (
                (clip.line["audio"], clip.path),
                *((clip.line[k], p) for k, p in clip.label_files.items()),
            ):
                digest.update(bytes.fromhex((digests or {}).get(name) or digest_clip_file(path)))
            on_samples(samples)
    if faults:
        raise EvaluationError(_list(faults))
    if not clips:
        raise EvaluationError(f"{manifest}: holds no clip; one JSON object a line is expected")
    return Dataset(name=manifest.stem, sha256=digest.hexdigest(), clips=tuple(clips.values()))


def _read_manifest(manifest: Path) -> bytes:
    if find_kind(manifest) == "missing":
        raise EvaluationError(f"{manifest}: no such file; the recipe's dataset must be a JSONL manifest")
    text = read_bytes(manifest, error=EvaluationError, most=MOST_MANIFEST_BYTES)
    for mark, name in _OTHER_ENCODINGS.items():
        if text.startswith(mark):
            raise EvaluationError(f"{manifest}: begins with a byte order mark, of {name}; save it as UTF-8 without one")
    if b"\0" in text:
        raise EvaluationError(f"{manifest}: holds bytes of 0, so that it is no text in UTF-8; save it as UTF-8")
    return text


def _read_line(
    raw: bytes, *, where: str, folder: Path, audio: AudioContract, task: Task
) -> tuple[list[str], Clip | None, Samples | None]:
    """A line's faults, and its clip with its samples where there is none but a label's."""
    try:
        line = parse_json(raw.decode(), where=where, error=EvaluationError)
    except UnicodeDecodeError as fault:
        byte = f"byte 0x{raw[fault.start]:02x} at column {fault.start + 1}"
        return [f"{where}: not UTF-8: {byte}; save the manifest as UTF-8"], None, None
    except EvaluationError as fault:
        return [f"{fault}; right is one JSON object a line"], None, None
    if not isinstance(line, dict):
        return [f"{where}: must be a JSON object, found {type(line).__name__}; right is one object a line"], None, None
    faults = _key_faults(line, task, where)
    if faults:
        return faults, None, None
    path, faults = locate_file(line["audio"], folder, where)
    files: dict[str, Path] = {}
    for key in task.label_files:
        file, more = locate_file(line[key], folder, where, key=key)
        files |= {} if file is None else {key: file}
        faults += more
    if path is None or faults:
        return faults, None, None
    faults, samples, facts = _read_audio(path, audio, f"{where}: ")
    if samples is None:
        return faults, None, None
    labels = None
    try:
        labels = task.parse_labels(line, ClipContext(facts.duration_s, where, files))
    except EvaluationError as fault:
        faults += str(fault).split("\n")
    clip = Clip(
        id=str(PurePosixPath(line["audio"]).with_suffix("")),
        path=path,
        duration_s=facts.duration_s,
        labels=labels,
        label_files=files,
        tags=tuple(line.get("tags", ())),
        notices=facts.notices,
        line=line,
    )
    return faults, clip, samples


def digest_clip_file(path: Path) -> str:
    """SHA-256 of an audio or label file."""
    with open_file(path, error=EvaluationError) as file:
        return digest_file(file).sha256


def _key_faults(line: dict[str, Any], task: Task, where: str) -> list[str]:
    required = ("audio", *task.label_keys)
    known = (*required, *task.unread_keys, "tags")
    faults = [
        f"{where}: key '{key}' is missing; {task.kind} needs {', '.join(required)}"
        for key in required
        if key not in line
    ]
    for key in line:
        if key not in known:
            hint = suggest(key, known) or f"; known keys: {', '.join(known)}"
            faults.append(f"{where}: unknown key '{key}'{hint}")
    tags = line.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        faults.append(f"{where}: tags must be a list of words, found {tags!r}")
    return faults


def locate_file(name: Any, folder: Path, where: str, *, key: str = "audio") -> tuple[Path | None, list[str]]:
    """The file that a line names under a key, or what is wrong with the name."""
    if not isinstance(name, str) or not name:
        return None, [f"{where}: {key} must be a path, found {name!r}"]
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        hint = f"{key} must lie within the manifest's folder, with its path written from there"
        return None, [f"{where}: {key} '{name}' lies outside the dataset; {hint}"]
    path = folder / name
    if not is_file(path):
        return None, [f"{where}: {key} file {path} does not exist"]
    return path, []


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
    if rate_hz == audio.sample_rate_hz:
        return [], np.ascontiguousarray(samples), _Facts(duration_s)
    resampled = soxr.resample(samples.T, rate_hz, audio.sample_rate_hz, quality="HQ").T
    notice = f"resampled from {rate_hz} Hz to {audio.sample_rate_hz} Hz"
    return [], np.ascontiguousarray(resampled, np.float32), _Facts(duration_s, (notice,))


def _shape_fault(n_samples: int, rate_hz: int, channels: int, audio: AudioContract) -> str | None:
    if not 0 < rate_hz <= MAX_SAMPLE_RATE_HZ:
        return f"its rate is {rate_hz} Hz; right is 1 to {MAX_SAMPLE_RATE_HZ} Hz"
    if n_samples <= 0:
        return "empty: it holds no sample"
    if n_samples > MAX_DURATION_S * rate_hz:
        duration_s = n_samples // rate_hz
        return f"{duration_s} s long; at most {MAX_DURATION_S} s are read at once, cut it into shorter clips"
    if channels != audio.channels:
        hint = "; mix it down, for example with `sox in.wav -c 1 out.wav`" if audio.channels == 1 else ""
        return f"has {channels} channels where the model expects {audio.channels}{hint}"
    return None


def _content_fault(samples: Samples) -> str | None:
    finite = np.isfinite(samples)
    if not finite.all():
        return f"holds a value that is not finite, first at sample {int(np.argmin(finite.all(axis=0)))}"
    if not samples.any():
        return "silent: every sample is 0, so there is nothing to measure"
    return None


def _list(faults: list[str]) -> str:
    rest = len(faults) - MAX_FAULTS
    return "\n".join(faults[:MAX_FAULTS] + ([f"and {rest} more"] if rest > 0 else []))

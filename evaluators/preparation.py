"""The dataset as all trials share it: read, checked and cut by a worker, since its audio comes from strangers.

What the worker found is stored under the digests of the manifest and the audio files: a second run decodes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import evaluators
from device_profiles.errors import TestpressError
from device_profiles.files import open_file, read_bytes
from device_profiles.record import Record, parse_json, parse_record
from evaluators.datasets import MOST_MANIFEST_BYTES, Clip, Dataset, load_dataset, locate_audio
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipInfo, DatasetInfo
from evaluators.inputs import Windows, find_windows, store_windows
from evaluators.previews import add_previews
from evaluators.task import Task, load_task
from packager.bundle import AudioContract
from packager.seals import read_sealed_record, write_sealed_record
from packager.storage import digest_bytes, digest_code, digest_facts
from packager.workers import Job, Limits, LyingEventError, run_jobs

R = TypeVar("R", bound=Record)


class Prepared(Record):
    """A dataset, checked and cut.

    Its windows lie in the output folder's cache.
    """

    info: DatasetInfo
    audio: tuple[str, ...]
    """the clips' files, in the dataset's order"""
    spans: tuple[tuple[int, int, int], ...]
    """of each clip: its first window, how many windows, how many samples"""
    windows: str
    """the folder in `cache/windows`"""

    def find_windows(self, out: Path) -> Windows:
        """Its windows in an output folder."""
        return Windows(out / "cache" / "windows" / self.windows / "windows.npy", self.spans)


class PreparationRequest(Record):
    """What to read and cut."""

    manifest: str
    task: str
    audio: AudioContract
    cache: str


class PreviewRequest(Record):
    """Of which clips to make pictures and previews."""

    info: DatasetInfo
    files: tuple[str, ...]
    """of all clips"""
    shown: tuple[str, ...]
    audio: AudioContract
    out: str


class Result(Record):
    """What a worker says, once."""

    result: dict[str, Any]


def prepare_dataset(manifest: Path, *, task: Task, audio: AudioContract, out: Path, limits: Limits) -> Prepared:
    """Read, check and cut a dataset, unless that is done already and what was stored is whole.

    Args:
        manifest: The JSONL file.
        task: Whose labels it holds.
        audio: What the model expects.
        out: The output folder: windows and what was found go to its cache.
        limits: What the worker may use.

    Raises:
        EvaluationError: As `load_dataset`'s.
    """
    key = _find_key(manifest, task, audio)
    stored = None if key is None else out / "cache" / "dataset" / f"{key[:32]}.json"
    known = None if stored is None else read_sealed_record(stored, Prepared)
    if known is not None and find_windows(known.info.sha256, audio, out / "cache") == known.find_windows(out):
        return known
    request = PreparationRequest(
        manifest=str(manifest.absolute()), task=task.kind, audio=audio, cache=str((out / "cache").absolute())
    )
    prepared = _run("prepare", request, Prepared, out, limits)
    if stored is not None:
        write_sealed_record(stored, prepared)
    return prepared


def preview_clips(
    prepared: Prepared, shown: Sequence[str], *, audio: AudioContract, out: Path, limits: Limits
) -> DatasetInfo:
    """The dataset's description with spectrogram and preview of some clips.

    Args:
        prepared: The dataset.
        shown: Identifiers of the clips.
        audio: The rate at which the model hears.
        out: Previews go to its folder `previews`.
        limits: What the worker may use.

    Raises:
        EvaluationError: A clip cannot be read any more.
    """
    if not shown:
        return prepared.info
    facts = {"dataset": prepared.info.sha256, "shown": sorted(shown), "audio": audio.model_dump(mode="json")}
    stored = out / "cache" / "previews" / f"{digest_facts({**facts, **_code()})[:32]}.json"
    known = read_sealed_record(stored, DatasetInfo)
    if known is not None and all(_holds(clip, out) for clip in known.clips):
        return known
    request = PreviewRequest(
        info=prepared.info, files=prepared.audio, shown=tuple(sorted(shown)), audio=audio, out=str(out.absolute())
    )
    found = _run("preview", request, DatasetInfo, out, limits)
    write_sealed_record(stored, found)
    return found


def prepare(request: dict[str, Any]) -> Iterator[Result]:
    """Inside the worker: read, check and cut."""
    parsed = PreparationRequest.model_validate(request, strict=False)
    task = load_task(parsed.task)
    dataset = load_dataset(Path(parsed.manifest), audio=parsed.audio, task=task)
    windows = store_windows(dataset, parsed.audio, Path(parsed.cache))
    found = Prepared(
        info=dataset.describe(task),
        audio=tuple(str(clip.path) for clip in dataset.clips),
        spans=windows.spans,
        windows=windows.path.parent.name,
    )
    yield Result(result=found.model_dump(mode="json"))


def preview(request: dict[str, Any]) -> Iterator[Result]:
    """Inside the worker: draw and cut."""
    parsed = PreviewRequest.model_validate(request, strict=False)
    clips = tuple(
        Clip(info.clip, Path(file), info.duration_s, None)
        for info, file in zip(parsed.info.clips, parsed.files, strict=True)
    )
    dataset = Dataset(parsed.info.name, parsed.info.sha256, clips)
    found = add_previews(parsed.info, dataset, parsed.shown, audio=parsed.audio, out=Path(parsed.out))
    yield Result(result=found.model_dump(mode="json"))


def _run(verb: str, request: Record, type_: type[R], out: Path, limits: Limits) -> R:
    found: list[R] = []

    def on_event(_: int, event: Result) -> None:
        found.append(parse_record(event.result, type_, where="the worker's result", error=LyingEventError))

    log = out / "logs" / f"dataset-{verb}.log"
    job = Job(f"evaluators.preparation:{verb}", request.model_dump(mode="json"), log, limits, Result)
    (ended,) = run_jobs([job], on_event)
    if ended.is_refusal:
        raise EvaluationError(ended.reason)
    if ended.reason is not None or not found:
        raise EvaluationError(f"the dataset cannot be read: {ended.reason}\n(log: {log})")
    return found[-1]


def _find_key(manifest: Path, task: Task, audio: AudioContract) -> str | None:
    """The content address of what a dataset comes to; None where the worker has faults to tell of it."""
    try:
        text = read_bytes(manifest, error=EvaluationError, most=MOST_MANIFEST_BYTES)
        files = []
        for number, raw in enumerate(text.split(b"\n"), start=1):
            line = parse_json(raw.decode(), where="", error=EvaluationError) if raw.strip() else None
            if line is not None:
                path, _ = locate_audio(line["audio"], manifest.parent, str(number))
                with open_file(Path() if path is None else path, error=EvaluationError) as file:
                    files.append(hashlib.file_digest(file, "sha256").hexdigest())
    except (TestpressError, UnicodeDecodeError, TypeError, KeyError, OSError):
        return None
    facts = {"manifest": digest_bytes(text), "files": files, "task": task.kind, "audio": audio.model_dump(mode="json")}
    return digest_facts({**facts, "folder": str(manifest.parent.absolute()), **_code()})


def _code() -> dict[str, str]:
    return {"code": digest_code(Path(evaluators.__path__[0]))}


def _holds(clip: ClipInfo, out: Path) -> bool:
    """Whether a clip's preview, where it has one, is still what was written."""
    if clip.preview is None:
        return True
    try:
        data = read_bytes(out / clip.preview.path, error=EvaluationError)
    except EvaluationError:
        return False
    return digest_bytes(data) == clip.preview.sha256

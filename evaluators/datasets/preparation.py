"""The dataset as all trials share it: read, checked and cut by a worker, since its audio comes from strangers.

What the worker found is stored under the digests of the manifest and the audio files: a second run decodes none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.errors import TestpressError
from device_profiles.record import Record
from evaluators.datasets.dataset_job import DatasetJob, Result, run_dataset_job
from evaluators.datasets.inputs import find_windows, windows_folder, write_windows
from evaluators.datasets.listing import list_clips
from evaluators.datasets.paths import find_root, locate_file
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Prepared, PreparedDataset
from evaluators.datasets.reading import digest_clip_file, load_dataset
from evaluators.errors import EvaluationError
from evaluators.task_loading import TaskInfo, TaskReference, open_task
from packager.bundle import AudioContract
from packager.jobs.code import digest_job_code
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.inputs import Input
from packager.jobs.results import Made
from packager.seals import read_sealed_record, trust_seal, write_sealed_record
from packager.storage import digest_facts

R = TypeVar("R", bound=Record)
_TARGET = "evaluators.datasets.preparation:prepare"
_CODE = ("packager.jobs.worker", "evaluators.datasets.preparation")
_WINDOWS = "windows"


class PreparationRequest(Record):
    """What to read and cut."""

    manifest: str
    """the manifest, the table or the folder"""
    audio_root: str | None
    """the folder that its files lie in, where it is not its own"""
    task: TaskReference
    audio: AudioContract
    digests: dict[str, str]
    """SHA-256 of the audio and label files by their names from the root, where they are known"""
    cut: bool
    """whether the windows are to be stored, or are there already"""


def prepare_dataset(
    manifest: Path, *, task: TaskInfo, audio: AudioContract, place: Place, audio_root: Path | None = None
) -> PreparedDataset:
    """Read, check and cut a dataset, unless that is done already and what was stored is whole.

    Args:
        manifest: The manifest, the table or the folder.
        task: Whose labels it holds.
        audio: What the model expects.
        place: Where, and by whom.
        audio_root: The folder that its files lie in; None: the manifest's own.

    Raises:
        EvaluationError: As `load_dataset`'s.
    """
    address, cache = _find_address(manifest, task, audio_root), place.out / "cache"
    sha256 = "unknown" if address is None else address.sha256  # then the worker tells what is wrong with it
    names = [] if address is None else list(address.files)
    facts = {"dataset": sha256, "files": names, "task": task.facts}
    base = find_root(manifest, audio_root)
    code = (*_CODE, *task.code)
    key = digest_facts({**facts, "audio": audio.model_dump(mode="json"), "code": digest_job_code(*code)})
    stored = cache / "dataset" / f"{key[:32]}.json"
    known, windows = read_sealed_record(stored, Prepared), find_windows(sha256, audio, cache)
    if known is not None and windows is not None and windows == known.find_windows(place.out):
        return PreparedDataset(known, stored, base)
    request = PreparationRequest(
        manifest=os.path.normpath(manifest.absolute()),
        audio_root=None if audio_root is None else str(base),
        task=task.reference,
        audio=audio,
        digests={} if address is None else address.files,
        cut=windows is None,
    )
    folder = windows_folder(sha256, audio, cache)
    inputs: tuple[Input, ...] = task.inputs
    if address is None:
        place = replace(place, executor=LocalExecutor())  # there is nothing whole to send elsewhere
    else:
        inputs = (*_list_inputs(manifest, base, names), *inputs)
    found = run_dataset_job(DatasetJob(_TARGET, code, inputs, {_WINDOWS: folder}), request, Prepared, place)
    if found.info.sha256 != sha256:
        raise EvaluationError(f"{manifest}: was changed while it was read; run again")
    prepared = found.model_copy(update={"windows": folder.name})
    trust_seal(folder)
    write_sealed_record(stored, prepared)
    return PreparedDataset(prepared, stored, base)


def prepare(request: dict[str, Any], folder: Path) -> Iterator[Result | Made]:
    """Inside the worker: read, check and cut."""
    parsed = PreparationRequest.model_validate(request, strict=False)
    task = open_task(parsed.task)
    with write_windows(folder / _WINDOWS, parsed.audio) as windows:
        dataset = load_dataset(
            Path(parsed.manifest),
            audio=parsed.audio,
            task=task,
            audio_root=None if parsed.audio_root is None else Path(parsed.audio_root),
            on_samples=windows.add,
            digests=parsed.digests,
        )
    if parsed.cut:
        yield Made(made=_WINDOWS)
    found = Prepared(
        info=dataset.describe(task),
        audio=tuple(clip.line["audio"] for clip in dataset.clips),
        lines=tuple(dict(clip.line) for clip in dataset.clips),
        spans=tuple(windows.spans),
        windows="",
    )
    yield Result(result=found.model_dump(mode="json"))


@dataclass(frozen=True)
class _Address:
    """What a dataset is: its digest, and that of each audio and label file by its name from the root."""

    sha256: str
    files: dict[str, str]


def _list_inputs(manifest: Path, root: Path, files: list[str]) -> tuple[Input, ...]:
    """What a worker reads: the files below the root, and the manifest, which may lie elsewhere."""
    if manifest.is_dir():
        return (Input(root, tuple(files)),)
    path = Path(os.path.normpath(manifest.absolute()))
    if path.is_relative_to(root):
        return (Input(root, (path.relative_to(root).as_posix(), *files)),)
    return (Input(path.parent, (path.name,)), Input(root, tuple(files)))


def _find_address(manifest: Path, task: TaskInfo, audio_root: Path | None) -> _Address | None:
    """The content address of a dataset; None where the worker has faults to tell of it."""
    try:
        listing = list_clips(manifest, audio_root)
        digest, files = hashlib.sha256(listing.text), dict[str, str]()
        for entry in listing.entries:
            for key in ("audio", *task.label_files):
                name, _ = locate_file(entry.line[key], listing.root, entry.where)
                if name is None:
                    return None
                files[name] = digest_clip_file(listing.root / name)
                digest.update(bytes.fromhex(files[name]))
    except (TestpressError, UnicodeDecodeError, TypeError, KeyError, OSError):
        return None
    return _Address(digest.hexdigest(), files)

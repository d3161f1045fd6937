"""The dataset as all trials share it: read, checked and cut by a worker, since its audio comes from strangers.

What the worker found is stored under the digests of the manifest and the audio files: a second run decodes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.errors import TestpressError
from device_profiles.files import read_bytes
from device_profiles.record import Record, parse_json
from evaluators.datasets.dataset_job import DatasetJob, Result, run_dataset_job
from evaluators.datasets.inputs import find_windows, windows_folder, write_windows
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Prepared, PreparedDataset
from evaluators.datasets.reading import MOST_MANIFEST_BYTES, digest_clip_file, load_dataset, locate_file
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
    task: TaskReference
    audio: AudioContract
    digests: dict[str, str]
    """SHA-256 of the audio and label files by the manifest's names, where they are known"""
    cut: bool
    """whether the windows are to be stored, or are there already"""


def prepare_dataset(manifest: Path, *, task: TaskInfo, audio: AudioContract, place: Place) -> PreparedDataset:
    """Read, check and cut a dataset, unless that is done already and what was stored is whole.

    Args:
        manifest: The JSONL file.
        task: Whose labels it holds.
        audio: What the model expects.
        place: Where, and by whom.

    Raises:
        EvaluationError: As `load_dataset`'s.
    """
    address, cache = _find_address(manifest, task), place.out / "cache"
    sha256 = "unknown" if address is None else address.sha256  # then the worker tells what is wrong with it
    facts = {"dataset": sha256, "task": task.facts}
    base = manifest.absolute().parent
    code = (*_CODE, *task.code)
    key = digest_facts({**facts, "audio": audio.model_dump(mode="json"), "code": digest_job_code(*code)})
    stored = cache / "dataset" / f"{key[:32]}.json"
    known, windows = read_sealed_record(stored, Prepared), find_windows(sha256, audio, cache)
    if known is not None and windows is not None and windows == known.find_windows(place.out):
        return PreparedDataset(known, stored, base)
    request = PreparationRequest(
        manifest=str(manifest.absolute()),
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
        inputs = (Input(base, (manifest.name, *address.files)), *inputs)
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
    """What a dataset is: its digest, and that of each audio and label file by the manifest's name."""

    sha256: str
    files: dict[str, str]


def _find_address(manifest: Path, task: TaskInfo) -> _Address | None:
    """The content address of a dataset; None where the worker has faults to tell of it."""
    try:
        text = read_bytes(manifest, error=EvaluationError, most=MOST_MANIFEST_BYTES)
        digest, files = hashlib.sha256(text), {}
        for number, raw in enumerate(text.split(b"\n"), start=1):
            line = parse_json(raw.decode(), where="", error=EvaluationError) if raw.strip() else None
            if line is not None:
                for key in ("audio", *task.label_files):
                    path, _ = locate_file(line[key], manifest.parent, str(number))
                    files[line[key]] = digest_clip_file(Path() if path is None else path)
                    digest.update(bytes.fromhex(files[line[key]]))
    except (TestpressError, UnicodeDecodeError, TypeError, KeyError, OSError):
        return None
    return _Address(digest.hexdigest(), files)

"""Spectrograms and previews of the clips that a report shows, made by a worker and stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from device_profiles.files import read_bytes
from device_profiles.record import Record
from evaluators.datasets.dataset_job import DatasetJob, Result, run_dataset_job
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import PreparedDataset
from evaluators.datasets.reading import Clip, Dataset
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipInfo, DatasetInfo
from evaluators.pictures.previews import add_previews
from evaluators.pictures.sounds import FOLDER
from packager.bundle import AudioContract
from packager.jobs.code import digest_job_code
from packager.jobs.inputs import Input
from packager.jobs.results import Made
from packager.seals import read_sealed_record, write_sealed_record
from packager.storage import digest_bytes, digest_facts

_TARGET = "evaluators.pictures.previewing:preview"
_CODE = ("packager.jobs.worker", "evaluators.pictures.previewing")


class PreviewRequest(Record):
    """Of which clips to make pictures and previews."""

    info: DatasetInfo
    folder: str
    files: tuple[str, ...]
    """of all clips, in the folder"""
    shown: tuple[str, ...]
    audio: AudioContract


def preview_clips(dataset: PreparedDataset, shown: Sequence[str], *, audio: AudioContract, place: Place) -> DatasetInfo:
    """The dataset's description with spectrogram and preview of some clips.

    Args:
        dataset: The dataset.
        shown: Identifiers of the clips.
        audio: The rate at which the model hears.
        place: Where, and by whom; previews go to the output folder's `previews`.

    Raises:
        EvaluationError: A clip cannot be read any more.
    """
    prepared = dataset.found
    if not shown:
        return prepared.info
    out = place.out
    info = digest_bytes(prepared.info.model_dump_json().encode())
    facts = {"info": info, "shown": sorted(shown), "audio": audio.model_dump(mode="json")}
    stored = out / "cache" / "previews" / f"{digest_facts({**facts, 'code': digest_job_code(*_CODE)})[:32]}.json"
    known = read_sealed_record(stored, DatasetInfo)
    if known is not None and all(_holds(clip, out) for clip in known.clips):
        return known
    request = PreviewRequest(
        info=prepared.info,
        folder=str(dataset.folder),
        files=prepared.audio,
        shown=tuple(sorted(shown)),
        audio=audio,
    )
    names = tuple(file for clip, file in zip(prepared.info.clips, prepared.audio, strict=True) if clip.clip in shown)
    job = DatasetJob(_TARGET, _CODE, (Input(dataset.folder, names),), {f"{FOLDER}/": out / FOLDER})
    found = run_dataset_job(job, request, DatasetInfo, place)
    write_sealed_record(stored, found)
    return found


def preview(request: dict[str, Any], folder: Path) -> Iterator[Result | Made]:
    """Inside the worker: draw and cut."""
    parsed = PreviewRequest.model_validate(request, strict=False)
    clips = tuple(
        Clip(info.clip, Path(parsed.folder, file), info.duration_s, None)
        for info, file in zip(parsed.info.clips, parsed.files, strict=True)
    )
    dataset = Dataset(parsed.info.name, parsed.info.sha256, clips)
    found = add_previews(parsed.info, dataset, parsed.shown, audio=parsed.audio, out=folder)
    for path in sorted((folder / FOLDER).iterdir()):
        yield Made(made=f"{FOLDER}/{path.name}")
    yield Result(result=found.model_dump(mode="json"))


def _holds(clip: ClipInfo, out: Path) -> bool:
    """Whether a clip's preview, where it has one, is still what was written."""
    if clip.preview is None:
        return True
    try:
        data = read_bytes(out / clip.preview.path, error=EvaluationError)
    except EvaluationError:
        return False
    return digest_bytes(data) == clip.preview.sha256

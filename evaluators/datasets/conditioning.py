"""A dataset's windows under a condition: the prepared clips put together again, treated by a worker, and cut anew.

Labels hold as they are, since a condition leaves every event at its time. What a worker made is stored under the clean
windows' address and all that decides the condition: each is made once, however many models hear it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from device_profiles.record import Record
from evaluators.condition import apply_condition
from evaluators.condition_records import ConditionInfo
from evaluators.condition_sets import list_code, list_libraries, list_recordings, open_step
from evaluators.datasets.dataset_job import DatasetJob, Result, run_dataset_job
from evaluators.datasets.inputs import write_windows
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Span, Windows, read_clip
from evaluators.datasets.recordings import FoundRecordings, RecordingFiles, open_recordings
from evaluators.environment import find_version
from evaluators.errors import EvaluationError
from packager.bundle import AudioContract
from packager.jobs.code import digest_job_code
from packager.jobs.inputs import Input
from packager.jobs.results import Made
from packager.seals import is_whole, trust_seal
from packager.storage import digest_facts

_TARGET = "evaluators.datasets.conditioning:treat"
_CODE = ("packager.jobs.worker", "evaluators.datasets.conditioning")
_WINDOWS = "windows"


class ConditioningRequest(Record):
    """Which windows to treat, and how."""

    windows: str
    """`.npy`, float32 (windows, channels, window_samples)"""
    spans: tuple[Span, ...]
    audio: AudioContract
    condition: ConditionInfo
    recordings: dict[str, RecordingFiles] = {}
    """those that the condition plays beside the clips, by name"""


class Conditioned(Record):
    """What a worker made."""

    clips: int


def store_conditioned(
    windows: Windows,
    condition: ConditionInfo,
    *,
    audio: AudioContract,
    place: Place,
    recordings: Mapping[str, FoundRecordings] = MappingProxyType({}),
) -> Windows:
    """Treat all clips of a dataset, unless that is done already and what was stored is whole.

    Args:
        windows: The clean clips, cut.
        condition: What happens to them.
        audio: The contract.
        place: Where, and by whom.
        recordings: At least those that the condition plays beside the clips.

    Returns:
        The treated clips, cut in the same way: the spans are those of the clean ones.

    Raises:
        EvaluationError: A step cannot be done, or a package that it needs is not installed.
    """
    code = (*_CODE, *list_code(condition))
    played = {name: recordings[name] for name in list_recordings([condition])}
    facts = {
        "windows": windows.path.parent.name,
        "steps": [step.model_dump(mode="json") for step in condition.steps],
        "versions": {
            library: find_version(library, f"condition {condition.name}", extra)
            for library, extra in list_libraries(condition).items()
        },
        "code": digest_job_code(*code),
        **({"recordings": {name: one.sha256 for name, one in played.items()}} if played else {}),
    }
    folder = place.out / "cache" / "windows" / digest_facts(facts)[:32]
    treated = Windows(folder / "windows.npy", windows.spans)
    if is_whole(folder):
        return treated
    request = ConditioningRequest(
        windows=str(windows.path.resolve()),
        spans=windows.spans,
        audio=audio,
        condition=condition,
        recordings={name: one.files for name, one in played.items()},
    )
    inputs = (Input(windows.path.resolve()), *(one.input for one in played.values()))
    fault = f"the condition {condition.name} cannot be made"
    job = DatasetJob(_TARGET, code, inputs, {_WINDOWS: folder}, fault)
    found = run_dataset_job(job, request, Conditioned, place)
    if found.clips != len(windows.spans):
        raise EvaluationError(f"the worker treated {found.clips} clips of {len(windows.spans)}; run again")
    trust_seal(folder)
    return treated


def treat(request: dict[str, Any], folder: Path) -> Iterator[Result | Made]:
    """Inside the worker: put each clip together, treat it, and cut it."""
    parsed = ConditioningRequest.model_validate(request, strict=False)
    steps = [open_step(step) for step in parsed.condition.steps]
    windows = np.load(parsed.windows, mmap_mode="r")
    recordings = open_recordings(parsed.recordings, parsed.audio.sample_rate_hz)
    read = [partial(read_clip, windows, span, parsed.audio) for span in parsed.spans]
    with write_windows(folder / _WINDOWS, parsed.audio) as writer:
        for index, clip in enumerate(read):
            samples, others = clip(), [*read[:index], *read[index + 1 :]]
            for place, step in enumerate(steps):
                samples = apply_condition(step, samples, place, parsed.audio.sample_rate_hz, others, recordings)
            writer.add(samples)
    yield Made(made=_WINDOWS)
    yield Result(result=Conditioned(clips=len(read)).model_dump(mode="json"))

"""Inside a worker: a model is loaded and called once, and audio is looked at. Whatever they hold ends here."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.record import Record
from packager.errors import PackagingError
from testpress.starting.facts import DataFacts, ModelFacts, TensorFacts

_TAGS = "tagging"
MOST_LOOKED_AT = 500
"""clips whose header is read; the others are taken to be alike"""


class ModelRequest(Record):
    """Which model, from where."""

    source: str
    framework: str | None
    base: str
    rate_hz: int


class DataRequest(Record):
    """Which data."""

    path: str


class ModelTold(Record):
    """What a worker says of a model, once."""

    model: ModelFacts


class DataTold(Record):
    """What a worker says of data, once."""

    data: DataFacts


def probe_model(request: dict[str, Any]) -> Iterator[ModelTold]:
    """Load a model and call it; one that takes any length of audio gets a second of it."""
    from packager.bundle import AudioContract
    from packager.model import ModelSpec, find_source
    from packager.sources import load_source

    asked = ModelRequest.model_validate(request, strict=False)
    spec = ModelSpec.model_validate(
        {"name": "model", "version": "0", "license": "unknown", "source": asked.source, "framework": asked.framework}
    )
    source, assumed = find_source(spec, Path(asked.base)), False
    try:
        loaded = load_source(source, None)
    except PackagingError as fault:
        second = AudioContract(
            sample_rate_hz=asked.rate_hz, window_samples=asked.rate_hz, hop_samples=asked.rate_hz, channels=1
        )
        try:
            loaded, assumed = load_source(source, second), True
        except PackagingError:
            raise fault from None
    inputs = tuple(
        TensorFacts(name=name, shape=tensor.shape, dtype=tensor.dtype) for name, tensor in loaded.inputs.items()
    )
    grown: Mapping[str, int] = {}
    with contextlib.suppress(PackagingError):  # of a model that takes one length alone it is not known
        grown = _find_time_axes(loaded, inputs)
    outputs = tuple(
        TensorFacts(name=name, shape=tensor.shape, dtype=tensor.dtype, time_axis=grown.get(name))
        for name, tensor in loaded.outputs.items()
    )
    names = [one.name for one in outputs]
    positional = names == ["output"] or all(name.removeprefix("output_").isdecimal() for name in names)
    yield ModelTold(
        model=ModelFacts(
            framework=source.framework,
            inputs=inputs,
            outputs=outputs,
            is_positional=positional or (source.framework == "tensorflow" and len(names) == 1),
            assumed_window=assumed,
        )
    )


def _find_time_axes(loaded: Any, inputs: tuple[TensorFacts, ...]) -> Mapping[str, int]:
    """Which axis of each output grows when the model hears twice as much; nothing where it takes one length alone."""
    heard = [one for one in inputs if one.sound is not None]
    if len(heard) != 1:
        return {}
    ((_, samples),) = [one.sound for one in heard if one.sound is not None]
    given = {}
    for one in inputs:
        shape = tuple(2 * size if one is heard[0] and size == samples else size for size in one.shape)
        given[one.name] = np.zeros(shape, one.dtype)
    try:
        found = loaded.run(given)
    except Exception as fault:  # a model of one length fails in whatever way its framework does
        raise PackagingError(str(fault)) from fault
    axes = {}
    for name, tensor in loaded.outputs.items():
        long = np.shape(found.get(name))
        changed = [axis for axis, size in enumerate(tensor.shape) if len(long) > axis and long[axis] > size]
        if len(long) == len(tensor.shape) and len(changed) == 1:
            axes[name] = changed[0]
    return axes


def probe_data(request: dict[str, Any]) -> Iterator[DataTold]:
    """Read what lists the clips, the headers of their files, and which tasks' labels are there."""
    import soundfile

    from evaluators.datasets.listing import list_clips
    from evaluators.datasets.paths import locate_file
    from evaluators.errors import EvaluationError

    listing = list_clips(Path(DataRequest.model_validate(request, strict=False).path))
    rates, channels, lengths = collections.Counter[int](), collections.Counter[int](), list[float]()
    for entry in itertools.islice(listing.entries, MOST_LOOKED_AT):
        if entry.faults:
            raise EvaluationError(entry.faults[0])
        name, faults = locate_file(entry.line.get("audio"), listing.root, entry.where)
        if name is None:
            raise EvaluationError(faults[0])
        try:
            facts = soundfile.info(listing.root / name)
        except (soundfile.SoundFileError, OSError, ValueError, TypeError) as fault:
            raise EvaluationError(
                f"{entry.where}: {listing.root / name}: cannot be read as audio: {fault}; WAV, FLAC, OGG and MP3 are "
                "understood"
            ) from None
        rates[facts.samplerate] += 1
        channels[facts.channels] += 1
        lengths.append(facts.frames / facts.samplerate if facts.samplerate else 0.0)
    if not lengths:
        raise EvaluationError(f"{listing.path}: holds no clip")
    fits = _list_fitting(listing)
    classes, single = _list_classes(listing) if _TAGS in fits else ((), False)
    yield DataTold(
        data=DataFacts(
            form="a folder" if listing.is_folder else "a table" if listing.table is not None else "a manifest",
            clips=sum(1 for _ in listing.entries),
            seconds=sum(lengths),
            longest_s=max(lengths),
            rates_hz=dict(rates),
            channels=dict(channels),
            looked_at=len(lengths),
            fits=fits,
            classes=classes,
            single_label=single,
        )
    )


def _list_fitting(listing: Any) -> tuple[str, ...]:
    """The tasks whose labels are there, by what names them alone."""
    from evaluators.datasets.listing import check_listing
    from evaluators.errors import EvaluationError
    from evaluators.task import Task
    from evaluators.task_loading import list_tasks, load_task

    found = []
    for kind, plugin in list_tasks().items():
        if plugin.distribution is not None:
            continue
        task = load_task(kind)
        if not task.label_keys:
            continue
        if listing.table is not None:
            try:
                check_listing(listing, task)
            except EvaluationError:
                continue
            found.append(kind)
        elif listing.is_folder:
            folders = type(task).label_folder is not Task.label_folder
            found += [kind] if folders and all(entry.folder is not None for entry in listing.entries) else []
        else:
            first = itertools.islice(listing.entries, MOST_LOOKED_AT)
            found += [kind] if all(key in entry.line for entry in first for key in task.label_keys) else []
    return tuple(found)


def _list_classes(listing: Any) -> tuple[tuple[str, ...], bool]:
    """The names of classes that the labels hold, where they are names, and whether each clip has exactly one."""
    from evaluators.datasets.listing import complete_line
    from evaluators.errors import EvaluationError
    from evaluators.task import ClipContext
    from evaluators.task_loading import load_task

    if listing.is_folder:
        return listing.classes, True
    task, found, single = load_task(_TAGS), set[Any](), True
    for entry in listing.entries:
        try:
            labels = complete_line(entry, listing, task, ClipContext(1.0, entry.where)).get("labels", ())
        except EvaluationError:
            return (), False
        listed = labels if isinstance(labels, list) else [labels]
        single = single and len(listed) == 1 and (listing.table is not None or listed is not labels)
        found |= {label if isinstance(label, str) else 0 for label in listed}
    return (tuple(sorted(found)) if 0 not in found else ()), single

"""Datasets of the catalogue: found, fetched, and made by a worker, once for all recipes of a user.

What is made is kept in the user's cache under the digest of its packages, its options and the code that makes it. For
each set of label keys there is a manifest of the clips that have them all, since a task takes no key that it does not
know: a beep has no text, and is no clip of a recogniser's.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.files import open_file
from device_profiles.plugins import Plugin, list_plugins
from device_profiles.record import Record, parse_record, suggest
from evaluators.datasets.builtin.collection import Collection, LabelledClip, read_notices
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive
from evaluators.registries.cache import find_cache, hold_lock
from evaluators.registries.downloads import archive_path, fetch_archive, is_fetched
from packager.jobs.code import digest_job_code
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.results import Made, fill_folder
from packager.jobs.workers import Job, Limits
from packager.seals import is_whole, seal_folder, trust_seal
from packager.storage import digest_facts

PREFIX = "builtin:"
ATTRIBUTION_NAME = "ATTRIBUTION.txt"
MAKING_LIMITS = Limits(time_s=3600)
_TARGET = "evaluators.datasets.builtin.making:make"
_CODE = ("packager.jobs.worker", "evaluators.datasets.builtin.making")
_DATASET = "dataset"
_CLIP_NAME = re.compile(r"[A-Za-z0-9_+.,@=-]+(?:/[A-Za-z0-9_+.,@=-]+)*")
_PEAK = 32767
_MOST_LINE_BYTES = 2000

OnStage = Callable[[str, int, int], None]
"""told of a stage's name, how much of it is done, and of how much"""


@dataclass(frozen=True)
class Chosen:
    """A dataset with its options.

    Attributes:
        name: As a recipe writes it after `builtin:`.
        collection: What it is.
        options: An instance of its options.
        archives: The packages that it is made of.
    """

    name: str
    collection: Collection
    options: Any
    archives: tuple[Archive, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Where it belongs in the user's cache."""
        facts = {
            "options": self.options.model_dump(mode="json"),
            "archives": [archive.sha256 for archive in self.archives],
            "code": digest_job_code(*_CODE, _list()[self.name].module),
        }
        return find_cache() / "datasets" / f"{self.name}-{digest_facts(facts)[:16]}"

    @property
    def is_made(self) -> bool:
        """Whether it is in the cache, whole."""
        return is_whole(self.folder)

    @property
    def are_archives_fetched(self) -> bool:
        """Whether nothing need be fetched to make it."""
        return all(is_fetched(archive, find_cache()) for archive in self.archives)

    @property
    def download_bytes(self) -> int:
        """Of all its packages."""
        return sum(archive.size_bytes for archive in self.archives)


class MakingRequest(Record):
    """What a worker is to make."""

    name: str
    options: dict[str, Any]
    archives: dict[str, str]
    """package → its file"""


class Step(Record):
    """How many clips are made."""

    clips: int


def dataset_names() -> tuple[str, ...]:
    """The datasets there are, sorted; nothing is imported."""
    return tuple(_list())


def _list() -> Mapping[str, Plugin]:
    plugins = list_plugins("datasets", Path(__file__).parent / "catalog", "COLLECTION")
    return {name.replace("_", "-"): plugin for name, plugin in plugins.items()}


def find_dataset(name: str, options: Mapping[str, Any] | None = None) -> Chosen:
    """A dataset of the catalogue with its options.

    Args:
        name: Its name, with `builtin:` before it or without.
        options: By name; what is not said has its default.

    Raises:
        EvaluationError: There is no such dataset, or no such option.
    """
    name = name.removeprefix(PREFIX)
    if name not in _list():
        known = dataset_names()
        raise EvaluationError(f"no dataset {name!r}{suggest(name, known)}; known: {', '.join(known)}")
    collection: Collection = _list()[name].load()()
    parsed = parse_record(dict(options or {}), collection.Options, where=f"options of {name}", error=EvaluationError)
    return Chosen(name, collection, parsed, collection.list_archives(parsed))


def locate_builtin(
    chosen: Chosen,
    label_keys: Sequence[str],
    *,
    log: Path | None = None,
    limits: Limits = MAKING_LIMITS,
    on_stage: OnStage = lambda *_: None,
) -> Path:
    """The manifest of a dataset's clips that have some labels, fetched and made first where it is not there.

    Args:
        chosen: Which.
        label_keys: What each line must hold, as a task declares it; none for clips without labels.
        log: Where the worker's output goes.
        limits: What the worker may use.
        on_stage: Told how far the work is.

    Raises:
        EvaluationError: It has no such labels, a package cannot be fetched, or the dataset cannot be made.
    """
    wanted = _check_labels(chosen, label_keys)
    make_dataset(chosen, log=log, limits=limits, on_stage=on_stage)
    return chosen.folder / manifest_name(chosen.name, wanted)


def _check_labels(chosen: Chosen, label_keys: Sequence[str]) -> tuple[str, ...]:
    has = chosen.collection.labels
    missing = [key for key in label_keys if key not in has]
    if missing:
        others = [name for name in dataset_names() if set(label_keys) <= set(find_dataset(name).collection.labels)]
        hint = f"; {', '.join(others)} would do" if others else ""
        raise EvaluationError(
            f"the dataset {chosen.name} has no label {missing[0]!r}, only {', '.join(has)}; the task needs "
            f"{', '.join(label_keys)}{hint}"
        )
    return tuple(key for key in label_keys if key != "tags")


def manifest_name(name: str, label_keys: Sequence[str]) -> str:
    """The manifest whose lines hold some label keys besides `audio` and `tags`."""
    return f"{'.'.join([name, *sorted(set(label_keys))])}.jsonl"


def make_dataset(
    chosen: Chosen,
    *,
    log: Path | None = None,
    limits: Limits = MAKING_LIMITS,
    on_stage: OnStage = lambda *_: None,
) -> Path:
    """Fetch a dataset's packages and make it, unless it is there and whole; gives its folder.

    Args:
        chosen: Which.
        log: Where the worker's output goes.
        limits: What the worker may use.
        on_stage: Told how far the work is.

    Raises:
        EvaluationError: See `locate_builtin`.
    """
    folder = chosen.folder
    if is_whole(folder):
        return folder
    _check_needs(chosen)
    files = _fetch(chosen, on_stage)
    total, stage = chosen.options.clips or chosen.collection.clips, f"make {chosen.name}"
    on_stage(stage, 0, total)
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        if not is_whole(folder):  # another process may have made it meanwhile
            job = _describe_job(chosen, files, log, limits)
            (ended,) = LocalExecutor().run([job], lambda _, step: on_stage(stage, min(step.clips, total), total))
            if ended.reason is not None:
                more = "" if log is None or ended.is_refusal else f"\n(log: {log})"
                raise EvaluationError(f"the dataset {chosen.name} cannot be made: {ended.reason}{more}")
            trust_seal(folder)
    on_stage(stage, total, total)
    return folder


def _describe_job(chosen: Chosen, files: dict[str, str], log: Path | None, limits: Limits) -> Job:
    request = MakingRequest(name=chosen.name, options=chosen.options.model_dump(mode="json"), archives=files)
    return Job(
        _TARGET,
        request.model_dump(mode="json"),
        log,
        limits,
        Step,
        results={_DATASET: chosen.folder},
        code=(*_CODE, _list()[chosen.name].module),
    )


def _check_needs(chosen: Chosen) -> None:
    import importlib.util

    for module, install in chosen.collection.list_needs(chosen.options).items():
        if importlib.util.find_spec(module) is None:
            raise EvaluationError(f"the dataset {chosen.name} needs the package {module}; install it: {install}")


def _fetch(chosen: Chosen, on_stage: OnStage) -> dict[str, str]:
    cache, files = find_cache(), {}
    for archive in chosen.archives:
        path = archive_path(archive, cache)
        if not is_fetched(archive, cache):
            stage, total = f"fetch {archive.file} (kB)", -(-archive.size_bytes // 1000)
            on_stage(stage, 0, total)
            fetch_archive(archive, cache, lambda done, s=stage, t=total: on_stage(s, done // 1000, t))  # type: ignore[misc]
            on_stage(stage, total, total)
        files[archive.package] = str(path)
    return files


def make(request: dict[str, Any], folder: Path) -> Iterator[Step | Made]:
    """Inside the worker: read the archives, write clips, labels and what is to be said of their authors."""
    parsed = MakingRequest.model_validate(request, strict=False)
    chosen = find_dataset(parsed.name, parsed.options)
    archives = {package: Path(path) for package, path in parsed.archives.items()}
    lines: list[dict[str, Any]] = []
    with fill_folder(folder / _DATASET) as stage:
        for clip in chosen.collection.make_clips(chosen.options, archives):
            lines.append(write_clip(stage, clip, chosen.collection.labels))
            yield Step(clips=len(lines))
        write_manifests(stage, chosen.name, lines, chosen.collection.labels)
        (stage / ATTRIBUTION_NAME).write_text(describe_origin(chosen, archives), encoding="utf-8")
        seal_folder(stage)
    yield Made(made=_DATASET)


def write_clip(folder: Path, clip: LabelledClip, labels: Sequence[str]) -> dict[str, Any]:
    """Write a clip's audio, 16 bit, without loss beyond that; gives its line.

    Raises:
        EvaluationError: Its name is no path within the folder, or it has a label that the dataset does not declare.
    """
    import soundfile

    if not _CLIP_NAME.fullmatch(clip.name) or ".." in clip.name.split("/"):
        raise EvaluationError(f"the clip {clip.name!r} has a name that is no path of plain words")
    strange = sorted(set(clip.labels) - set(labels))
    if strange:
        raise EvaluationError(
            f"the clip {clip.name!r} has the label {strange[0]!r}, which the dataset does not declare"
        )
    name = f"audio/{clip.name}.flac"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # In memory first: libsndfile waits for the disk after each file that it writes itself.
    stream = io.BytesIO()
    samples = np.round(clip.samples * _PEAK).astype(np.int16)
    soundfile.write(stream, samples, clip.sample_rate_hz, format="FLAC", subtype="PCM_16")
    path.write_bytes(stream.getvalue())
    return {"audio": name, **clip.labels}


def write_manifests(folder: Path, name: str, lines: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> None:
    """Write a manifest for each set of label keys, of the clips that have them all; none where no clip has."""
    keys = sorted(set(labels) - {"tags"})
    for count in range(len(keys) + 1):
        for chosen in itertools.combinations(keys, count):
            kept = ("audio", *chosen, "tags")
            rows = ({key: line[key] for key in kept if key in line} for line in lines if set(chosen) <= set(line))
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            if text:
                (folder / manifest_name(name, chosen)).write_text(text, encoding="utf-8")


def describe_origin(chosen: Chosen, archives: Mapping[str, Path]) -> str:
    """What `ATTRIBUTION.txt` holds: one line for reports, then packages, changes, and their own words in full."""
    collection = chosen.collection
    parts = [f"{collection.attribution} ({collection.licence})\n"]
    parts += [f"Made of: {one.title}, {one.file}, SHA-256 {one.sha256}" for one in chosen.archives]
    changed = "Changed: channels averaged, 16 bit, FLAC"
    parts.append(f"{changed}; {collection.rules}\n" if collection.rules else f"{changed}\n")
    for archive in chosen.archives:
        for name, words in read_notices(archives[archive.package], archive, collection.notices).items():
            parts.append(f"--- {archive.title}: {name}\n\n{words}")
    return "\n".join(parts)


def read_attribution(manifest: Path) -> str | None:
    """The first line of the `ATTRIBUTION.txt` beside a manifest, or in a folder of audio; None where there is none."""
    folder = manifest if manifest.is_dir() else manifest.parent
    try:
        with open_file(folder / ATTRIBUTION_NAME, error=EvaluationError) as file:
            return file.readline(_MOST_LINE_BYTES).decode("utf-8", "ignore").strip() or None
    except EvaluationError:
        return None

"""The datasets of the catalogue as the command shows them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from device_profiles.record import Record, read_meaning
from device_profiles.text import shorten
from evaluators.datasets.builtin.collection import LABELS
from evaluators.datasets.builtin.making import (
    MAKING_LIMITS,
    PREFIX,
    Chosen,
    OnStage,
    dataset_names,
    find_dataset,
    make_dataset,
)
from evaluators.registries.archives import Archive
from evaluators.registries.cache import find_cache
from evaluators.registries.downloads import archive_path
from testpress.errors import RecipeError
from testpress.limits import LimitsSpec
from testpress.table import align

State = Literal["absent", "fetched", "made"]
_STATES: Mapping[State, str] = {"absent": "no", "fetched": "packages", "made": "yes"}


class ListedDataset(Record):
    """A dataset, in a line."""

    name: str
    dataset: str
    """what a recipe writes"""
    summary: str
    labels: tuple[str, ...]
    clips: int
    """with the options as they are"""
    minutes: float
    licence: str
    download_bytes: int
    state: State
    """made: there · fetched: its packages are · absent: nothing is"""


class DatasetOption(Record):
    """What a dataset can be set to."""

    name: str
    meaning: str
    default: Any


class ShownDataset(ListedDataset):
    """All that is known of a dataset."""

    attribution: str
    rules: str
    """how its labels were come by"""
    options: tuple[DatasetOption, ...]
    archives: tuple[Archive, ...]
    places: tuple[str, ...]
    """where each archive lies or is to be put by hand"""
    needs: dict[str, str]
    """packages that must be installed, and what installs them"""
    folder: str


class MadeDataset(Record):
    """Where a dataset is."""

    name: str
    folder: str
    manifests: tuple[str, ...]
    """one a set of label keys"""


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Options as a shell says them, `key=value`; a value is read as TOML where it is that, else as a word.

    Raises:
        RecipeError: One has no equals sign, or is there twice.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise RecipeError(f"--option {setting}: should read KEY=VALUE, for example codec=gsm")
        if key in found:
            raise RecipeError(f"--option {key}: is there twice")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def list_datasets() -> list[ListedDataset]:
    """All there are, by name."""
    return [ListedDataset(**_list_facts(find_dataset(name))) for name in dataset_names()]


def describe_dataset(name: str, options: Mapping[str, Any]) -> ShownDataset:
    """One of them.

    Raises:
        EvaluationError: There is no such dataset, or no such option.
    """
    chosen = find_dataset(name, options)
    collection, cache = chosen.collection, find_cache()
    return ShownDataset(
        **_list_facts(chosen),
        attribution=collection.attribution,
        rules=collection.rules,
        options=tuple(
            DatasetOption(
                name=option,
                meaning=" ".join((read_meaning(collection.Options, option) or "").split()),
                default=default,
            )
            for option, default in collection.Options().model_dump(mode="json").items()
        ),
        archives=chosen.archives,
        places=tuple(str(archive_path(archive, cache)) for archive in chosen.archives),
        needs=dict(collection.list_needs(chosen.options)),
        folder=str(chosen.folder),
    )


def _list_facts(chosen: Chosen) -> dict[str, Any]:
    collection = chosen.collection
    state: State = "made" if chosen.is_made else "fetched" if chosen.are_archives_fetched else "absent"
    return {
        "name": chosen.name,
        "dataset": PREFIX + chosen.name,
        "summary": collection.summary,
        "labels": collection.labels,
        "clips": collection.clips,
        "minutes": collection.minutes,
        "licence": collection.licence,
        "download_bytes": chosen.download_bytes,
        "state": state,
    }


def fetch_dataset(name: str, options: Mapping[str, Any], limits: LimitsSpec, on_stage: OnStage) -> MadeDataset:
    """Fetch and make a dataset, unless it is there.

    Args:
        name: Its name.
        options: By name.
        limits: What the worker that makes it may use.
        on_stage: Told how far the work is.

    Raises:
        EvaluationError: It cannot be had; the message says why, and what to do.
    """
    chosen = find_dataset(name, options)
    folder = make_dataset(chosen, limits=limits.over(MAKING_LIMITS), on_stage=on_stage)
    manifests = tuple(sorted(path.name for path in folder.glob("*.jsonl")))
    return MadeDataset(name=chosen.name, folder=str(folder), manifests=manifests)


def list_text(listed: Sequence[ListedDataset]) -> str:
    """One line a dataset, and what the columns say."""
    rows = [("name", "labels", "clips", "minutes", "licence", "download", "here")]
    rows += [
        (
            one.name,
            " ".join(one.labels),
            str(one.clips),
            f"{one.minutes:g}",
            one.licence,
            _megabytes(one.download_bytes),
            _STATES[one.state],
        )
        for one in listed
    ]
    summaries = [(one.name, one.summary) for one in listed]
    return f"{align(rows, right=(2, 3, 5))}\n\n{align(summaries)}"


def dataset_text(shown: ShownDataset) -> str:
    """All that is known of one."""
    facts = [
        ("in a recipe", f'dataset = "{shown.dataset}"'),
        ("clips", f"{shown.clips}, {shown.minutes:g} minutes"),
        ("licence", shown.licence),
        ("by", shown.attribution),
        ("here", f"{_STATES[shown.state]} ({shown.folder})"),
        *[(f"needs {module}", install) for module, install in shown.needs.items()],
    ]
    labels = [(key, LABELS[key]) for key in shown.labels]
    options = [(one.name, _describe_option(one)) for one in shown.options]
    archives = [
        (archive.registry, archive.title, _megabytes(archive.size_bytes), archive.sha256[:16], place)
        for archive, place in zip(shown.archives, shown.places, strict=True)
    ]
    parts = [
        f"{shown.name}: {shown.summary}\n{align(facts, indent='  ')}",
        f"labels\n{align(labels, indent='  ')}",
        f"  {shown.rules}",
        f"options\n{align(options, indent='  ')}",
        f"packages\n{align(archives, indent='  ', right=(2,))}",
    ]
    return "\n\n".join(part for part in parts if part.strip())


def made_text(made: MadeDataset) -> str:
    """Where it is."""
    return "\n".join([f"{made.folder}", *(f"  {name}" for name in made.manifests)])


def _describe_option(option: DatasetOption) -> str:
    if "default:" in option.meaning:
        return option.meaning
    return f"{option.meaning}; default: {shorten(str(option.default))}"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"

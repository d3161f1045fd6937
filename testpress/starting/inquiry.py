"""From what a user says to a draft: the model is loaded, the data looked at, what is missing asked or assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from device_profiles.files import find_kind
from evaluators.datasets.builtin.making import PREFIX as BUILTIN
from evaluators.datasets.builtin.making import find_dataset
from evaluators.task_loading import list_tasks, load_task
from packager.factories import PREFIX as PYTHON
from packager.formats.phones import read_phone
from testpress.errors import RecipeError
from testpress.starter import from_folder
from testpress.starting.draft import Draft, Rate, find_data_rate, find_input, make_draft, pair_states
from testpress.starting.facts import DataFacts
from testpress.starting.functions import PythonSource, find_python
from testpress.starting.probing import probe_data, probe_model
from testpress.starting.task_choice import choose_task

DEFAULT_RATE_HZ = 16_000


@dataclass(frozen=True)
class Wishes:
    """What a user says.

    Attributes:
        source: The model.
        data: Audio of theirs.
        devices: Phones.
        task: Its kind.
        rate_hz: Of the audio.
    """

    source: str
    data: str | None = None
    devices: tuple[str, ...] = ()
    task: str | None = None
    rate_hz: int | None = None


class Asker(Protocol):
    """Who is asked for what is not said."""

    def ask_rate(self, default_hz: int) -> int:
        """The sample rate that the model expects."""

    def ask_task(self, kinds: Sequence[str], default: str) -> str:
        """The task."""


def check_phones(devices: Sequence[str]) -> None:
    """See that there are such phones.

    Raises:
        ProfileError: There is none of that name.
    """
    for device in devices:
        read_phone(device)


def find_draft(wishes: Wishes, folder: Path, *, asker: Asker | None) -> tuple[str, Draft]:
    """Look at model and data.

    Args:
        wishes: What the user says.
        folder: The recipe's.
        asker: Who is asked; None where nobody is there.

    Returns:
        The model as the recipe names it, and what the recipe is to say.

    Raises:
        TestpressError: The model or the data cannot be used.
    """
    python = _find_code(wishes.source, folder)
    data = None if wishes.data is None else _look_at(wishes.data)
    source = from_folder(wishes.source, folder) if python is None else python.source
    rate = _find_rate(wishes, python, data, asker)
    framework = None if python is None else python.framework
    model = probe_model(source, framework, folder, rate.hz)
    states = pair_states(model, find_input(model))
    lists = {} if python is None else python.lists
    task = choose_task(model, states, data, asked=wishes.task, lists=lists)
    if asker is not None and wishes.task is None:
        answer = asker.ask_task(tuple(list_tasks()), task.kind)
        task = task if answer == task.kind else choose_task(model, states, data, asked=answer, lists=lists)
    draft = make_draft(model, task, rate, framework="tensorflow" if framework == "tensorflow" else None)
    by = "PyTorch" if model.framework == "torch" else "TensorFlow"
    return source, replace(draft, found=(f"model: {source}, by {by}", *draft.found, *_tell_data(draft, data)))


def _find_code(source: str, folder: Path) -> PythonSource | None:
    if source.startswith(PYTHON) or source.endswith(".py"):
        return find_python(source, folder)
    if not source.startswith("pkg://") and find_kind(Path(source)) == "missing":
        raise RecipeError(
            f"--model {source}: no such file or folder; right is a path, python:module:function, or "
            "pkg://installed_package/path"
        )
    return None


def _look_at(data: str) -> DataFacts:
    if not data.startswith(BUILTIN):
        return probe_data(Path(data).absolute())
    chosen = find_dataset(data)
    held = set(chosen.collection.labels)
    kinds = [k for k, plugin in list_tasks().items() if plugin.distribution is None]
    keys = {kind: set(load_task(kind).label_keys) for kind in kinds}
    fits = tuple(kind for kind, needed in keys.items() if needed and needed <= held)
    return DataFacts(form="built in", clips=0, seconds=0, longest_s=0, rates_hz={}, channels={}, looked_at=0, fits=fits)


def _find_rate(wishes: Wishes, python: PythonSource | None, data: DataFacts | None, asker: Asker | None) -> Rate:
    if wishes.rate_hz is not None:
        return Rate(wishes.rate_hz, "as you say")
    if python is not None and python.rate_hz is not None:
        name, hz = python.rate_hz
        return Rate(hz, f"as {name} in the model's file says")
    found = find_data_rate(data)
    if asker is not None:
        return Rate(asker.ask_rate(DEFAULT_RATE_HZ if found is None else found.hz), "as you say")
    return found or Rate(
        DEFAULT_RATE_HZ, "which is assumed, since nobody says it: --sample-rate HZ, or sample_rate_hz in [audio]"
    )


def _tell_data(draft: Draft, data: DataFacts | None) -> list[str]:
    if data is None:
        return ["data: four short clips, made here: name your own audio in [task] dataset"]
    if not data.looked_at:
        return ["data: built in, fetched on first use"]
    found = [f"data: {data.form} of {data.clips} clips, {data.seconds:.3g} s"]
    others = sorted(rate for rate in data.rates_hz if rate != draft.rate_hz)
    if others:
        found.append(f"clips at {', '.join(map(str, others))} Hz are resampled to {draft.rate_hz} Hz")
    if draft.channels == 1 and any(count > 1 for count in data.channels):
        several = sum(clips for count, clips in data.channels.items() if count > 1)
        found.append(f"{several} clips of several channels are mixed down to one")
    return found

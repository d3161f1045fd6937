"""Which task a recipe names: the one that outputs and labels leave no doubt of, else parity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evaluators.task import Task
from evaluators.task_loading import find_task, load_task
from packager.factories import PREFIX
from testpress.starting.facts import DataFacts, ModelFacts

_TAGS = "tagging"
_NAMES = {_TAGS: "classes", "keyword": "words"}
"""of tasks, the option that names what an output's columns stand for"""


@dataclass(frozen=True)
class ChosenTask:
    """A task and how it is set.

    Attributes:
        kind: As the recipe says it.
        required_outputs: What it reads.
        options: What the recipe sets.
        labels: Whether the clips have any.
        promise: Where clips are scored, the metric that stands for how good a model is, a budget's limit and its value.
        is_of_clips: Whether a vector of a call is one of a clip.
        found: How it was come by, and how it is changed.
    """

    kind: str
    required_outputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: bool = True
    promise: tuple[str, str, float | str] | None = None
    is_of_clips: bool = False
    found: tuple[str, ...] = ()


def choose_task(
    model: ModelFacts,
    state: Mapping[str, str],
    data: DataFacts | None,
    *,
    asked: str | None,
    lists: Mapping[str, tuple[str, ...]],
) -> ChosenTask:
    """The task of a recipe.

    Args:
        model: What was found of it.
        state: Its states.
        data: What was found of the user's data.
        asked: What the user says.
        lists: Lists of words in the model's code, which may name its classes.

    Raises:
        EvaluationError: There is no such task.
    """
    plain = [one for one in model.outputs if one.name not in state.values()]
    sizes = [one.sizes[-1] for one in plain if one.sizes]
    size = sizes[0] if len(plain) == 1 and sizes else None
    if asked is not None and asked.startswith(PREFIX):
        find_task(asked)
        return ChosenTask(asked, found=(f"task: {asked}, as you say",))
    if asked is not None:
        find_task(asked)
        return _make(asked, data, size, lists, "as you say")
    names = {one.name for one in plain}
    fitting = [
        kind
        for kind in (data.fits if data else ())
        if (needed := set(load_task(kind).required_outputs)) and needed <= names
    ]
    if len(fitting) == 1:
        return _make(fitting[0], data, size, lists, "since the data has its labels and the model its outputs")
    if data is not None and size is not None and size > 1 and len(data.classes) == size and _TAGS in data.fits:
        return _make(_TAGS, data, size, lists, f"since the labels are of {size} classes and the output has {size}")
    labelled = f"; your data has labels for: {', '.join(data.fits)}" if data and data.fits else ""
    why = f"task: parity, which holds bundles against the model and needs no labels{labelled}"
    return ChosenTask("parity", found=(f"{why}; to score, say --task KIND, or change kind in [task]",))


def _make(
    kind: str, data: DataFacts | None, size: int | None, lists: Mapping[str, tuple[str, ...]], why: str
) -> ChosenTask:
    task, found = load_task(kind), [f"task: {kind}, {why}; --task parity is without labels"]
    has_labels = not task.label_keys or (data is not None and kind in data.fits)
    options: dict[str, Any] = {"single_label": True} if kind == _TAGS and data and data.single_label else {}
    if kind in _NAMES and data is not None and data.classes and has_labels:
        classes, told = _order_classes(data.classes, lists, _NAMES[kind])
        options = {_NAMES[kind]: list(classes), **options}
        found.append(f"{_NAMES[kind]}: {', '.join(classes[:8])}{' …' if len(classes) > 8 else ''}, {told}")
        if size is not None and size != len(classes):
            found.append(f"but the output has {size} values: let {_NAMES[kind]} in [task] name one each, in order")
    if not has_labels:
        found.append(f"labels = false: the data has no {', '.join(task.label_keys)}; how bundles agree is measured")
    if kind == "parity":
        found = ["task: parity, as you say"]
    return ChosenTask(
        kind,
        task.required_outputs,
        options,
        has_labels,
        _make_promise(kind, options) if has_labels else None,
        kind in (_TAGS, "key", "embedding"),
        tuple(found),
    )


def _make_promise(kind: str, options: dict[str, Any]) -> tuple[str, str, float | str] | None:
    """The leading metric may be worse than the source's by 0.02 of a ratio, and of other units by 2 %."""
    opened: Task = load_task(kind, options)
    for name, metric in opened.metrics.items():
        limit = "max_drop" if metric.direction == "higher" else "max_rise"
        return name, limit, 0.02 if metric.unit == "ratio" else "2%"
    return None


def _order_classes(
    classes: tuple[str, ...], lists: Mapping[str, tuple[str, ...]], option: str
) -> tuple[tuple[str, ...], str]:
    """Which column is which class: as the model's code lists them, else by the alphabet."""
    named = next(((name, words) for name, words in lists.items() if sorted(words) == sorted(classes)), None)
    if named is not None:
        return named[1], f"in the order of {named[0]} in the model's file"
    return (
        classes,
        f"in the order of the alphabet, which is assumed; change {option} in [task] if it is another",
    )
